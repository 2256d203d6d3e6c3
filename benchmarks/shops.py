"""A service on an empty database, and a PSP that costs nothing but its latency."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Engine

from paykit import Money, PaymentService, WebhookReceiver
from paykit.psp import Answer, Call, PaymentSnapshot, PaymentStatus, Succeeded
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider, SimulatedPsp
from paykit.workers.inbox_batch import process_batch

__all__ = ["PATHS", "AsyncStub", "Path", "Shop", "Stub", "open_shop"]

_numbers = count(1)


def _opened() -> Answer:
    """Answer as a PSP does that has opened a payment of ten euros."""
    return Succeeded(
        snapshot=PaymentSnapshot(
            reference=f"pi_{next(_numbers)}",
            status=PaymentStatus.REQUIRES_PAYMENT_METHOD,
            raw_status="requires_payment_method",
            amount=1000,
            currency="eur",
            capturable=0,
            captured=0,
            client_secret="pi_secret",
        )
    )


class Stub(SimulatedPsp):
    """Opens every payment after `seconds`, with no work of its own."""

    seconds: float = 0.0

    def send(self, call: Call, /) -> Answer:
        """Wait, and answer."""
        if self.seconds:
            time.sleep(self.seconds)
        return _opened()


class AsyncStub(AsyncSimulatedPsp):
    """`Stub` for asyncio."""

    seconds: float = 0.0

    async def send(self, call: Call, /) -> Answer:
        """Wait, and answer."""
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return _opened()


@dataclass(slots=True)
class Shop:
    """A service on an empty database, and the simulated provider behind it."""

    service: PaymentService
    receiver: WebhookReceiver
    sim: SimulatedProvider


def open_shop(engine: Engine, psp: type[SimulatedPsp]) -> Shop:
    """Open a service; its schema check and its statements are warm afterwards."""
    sim = SimulatedProvider()
    service = PaymentService(engine, psp=psp(sim))
    service.health()
    return Shop(service, WebhookReceiver(service), sim)


Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Path:
    """
    One hot path: `prepare` fills the shop, and returns the work for the items.

    The first piece of work comes on top, to warm up: it is not measured.
    """

    name: str
    prepare: Callable[[Shop, int], list[Work]]
    psp: type[SimulatedPsp] = SimulatedPsp
    beside: str | None = None
    """The path whose log the raw driver replays, if not its own."""


_TEN = Money(1000, "eur")


def _create(shop: Shop, items: int) -> list[Work]:
    create = shop.service.create_payment
    return [
        lambda n=n: create(amount=_TEN, idempotency_key=f"create-{n}")
        for n in range(items + 1)
    ]


def _replay(shop: Shop, items: int) -> list[Work]:
    made = [
        shop.service.create_payment(amount=_TEN, idempotency_key=f"create-{n}")
        for n in range(items + 1)
    ]
    confirm: Callable[..., Any] = shop.service.confirm_payment
    work: list[Work] = [
        lambda p=p: confirm(
            p.id, idempotency_key=f"confirm-{p.id}", payment_method="pm_card_visa"
        )
        for p in made
    ]
    for one in work:
        one()
    return work


def _receive(shop: Shop, items: int) -> list[Work]:
    for _ in range(items + 1):
        shop.sim.call("create_payment", amount=1000, currency="eur")
    receive = shop.receiver.receive
    webhooks = shop.sim.pending_webhooks()[: items + 1]
    return [lambda b=body, h=headers: receive(b, h) for body, headers in webhooks]


def _receive_paid(shop: Shop, items: int) -> None:
    """Receive events that change something: the payers pay over there."""
    for n in range(items // 2 + 1):
        made = shop.service.create_payment(amount=_TEN, idempotency_key=f"create-{n}")
        shop.sim.call(
            "confirm_payment", made.psp_reference, payment_method="pm_card_visa"
        )
    wanted = {"charge.succeeded", "payment_intent.succeeded"}
    paid = [event for event in shop.sim.events() if event.type in wanted]
    for event in paid[:items]:
        shop.receiver.receive(*shop.sim.webhook(event))


def _drain(at_most: int) -> Callable[[Shop, int], list[Work]]:
    def prepare(shop: Shop, items: int) -> list[Work]:
        _receive_paid(shop, items + at_most)
        env = shop.service.engine.env
        rounds = -(-items // at_most) + 1
        return [lambda: shop.service.run(process_batch(env, at_most))] * rounds

    return prepare


PATHS = (
    Path("create", _create, psp=Stub),
    Path("replay", _replay),
    Path("receipt", _receive),
    Path("drain-1", _drain(1)),
    Path("drain-10", _drain(10), beside="drain-1"),
    Path("drain-100", _drain(100), beside="drain-1"),
)
"""The paths with one caller; `concurrency` and `http_receipt` have the others."""
