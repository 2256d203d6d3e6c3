"""One shop for every test: the same calls on both services and on every database."""

from __future__ import annotations

import asyncio
import inspect
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias, TypeVar, cast
from uuid import UUID

import pytest
from sqlalchemy import Engine, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from tenacity import wait_none
from tenacity.wait import wait_base
from typing_extensions import override

from paykit import (
    AsyncPaymentService,
    AsyncWebhookReceiver,
    AsyncWorker,
    Begun,
    Money,
    PaykitError,
    PaymentService,
    PaymentView,
    Policy,
    RefundView,
    WebhookReceiver,
    WebhookResponse,
    Worker,
    WorkReport,
)
from paykit.engine import Flow
from paykit.operations.commands import Command
from paykit.psp import Answer, Call
from paykit.queue import AnyPublisher
from paykit.store.balances import AccountBalance
from paykit.store.schema import metadata
from paykit.testing.simulated import (
    AsyncSimulatedPsp,
    SimEvent,
    SimulatedProvider,
    SimulatedPsp,
)
from paykit.workers.duties import duties
from tests.databases import Database, sqlite_database

__all__ = [
    "DRIVERS",
    "PATIENCE",
    "TABLES",
    "VISA",
    "FrozenWorld",
    "Hook",
    "Shop",
    "WatchedAsyncPsp",
    "WatchedPsp",
    "open_shop",
    "quick",
    "shop",
    "usual_duties",
]

T = TypeVar("T")

DRIVERS: Final = ("threads", "asyncio")
VISA: Final = "pm_card_visa"

TABLES: Final = tuple(sorted(metadata.tables))
"""Every table of paykit, by name."""

_MEMORY: Final = Path("/dev/shm")
"""Where a commit need not wait for a disk; any other directory will do."""

WRITES: Final = frozenset(
    {
        "create_payment",
        "confirm_payment",
        "capture_payment",
        "cancel_payment",
        "create_refund",
        "increment_authorization",
        "update_payment",
    }
)

Hook: TypeAlias = Callable[[Call], Awaitable[object] | object | None]
"""Runs while the PSP is asked; what it returns is awaited if it can be."""


def _no_pause() -> wait_base:
    return wait_none()


PATIENCE: Final = Policy(backoff=_no_pause, object_wait=timedelta(0))
"""The usual patience, without pauses before a send: time stands still."""


class FrozenWorld:
    """Time stands still until the test moves it, for leases too; names are counted."""

    simulated = True

    def __init__(self) -> None:
        self._now = datetime(2030, 1, 1, 12, tzinfo=UTC)
        self._names = count(1)

    def now(self) -> datetime:
        return self._now

    def new_uuid(self) -> UUID:
        return UUID(int=next(self._names))

    def advance(self, by: timedelta) -> None:
        self._now += by


@dataclass
class _Watch:
    """What was sent, and what happens meanwhile."""

    sent: list[Call] = field(default_factory=list)
    before: Hook | None = None
    after: Hook | None = None

    def verbs(self) -> list[str]:
        return [call.verb for call in self.sent]

    def writes(self) -> list[str]:
        return [verb for verb in self.verbs() if verb in WRITES]


class WatchedPsp(SimulatedPsp):
    """A `SimulatedPsp` that remembers what was sent."""

    def __init__(self, sim: SimulatedProvider, account: str = "default") -> None:
        super().__init__(sim, account)
        self.watch = _Watch()

    @override
    def send(self, call: Call, /) -> Answer:
        self.watch.sent.append(call)
        if self.watch.before is not None:
            self.watch.before(call)
        answer = super().send(call)
        if self.watch.after is not None:
            self.watch.after(call)
        return answer


class WatchedAsyncPsp(AsyncSimulatedPsp):
    """An `AsyncSimulatedPsp` that remembers what was sent."""

    def __init__(self, sim: SimulatedProvider, account: str = "default") -> None:
        super().__init__(sim, account)
        self.watch = _Watch()

    @override
    async def send(self, call: Call, /) -> Answer:
        self.watch.sent.append(call)
        await _settle(self.watch.before, call)
        answer = await super().send(call)
        await _settle(self.watch.after, call)
        return answer


async def _settle(hook: Hook | None, call: Call) -> None:
    result = None if hook is None else hook(call)
    if inspect.isawaitable(result):
        await result


@dataclass
class Shop:
    """
    A host with paykit, its worker and its webhook endpoint, and the PSP behind it.

    Every method waits: the same test runs on `PaymentService` and, in one event loop,
    on `AsyncPaymentService`.
    """

    database: Database
    engine: Engine
    world: FrozenWorld
    sim: SimulatedProvider
    psp: WatchedPsp | WatchedAsyncPsp
    service: PaymentService | AsyncPaymentService
    worker: Worker | AsyncWorker
    receiver: WebhookReceiver | AsyncWebhookReceiver
    runner: asyncio.Runner | None
    host: Engine | AsyncEngine
    _keys: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def watch(self) -> _Watch:
        return self.psp.watch

    @property
    def is_async(self) -> bool:
        return self.runner is not None

    def wait(self, result: Awaitable[T] | T) -> T:
        """Return `result`, or what it comes to."""
        if self.runner is not None and inspect.isawaitable(result):
            awaited: T = self.runner.run(_await(result))
            return awaited
        return cast("T", result)

    def run(self, flow: Flow[T]) -> T:
        """Perform a flow of the engine."""
        return self.wait(self.service.run(flow))

    def key(self) -> str:
        return f"key-{next(self._keys)}"

    # -- operations ----------------------------------------------------------------

    def _call(self, method: str, *arguments: object, **fields: Any) -> Any:
        commands = method.endswith("_payment") or method in WRITES
        if commands and "idempotency_key" not in fields:
            fields["idempotency_key"] = self.key()
        return self.wait(getattr(self.service, method)(*arguments, **fields))

    def create_payment(self, **fields: Any) -> PaymentView:
        fields.setdefault("amount", Money(1000, "eur"))
        return cast("PaymentView", self._call("create_payment", **fields))

    def confirm_payment(self, payment_id: str, **fields: Any) -> PaymentView:
        fields.setdefault("payment_method", VISA)
        return cast("PaymentView", self._call("confirm_payment", payment_id, **fields))

    def capture_payment(self, payment_id: str, **fields: Any) -> PaymentView:
        return cast("PaymentView", self._call("capture_payment", payment_id, **fields))

    def capture_part(self, payment_id: str, **fields: Any) -> PaymentView:
        fields.setdefault("amount", Money(400, "eur"))
        return self.capture_payment(payment_id, **{"final": False, **fields})

    def increment_authorization(self, payment_id: str, **fields: Any) -> PaymentView:
        fields.setdefault("amount", Money(1500, "eur"))
        method = "increment_authorization"
        return cast("PaymentView", self._call(method, payment_id, **fields))

    def update_payment(self, payment_id: str, **fields: Any) -> PaymentView:
        fields.setdefault("amount", Money(700, "eur"))
        return cast("PaymentView", self._call("update_payment", payment_id, **fields))

    def cancel_payment(self, payment_id: str, **fields: Any) -> PaymentView:
        return cast("PaymentView", self._call("cancel_payment", payment_id, **fields))

    def refund_payment(self, payment_id: str, **fields: Any) -> RefundView:
        return cast("RefundView", self._call("refund_payment", payment_id, **fields))

    def get(self, payment_id: str, **fields: Any) -> PaymentView:
        return self.wait(self.service.get_payment(payment_id, **fields))

    def refresh(self, payment_id: str, **fields: Any) -> PaymentView:
        return self.wait(self.service.refresh_payment(payment_id, **fields))

    def refunds(self, payment_id: str) -> tuple[RefundView, ...]:
        return self.wait(self.service.list_refunds(payment_id))

    def event_types(self, payment_id: str) -> list[str]:
        events = self.wait(self.service.payment_events(payment_id))
        assert [e.sequence for e in events] == list(range(1, len(events) + 1))
        return [event.type for event in events]

    def finish(self, begun: Begun) -> PaymentView | RefundView:
        return cast("PaymentView | RefundView", self.wait(self.service.finish(begun)))

    def begin(
        self,
        command: Command,
        *,
        idempotency_key: str,
        commit: bool = True,
        note: str | None = None,
        **fields: Any,
    ) -> Begun:
        """Begin `command` in a transaction of the host, which may `note` something."""
        begin = self._begin_async if self.is_async else self._begin
        return self.wait(begin(command, idempotency_key, commit, note, fields))

    def _begin(
        self, command: Command, key: str, commit: bool, note: str | None, fields: Any
    ) -> Begun:
        assert isinstance(self.service, PaymentService)
        assert isinstance(self.host, Engine)
        with Session(self.host) as session:
            if note is not None:
                session.execute(_NOTE, {"note": note})
            begun = self.service.begin(
                command, session=session, idempotency_key=key, **fields
            )
            (session.commit if commit else session.rollback)()
        return begun

    async def _begin_async(
        self, command: Command, key: str, commit: bool, note: str | None, fields: Any
    ) -> Begun:
        assert isinstance(self.service, AsyncPaymentService)
        assert isinstance(self.host, AsyncEngine)
        async with AsyncSession(self.host) as session:
            if note is not None:
                await session.execute(_NOTE, {"note": note})
            begun = await self.service.begin(
                command, session=session, idempotency_key=key, **fields
            )
            await (session.commit if commit else session.rollback)()
        return begun

    # -- the usual beginnings ------------------------------------------------------

    def paid(self, minor: int = 1000, currency: str = "eur", **fields: Any) -> str:
        """Return the id of a payment that was captured."""
        method = fields.pop("payment_method", VISA)
        payment = self.create_payment(amount=Money(minor, currency), **fields)
        merchant = {"merchant": payment.merchant}
        self.confirm_payment(payment.id, payment_method=method, **merchant)
        return payment.id

    def authorized(self, minor: int = 1000, **fields: Any) -> str:
        """Return the id of a payment that waits to be captured."""
        return self.paid(minor, capture="manual", **fields)

    def authorized_until(self, payment_id: str) -> datetime:
        """Return when the PSP lets go of what a payment has authorized."""
        end = self.get(payment_id).capture_before
        assert end is not None
        return end

    def reference(self, payment_id: str) -> str:
        """Return the PSP's id of a payment."""
        reference = self.get(payment_id).psp_reference
        assert reference is not None
        return reference

    def meanwhile(
        self,
        action: Callable[[], Awaitable[object] | object],
        *,
        executed: bool = False,
    ) -> list[object]:
        """
        Let `action` run once while the PSP is asked next; its outcome is in the list.

        With `executed` the PSP has acted, and only the answer is still on its way.
        """
        outcomes: list[object] = []

        def hook(call: Call) -> Awaitable[None] | None:
            self.watch.before = self.watch.after = None
            if self.is_async:
                return _note_async(action, outcomes)
            _note(action, outcomes)
            return None

        setattr(self.watch, "after" if executed else "before", hook)
        return outcomes

    # -- webhooks and work ---------------------------------------------------------

    def receive(self, body: Any, headers: Any) -> WebhookResponse:
        return self.wait(self.receiver.receive(body, headers))

    def push(self, event: SimEvent) -> WebhookResponse:
        """Deliver one event, signed now."""
        return self.receive(*self.sim.webhook(event))

    def deliver(self) -> list[int]:
        """Deliver every webhook that is pending, in order; return the statuses."""
        pushed = self.sim.pending_webhooks()
        return [self.receive(body, headers).status for body, headers in pushed]

    def work(self) -> WorkReport:
        """Let the worker do once what is due; no duty may fail."""
        report: WorkReport = self.wait(self.worker.run_once())
        assert not report.failed
        return report

    def settle(self, *, within: timedelta = timedelta(minutes=2)) -> None:
        """Deliver and work until nothing happens for a while."""
        for _ in range(4):
            self.deliver()
            self.work()
            self.world.advance(within / 4)
        self.work()

    def wait_and_work(self, by: timedelta) -> WorkReport:
        self.world.advance(by)
        return self.work()

    # -- what stands in the database -----------------------------------------------

    def query(self, statement: str, **values: object) -> list[RowMapping]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), values).mappings())

    def execute(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def scalar(self, statement: str, **values: object) -> Any:
        with self.engine.connect() as connection:
            return connection.scalar(text(statement), values)

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        with self.engine.connect() as connection:
            return {
                table: connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0
                for table in TABLES
            }

    def claims(self) -> dict[str, str]:
        rows = self.query("SELECT thing_id, command FROM paykit_claim")
        return {row["thing_id"]: row["command"] for row in rows}

    def breaks(self) -> set[str]:
        return {row["kind"] for row in self.query("SELECT kind FROM paykit_break")}

    def column(self, payment_id: str, name: str) -> Any:
        return self.scalar(
            f"SELECT {name} FROM paykit_payment WHERE id = :id", id=payment_id
        )

    def balances(self, merchant: str = "default") -> dict[str, int]:
        """Return the net of each account: debits without credits; without zeros."""
        found: list[AccountBalance] = self.wait(self.service.trial_balance(merchant))
        by_account = {f"{b.code}:{b.currency}": b.debits - b.credits for b in found}
        assert sum(by_account.values()) == 0
        return {account: net for account, net in by_account.items() if net}

    def charged(self) -> int:
        """Return how many charges the issuers have approved, all told."""
        return sum(self.sim.effects().charges.values())

    def at_psp(self) -> dict[str, int]:
        """Return what moved at the PSP: captured and refunded, all told."""
        effects = self.sim.effects()
        return {
            "captured": sum(effects.captured.values()),
            "refunded": sum(effects.refunded.values()),
        }


_NOTE = text("INSERT INTO host_note (note) VALUES (:note)")


async def _await(result: Awaitable[T]) -> T:
    return await result


def _note(action: Callable[[], object], outcomes: list[object]) -> None:
    try:
        outcomes.append(action())
    except PaykitError as error:
        outcomes.append(error)


async def _note_async(
    action: Callable[[], Awaitable[object] | object], outcomes: list[object]
) -> None:
    try:
        result = action()
        outcomes.append(await result if inspect.isawaitable(result) else result)
    except PaykitError as error:
        outcomes.append(error)


def open_shop(
    database: Database,
    driver: str,
    *,
    world: FrozenWorld | None = None,
    sim: SimulatedProvider | None = None,
    policy: Policy = PATIENCE,
    runner: asyncio.Runner | None = None,
    publisher: AnyPublisher | None = None,
) -> Shop:
    """Open a shop on `database`; pass another shop's parts to stand beside it."""
    world = world or FrozenWorld()
    sim = sim or SimulatedProvider(world)
    if driver == "threads":
        return _blocking(database, world, sim, policy, publisher)
    runner = runner or asyncio.Runner()
    return _asyncio(database, world, sim, policy, runner, publisher)


def usual_duties(service: PaymentService | AsyncPaymentService) -> list[str]:
    """Return every duty but the jobs that come again: who tests them lets them run."""
    return [name for name in duties(service) if name != "periodic"]


def _blocking(
    database: Database,
    world: FrozenWorld,
    sim: SimulatedProvider,
    policy: Policy,
    publisher: Any,
) -> Shop:
    psp = WatchedPsp(sim)
    host = database.engine()
    service = PaymentService(
        host, psp=psp, policy=policy, world=world, publisher=publisher
    )
    return Shop(
        database=database,
        engine=database.engine(),
        world=world,
        sim=sim,
        psp=psp,
        service=service,
        worker=Worker(service, only=usual_duties(service)),
        receiver=WebhookReceiver(service),
        runner=None,
        host=host,
    )


def _asyncio(
    database: Database,
    world: FrozenWorld,
    sim: SimulatedProvider,
    policy: Policy,
    runner: asyncio.Runner,
    publisher: Any,
) -> Shop:
    psp = WatchedAsyncPsp(sim)
    host = database.async_engine()
    service = AsyncPaymentService(
        host, psp=psp, policy=policy, world=world, publisher=publisher
    )
    return Shop(
        database=database,
        engine=database.engine(),
        world=world,
        sim=sim,
        psp=psp,
        service=service,
        worker=AsyncWorker(service, only=usual_duties(service)),
        receiver=AsyncWebhookReceiver(service),
        runner=runner,
        host=host,
    )


@pytest.fixture
def quick(sqlite_template: Path) -> Iterator[Shop]:
    """One quick shop (threads, SQLite), for rules that know no driver or database."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as directory:
        path = Path(directory) / "quick.db"
        shutil.copy(sqlite_template, path)
        database = sqlite_database(path)
        yield open_shop(database, "threads")
        database.dispose()


@pytest.fixture(params=DRIVERS)
def shop(request: pytest.FixtureRequest, installed: Database) -> Iterator[Shop]:
    """A shop with either service, on a database of each kind."""
    with installed.engine().begin() as connection:
        connection.execute(text("CREATE TABLE host_note (note VARCHAR(64))"))
    shop = open_shop(installed, request.param)
    try:
        yield shop
    finally:
        if shop.runner is not None:
            shop.runner.close()
