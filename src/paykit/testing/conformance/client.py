"""How the tests ask: one way for both colours of adapter."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Final, Literal, TypeVar, get_args

from paykit.clock import World
from paykit.money import Money
from paykit.psp import (
    Answer,
    AsyncPsp,
    Call,
    ChargeSnapshot,
    ConfirmPayment,
    CreatePayment,
    CreateRefund,
    PaymentSnapshot,
    Psp,
    ReadPayment,
    Request,
    WriteRequest,
)
from paykit.testing.conformance.answers import payment_in

__all__ = ["Client"]

T = TypeVar("T")

_WRITES: Final = get_args(WriteRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Asks through one adapter and waits for the answer, whatever its colour."""

    psp: Psp | AsyncPsp
    world: World
    runner: asyncio.Runner
    amount: Money
    good_method: str

    def new_name(self) -> str:
        """Return a text that nobody has used before, for keys and metadata."""
        return f"paykit-conformance-{self.world.new_uuid()}"

    def prepare(self, request: Request, key: str | None = None) -> Call:
        """Prepare `request`; a write without a key gets one of its own."""
        if key is None and isinstance(request, _WRITES):
            key = self.new_name()
        return self.psp.prepare(request, key)

    def send(self, call: Call, psp: Psp | AsyncPsp | None = None) -> Answer:
        """Send `call`, through another adapter if one is given."""
        answer = (psp or self.psp).send(call)
        if inspect.isawaitable(answer):
            return self.runner.run(_wait_for(answer))
        return answer

    def send_twice_at_once(self, call: Call) -> tuple[Answer, Answer]:
        """Send `call` from two threads, or from two tasks of one event loop."""
        psp = self.psp
        if inspect.iscoroutinefunction(psp.send):
            return self.runner.run(_both(psp.send(call), psp.send(call)))
        with ThreadPoolExecutor(2) as pool:
            start = Barrier(2)
            one, other = (pool.submit(_meet, start, self, call) for _ in range(2))
            return one.result(), other.result()

    def ask(self, request: Request, key: str | None = None) -> Answer:
        """Prepare and send `request`."""
        return self.send(self.prepare(request, key))

    # Payments in the state that a test begins with

    def creation(
        self,
        *,
        method: str | None = None,
        capture: Literal["automatic", "manual"] = "automatic",
        metadata: dict[str, str] | None = None,
    ) -> CreatePayment:
        """Return the request for a payment of `amount`, marked as of this test."""
        return CreatePayment(
            amount=self.amount,
            capture=capture,
            metadata=metadata or {"conformance": self.new_name()},
            payment_method=method,
        )

    def opened(
        self,
        *,
        method: str | None = None,
        capture: Literal["automatic", "manual"] = "automatic",
        metadata: dict[str, str] | None = None,
    ) -> str:
        """Create a payment and return its id."""
        request = self.creation(method=method, capture=capture, metadata=metadata)
        return payment_in(self.ask(request)).reference

    def paid(self) -> str:
        """Create a payment, take the money and return its id."""
        return self._confirmed(self.opened())

    def held(self) -> str:
        """Authorize a payment without taking the money and return its id."""
        return self._confirmed(self.opened(capture="manual"))

    def refunding(self, payment: str, amount: Money) -> CreateRefund:
        """Return the request to give back `amount`, marked as of this test."""
        metadata = {"conformance": self.new_name()}
        return CreateRefund(payment=payment, amount=amount, metadata=metadata)

    # What the provider shows

    def payment(self, reference: str) -> PaymentSnapshot:
        """Read a payment."""
        return payment_in(self.ask(ReadPayment(payment=reference)))

    def charge(self, reference: str) -> ChargeSnapshot:
        """Read a payment and return its latest charge."""
        charge = self.payment(reference).charge
        if charge is None:
            raise AssertionError("a payment is read with its latest charge")
        return charge

    def _confirmed(self, payment: str) -> str:
        request = ConfirmPayment(payment=payment, payment_method=self.good_method)
        return payment_in(self.ask(request)).reference


def _meet(start: Barrier, client: Client, call: Call) -> Answer:
    start.wait(timeout=10)
    return client.send(call)


async def _both(one: Awaitable[T], other: Awaitable[T]) -> tuple[T, T]:
    first, second = await asyncio.gather(one, other)
    return first, second


async def _wait_for(answer: Awaitable[T]) -> T:
    return await answer
