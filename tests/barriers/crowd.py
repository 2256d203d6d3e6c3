"""Many at once: threads that start together, each with connections of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Barrier
from typing import Final, TypeVar

from sqlalchemy import Engine, create_engine
from tenacity import wait_none

from paykit import Money, PaykitError, PaymentService, PaymentView, Policy
from paykit.clock import SYSTEM
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.simulation.cast import Heard
from tests.databases import Database
from tests.sweep.verdict import DAY, Told, broken, pass_time, work

__all__ = ["Crowd", "PATIENCE_SECONDS", "crowd"]

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60.0


@dataclass
class Crowd:
    """Application servers that share one database and one PSP."""

    engines: tuple[Engine, ...]
    services: tuple[PaymentService, ...]
    sim: SimulatedProvider
    heard: list[Heard]

    def at_once(self, act: Callable[[int, PaymentService], T]) -> list[T]:
        """Let every server `act` from the same moment; return what each returned."""
        start = Barrier(len(self.services), timeout=PATIENCE_SECONDS)

        def one(number: int) -> T:
            start.wait()
            return act(number, self.services[number])

        with ThreadPoolExecutor(len(self.services)) as pool:
            return list(pool.map(one, range(len(self.services))))

    def tell(self, operation: str, key: str, call: Callable[[], Told]) -> Told:
        """Make a call; return what its caller is told, and remember it."""
        told: Told
        try:
            told = call()
        except PaykitError as error:
            told = error
        self.heard.append(Heard("caller", operation, key, told))
        return told

    @property
    def service(self) -> PaymentService:
        """The service of the first server."""
        return self.services[0]

    def created(self, name: str, minor: int = 100, **more: object) -> PaymentView:
        """Return a payment that was created, in USD."""
        return self.service.create_payment(
            amount=Money(minor, "usd"),
            idempotency_key=f"{name}-create",
            payment_method="pm_card_visa",
            **more,  # type: ignore[arg-type]
        )

    def charged(self, name: str, minor: int = 100, **more: object) -> PaymentView:
        """Return a payment that was created and confirmed."""
        payment = self.created(name, minor, **more)
        return self.service.confirm_payment(
            payment.id, idempotency_key=f"{name}-confirm"
        )

    def pass_time(self) -> None:
        """Let leases end and work fall due."""
        pass_time(self.engines[0], DAY)

    def settle(self) -> None:
        """Let one worker do what is left, until nothing is."""
        work(self.service, self.engines[0])

    def violations(self) -> list[str]:
        """Return every invariant that is broken."""
        return broken(self.service, self.engines[0], self.sim, self.heard)


@contextmanager
def crowd(
    database: Database, servers: int, policy: Policy | None = None
) -> Iterator[Crowd]:
    """Start `servers` application servers; the first use of each is behind them."""
    sim = SimulatedProvider(SYSTEM)
    timeout = {"timeout": PATIENCE_SECONDS} if database.kind == "sqlite" else {}
    engines = tuple(
        create_engine(database.url, connect_args=timeout) for _ in range(servers)
    )
    services = tuple(
        PaymentService(
            engine,
            psp=SimulatedPsp(sim),
            policy=policy or Policy(backoff=wait_none),
            installation="crowd",
        )
        for engine in engines
    )
    try:
        for service in services:
            service.health()
        yield Crowd(engines, services, sim, [])
    finally:
        for engine in engines:
            engine.dispose()
