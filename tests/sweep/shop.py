"""The host beside the process that dies: callers, a worker, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Engine, text
from sqlalchemy.engine import RowMapping

from paykit import (
    PaykitError,
    PaymentService,
    PaymentView,
    WebhookReceiver,
    Worker,
)
from paykit.psp import Psp
from paykit.stripe import StripePsp
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.simulation.cast import Heard
from paykit.testing.stripe_server import StripeServer
from tests.databases import Database
from tests.sweep.child import (
    INSTALLATION,
    PATIENCE,
    SECRET_KEY,
    Ahead,
    Job,
    When,
    with_money,
)
from tests.sweep.verdict import Told, broken, pass_time, work

__all__ = ["LEASE", "Shop", "opened", "reopened"]

LEASE: Final = PATIENCE.lease + timedelta(seconds=1)


@dataclass
class Shop:
    """A host on `database`, with the same key, PSP and clock as the dying process."""

    database: Database
    server: StripeServer
    world: Ahead
    psp: Psp
    engine: Engine
    service: PaymentService
    heard: list[Heard] = field(default_factory=list)

    @property
    def sim(self) -> SimulatedProvider:
        return self.server.sim

    def job(
        self, method: str, arguments: dict[str, Any], number: int, when: When
    ) -> Job:
        """Return the job of a process that makes this call and dies there."""
        return Job(
            database=self.database.url,
            psp=self.server.url,
            method=method,
            arguments=arguments,
            number=number,
            when=when,
            ahead_seconds=self.world.by.total_seconds(),
        )

    def call(self, method: str, arguments: dict[str, Any]) -> Told:
        """Make a call and return what its caller is told."""
        told: Told
        try:
            told = getattr(self.service, method)(**with_money(arguments))
        except PaykitError as error:
            told = error
        verb, thing = method.split("_")
        key = arguments["idempotency_key"]
        self.heard.append(Heard("caller", f"{thing}.{verb}", key, told))
        return told

    def pass_time(self, by: timedelta) -> None:
        """Let leases end and work fall due."""
        pass_time(self.engine, by)

    def deliver(self) -> None:
        """Deliver the webhooks that are pending; each must be accepted."""
        receiver = WebhookReceiver(self.service)
        for body, headers in self.sim.pending_webhooks():
            assert receiver.receive(body, headers).status == 200

    def work_once(self) -> None:
        """Let the worker do what is due now."""
        Worker(self.service).run_once()

    def settle(self) -> None:
        """Deliver all webhooks and do all work."""
        self.deliver()
        work(self.service, self.engine)

    def violations(self) -> list[str]:
        """Return every invariant that is broken."""
        return broken(self.service, self.engine, self.sim, self.heard)

    def rows(self, statement: str, **values: object) -> list[RowMapping]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), values).mappings())

    def execute(self, statement: str, **values: object) -> int:
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values).rowcount

    def payment(self) -> PaymentView:
        """Return the one payment there is."""
        (payment,) = self.service.list_payments().items
        return payment

    def moved(self) -> tuple[str, int, int]:
        """Return state, captured and refunded of the one payment."""
        payment = self.payment()
        return payment.state.value, payment.captured, payment.refunded

    def attempts(self) -> list[RowMapping]:
        """Return what the swept operation asked the PSP: keys, verbs and bytes."""
        return self.rows(
            "SELECT a.recovery_point, a.psp_key, a.verb, a.parameters "
            "FROM paykit_attempt a JOIN paykit_operation o ON o.id = a.operation_id "
            "WHERE o.idempotency_key = 'swept' ORDER BY a.psp_key"
        )

    def replays(self) -> int:
        """Return how many answers the PSP gave from its memory."""
        return len(self.rows("SELECT id FROM paykit_psp_answer WHERE replayed"))


@contextmanager
def opened(database: Database, server: StripeServer, world: Ahead) -> Iterator[Shop]:
    """Open a shop, and leave no connection behind."""
    psp = StripePsp(
        SECRET_KEY, webhook_secrets=[server.sim.webhook_secret], base_url=server.url
    )
    engine = database.engine()
    service = PaymentService(
        engine, psp=psp, policy=PATIENCE, world=world, installation=INSTALLATION
    )
    try:
        yield Shop(database, server, world, psp, engine, service)
    finally:
        psp.close()
        database.dispose()


@contextmanager
def reopened(shop: Shop, database: Database) -> Iterator[Shop]:
    """Open the shop on another database; its callers remember what they heard."""
    with opened(database, shop.server, shop.world) as other:
        other.heard = shop.heard
        yield other
