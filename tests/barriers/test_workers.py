"""Many workers, webhook endpoints and callers over the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session
from typing_extensions import override

from paykit import (
    EventView,
    InProgress,
    LeaseLost,
    PaykitError,
    PaymentService,
    WebhookReceiver,
    Worker,
    WorkReport,
)
from paykit.operations import ConfirmPayment
from paykit.psp import Answer, Call, PspEvent
from paykit.testing.simulated import SimulatedPsp
from paykit.workers.inbox import process_next
from tests.barriers.crowd import Crowd, crowd
from tests.databases import Database
from tests.sweep.verdict import Told, bare

pytestmark = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)

ROUNDS = 10


def _receive(
    events: list[tuple[bytes, dict[str, str]]], _: int, service: PaymentService
) -> list[str]:
    """Receive `events` and work; return what the sender was told of each."""
    endpoint = WebhookReceiver(service)
    told = [endpoint.receive(body, headers) for body, headers in events]
    Worker(service).run_once()
    assert {one.status for one in told} == {200}
    return [one.reason for one in told]


def test_an_event_that_comes_eight_times_at_once_is_applied_once(
    installed: Database,
) -> None:
    with crowd(installed, 8) as servers:
        for number in range(ROUNDS):
            payment = servers.created(f"order-{number}")
            servers.sim.pending_webhooks()
            # Paid behind paykit's back: only the events tell of it.
            servers.sim.call("confirm_payment", str(payment.psp_reference))
            events = servers.sim.pending_webhooks()

            reasons = Counter(
                reason
                for told in servers.at_once(partial(_receive, events))
                for reason in told
            )
            assert reasons["stored"] == len(events)
            servers.settle()
            history = [one.type for one in servers.service.payment_events(payment.id)]
            assert history.count("payment.captured") == 1
            assert history.count("payment.succeeded") == 1
        assert servers.violations() == []


def abandoned(servers: Crowd, name: str) -> tuple[str, str]:
    """Begin a confirmation, and let its process be gone; return payment and key."""
    payment = servers.created(name)
    key = f"{name}-confirm"
    with Session(servers.engines[0]) as session:
        servers.service.begin(
            ConfirmPayment(payment_id=payment.id), session=session, idempotency_key=key
        )
        session.commit()
    servers.pass_time()
    return payment.id, key


def test_an_abandoned_operation_is_resumed_by_one_of_eight_workers(
    installed: Database,
) -> None:
    with crowd(installed, 8) as servers:
        for number in range(ROUNDS):
            payment, _ = abandoned(servers, f"order-{number}")
            reports = servers.at_once(lambda _, service: Worker(service).run_once())
            ends = Counter(end for one in reports for end in one.done["resume"])
            assert ends == {"done": 1}
            assert servers.service.get_payment(payment).paid
        servers.settle()
        assert servers.violations() == []


def _meet(
    servers: Crowd, payment: str, key: str, number: int, service: PaymentService
) -> Told | WorkReport:
    """Work, or repeat the call: every second server the one, the others the other."""
    if number % 2:
        return Worker(service).run_once()
    call = partial(service.confirm_payment, payment, idempotency_key=key)
    return servers.tell("payment.confirm", key, call)


def test_callers_and_workers_of_one_operation_meet_without_a_deadlock(
    installed: Database,
) -> None:
    with crowd(installed, 8) as servers:
        for number in range(ROUNDS):
            payment, key = abandoned(servers, f"order-{number}")

            told = servers.at_once(partial(_meet, servers, payment, key))[::2]
            errors = [one for one in told if isinstance(one, PaykitError)]
            assert all(isinstance(error, InProgress) for error in errors), errors
        servers.settle()
        assert servers.violations() == []
    assert deadlocks(installed) == 0


def test_a_caller_suspended_past_its_lease_advances_nothing(
    installed: Database,
) -> None:
    with crowd(installed, 2) as servers:
        payment = servers.created("order")
        quick = servers.services[1]
        psp = Suspended(servers.sim)
        slow = PaymentService(servers.engines[0], psp=psp, installation="crowd")

        def work_elsewhere() -> None:
            servers.pass_time()
            assert Worker(quick).run_once().done["resume"] == {"done": 1}

        psp.meanwhile = work_elsewhere
        call = partial(slow.confirm_payment, payment.id, idempotency_key="confirm")
        written = len(quick.payment_events(payment.id)) + 2  # captured, succeeded
        assert isinstance(servers.tell("payment.confirm", "confirm", call), LeaseLost)
        assert len(quick.payment_events(payment.id)) == written
        bare(servers.tell("payment.confirm", "confirm", call))
        servers.settle()
        assert servers.violations() == []


class Suspended(SimulatedPsp):
    """A process that is suspended, once, when it has heard the PSP's answer."""

    meanwhile: Callable[[], object] | None = None

    @override
    def send(self, call: Call, /) -> Answer:
        answer = super().send(call)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            with ThreadPoolExecutor(1) as others:
                others.submit(meanwhile).result()
        return answer


def test_a_worker_outlives_an_event_that_fails_after_its_lease(
    installed: Database,
) -> None:
    with crowd(installed, 2) as servers:
        payment = servers.created("order")
        quick = servers.services[1]
        psp = Paused(servers.sim)

        def work_elsewhere() -> None:
            servers.pass_time()
            Worker(quick).run_once()

        psp.meanwhile = work_elsewhere
        paused = PaymentService(servers.engines[0], psp=psp, installation="crowd")
        endpoint = WebhookReceiver(quick)
        servers.sim.call("confirm_payment", str(payment.psp_reference))
        for body, headers in servers.sim.pending_webhooks():
            endpoint.receive(body, headers)
        # Alone: in a batch the row is locked for as long as it is read.
        assert paused.run(process_next(paused.engine.env)) == "lease lost"
        servers.settle()
        assert servers.violations() == []


class Paused(SimulatedPsp):
    """A process that is suspended while it reads an event, and then fails."""

    meanwhile: Callable[[], object]

    @override
    def read_event(self, body: bytes, /) -> PspEvent:
        with ThreadPoolExecutor(1) as others:
            others.submit(self.meanwhile).result()
        raise ValueError("suspended for too long")


def deadlocks(database: Database) -> int:
    """Return how often PostgreSQL had to end a transaction; callers lose a second."""
    engine = create_engine(database.url)
    try:
        return _deadlocks(engine)
    finally:
        engine.dispose()


def _deadlocks(engine: Engine) -> int:
    statement = text(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    with engine.connect() as connection:
        return int(connection.scalar(statement) or 0)


def test_each_event_is_handled_once_and_in_order_by_eight_workers(
    installed: Database,
) -> None:
    with crowd(installed, 8) as servers:
        for service in servers.services:
            service.on("*")(_note)
        with servers.engines[0].begin() as connection:
            connection.execute(
                text("CREATE TABLE heard (n SERIAL, payment TEXT, sequence INT)")
            )
        payments = [servers.charged(f"order-{n}").id for n in range(ROUNDS)]
        servers.at_once(lambda _, service: Worker(service).run_once())
        servers.settle()
        for payment in payments:
            written = len(servers.service.payment_events(payment))
            assert _heard(servers, payment) == list(range(1, written + 1))


def _note(event: EventView, session: Session) -> None:
    session.execute(
        text("INSERT INTO heard (payment, sequence) VALUES (:payment, :sequence)"),
        {"payment": event.payment_id, "sequence": event.sequence},
    )


def _heard(servers: Crowd, payment: str) -> list[int]:
    statement = text("SELECT sequence FROM heard WHERE payment = :id ORDER BY n")
    with servers.engines[0].connect() as connection:
        return list(connection.scalars(statement, {"id": payment}))
