"""Why an event is not done yet: counted by kind, and only our own failures kill it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from paykit.engine import Flow
from paykit.operations.apply_event import apply_event
from paykit.store import inbox
from paykit.testing.simulated import Fault
from paykit.workers.failures import spread
from paykit.workers.inbox import DEFERRALS, LEASE, READS, RETRIES, process_claimed
from paykit.workers.inbox_batch import process_batch
from tests.databases import Database
from tests.failures.stories import Crash, body_of, die, push_raw
from tests.support import VISA, Shop, open_shop

HOUR: Final = timedelta(hours=1)


def _row(shop: Shop, event_id: str) -> Any:
    (row,) = shop.query(
        "SELECT status, deferrals, unread, failures, reason, first_failed_at, dead_at "
        "FROM paykit_inbox WHERE event_id = :id",
        id=event_id,
    )
    return row


def _counts(shop: Shop, event_id: str) -> tuple[int, int, int]:
    row = _row(shop, event_id)
    return row["deferrals"], row["unread"], row["failures"]


def _backlog(shop: Shop) -> inbox.Backlog:
    return shop.wait(shop.service.health()).inbox


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "paykit"):
        yield


def _needs_a_read(shop: Shop, payment: str, name: str = "evt_old") -> str:
    """Receive an event that proves nothing: the payment was confirmed elsewhere."""
    shop.sim.call("confirm_payment", shop.reference(payment), payment_method=VISA)
    event = body_of(shop, shop.sim.events()[-1])
    push_raw(shop, {**event, "id": name, "api_version": "2019-01-01"})
    return name


# -- the PSP is down -------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER])
def test_an_outage_of_days_kills_no_event(shop: Shop, fault: Fault) -> None:
    payment = shop.create_payment().id
    shop.settle()
    name = _needs_a_read(shop, payment)
    shop.sim.faults.add(fault, verb="read_payment", times=10_000)
    shop.sim.faults.add(fault, verb="read_charge", times=10_000)
    for _ in range(32):
        shop.wait_and_work(3 * HOUR)
    deferrals, unread, failures = _counts(shop, name)
    assert (_row(shop, name)["status"], deferrals, failures) == ("received", 0, 0)
    assert unread > len(READS) + len(RETRIES)
    found = _backlog(shop)
    assert (found.pending, found.unread, found.dead) == (1, 1, 0)
    assert found.oldest_unread_seconds > timedelta(days=3).total_seconds()
    shop.sim.faults.clear()
    shop.wait_and_work(READS[-1])
    assert _row(shop, name)["status"] == "applied"
    assert shop.get(payment).paid
    assert _backlog(shop).pending == 0


def test_reads_are_tried_again_later_and_later_up_to_a_bound(quick: Shop) -> None:
    payment = quick.create_payment().id
    quick.settle()
    name = _needs_a_read(quick, payment)
    quick.sim.faults.add(Fault.LOSE_REQUEST, times=10_000)
    quick.work()
    for count in range(1, len(READS) + 4):
        assert _counts(quick, name)[1] == count
        pause = READS[min(count, len(READS)) - 1]
        quick.wait_and_work(pause * 0.75 - timedelta(milliseconds=1))
        assert _counts(quick, name)[1] == count, "too early"
        quick.wait_and_work(pause / 4 + timedelta(milliseconds=1))


def test_what_failed_together_does_not_come_back_together() -> None:
    pauses = {spread(HOUR, f"evt_{number}", 1) for number in range(20)}
    assert len(pauses) == 20
    assert all(HOUR * 0.75 <= pause <= HOUR for pause in pauses)
    assert spread(HOUR, "evt_1", 1) in pauses, "and a simulation repeats itself"


def test_a_deferral_is_no_failure_and_a_failure_no_deferral(
    shop: Shop, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sim.call("create_payment", amount=500, currency="eur")
    (event,) = shop.sim.events()
    shop.deliver()
    shop.work()
    assert _counts(shop, event.id) == (1, 0, 0)
    with monkeypatch.context() as broken:
        broken.setattr(shop.psp, "read_event", _divide_by_zero)
        shop.wait_and_work(DEFERRALS[0])
    assert _counts(shop, event.id) == (1, 0, 1)
    shop.wait_and_work(RETRIES[0])
    assert _counts(shop, event.id) == (2, 0, 1)
    for delay in DEFERRALS[1:]:
        shop.wait_and_work(delay)
    assert _row(shop, event.id)["status"] == "ignored"
    assert _counts(shop, event.id) == (len(DEFERRALS), 0, 1)


def _divide_by_zero(_: bytes) -> Any:
    raise ZeroDivisionError("4242 4242 4242 4242 belongs to Jane Doe")


def test_a_dead_letter_tells_when_and_where_but_no_values(
    shop: Shop, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.create_payment()
    shop.deliver()
    (event,) = shop.sim.events()
    monkeypatch.setattr(shop.psp, "read_event", _divide_by_zero)
    shop.work()
    first = shop.world.now()
    for delay in RETRIES:
        shop.wait_and_work(delay)
    row = _row(shop, event.id)
    assert (row["status"], row["failures"]) == ("dead", len(RETRIES) + 1)
    assert row["reason"].startswith("ZeroDivisionError in _divide_by_zero")
    assert "Jane" not in row["reason"]
    assert "4242" not in row["reason"]
    assert str(first)[:19] in str(row["first_failed_at"])
    assert row["dead_at"] is not None
    assert _backlog(shop).dead == 1


# -- events that break more than themselves --------------------------------------------


def _poison(monkeypatch: pytest.MonkeyPatch, poison: str, harm: Any) -> None:
    def apply(tx: Any, binding: str, event: Any, reads: Any, **known: Any) -> Any:
        verdict = apply_event(tx, binding, event, reads, **known)
        if event.id == poison:
            harm(tx)
        return verdict

    for module in ("inbox", "inbox_batch"):
        monkeypatch.setattr(f"paykit.workers.{module}.apply_event", apply)


def _break_the_transaction(tx: Any) -> None:
    """Let the database refuse, so that nothing more can be done in this transaction."""
    tx.connection.execute(text("SELECT * FROM no_such_table"))


def _run_out_of_memory(_: Any) -> None:
    raise MemoryError


HARMS: Final = {"database": _break_the_transaction, "memory": _run_out_of_memory}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_an_event_that_breaks_the_batch_is_parked_alone(
    shop: Shop, quiet: None, monkeypatch: pytest.MonkeyPatch, harm: Any
) -> None:
    payments = [shop.create_payment().id for _ in range(3)]
    for payment in payments:
        shop.sim.call("confirm_payment", shop.reference(payment), payment_method=VISA)
    poison = next(
        e.id for e in shop.sim.events() if e.type == "payment_intent.succeeded"
    )
    _poison(monkeypatch, poison, harm)
    shop.deliver()
    ends = shop.work().done["inbox"]
    assert ends["retried"] == 1
    assert sum(shop.get(payment).paid for payment in payments) >= 2
    for delay in RETRIES:
        shop.wait_and_work(delay)
    assert _row(shop, poison)["status"] == "dead"
    statuses = {row["status"] for row in shop.query("SELECT status FROM paykit_inbox")}
    assert statuses == {"applied", "dead"}
    assert DBAPIError.__name__ not in _row(shop, poison)["reason"]
    assert "SELECT" not in _row(shop, poison)["reason"]


def test_an_event_that_nests_too_deep_is_parked(shop: Shop, quiet: None) -> None:
    payment = shop.create_payment().id
    deep = '{"id":"evt_deep","object":"event","type":"a.b","data":' + "[" * 400_000
    shop.execute(
        "INSERT INTO paykit_inbox (id, binding, event_id, event_type, body, status, "
        "received_at) VALUES ('deep', 'simulated:default:test', 'evt_deep', 'a.b', "
        ":body, 'received', '2030-01-01 00:00:00')",
        body=deep.encode(),
    )
    shop.deliver()
    ends = shop.work().done["inbox"]
    assert (ends["retried"], ends["applied"]) == (1, 1)
    for delay in RETRIES:
        shop.wait_and_work(delay)
    assert _row(shop, "evt_deep")["status"] == "dead"
    assert shop.get(payment)


# -- workers that die ------------------------------------------------------------------


def _kill(_: Any) -> None:
    raise Crash


def _works_until_it_dies(shop: Shop) -> bool:
    """Let a worker go on until nothing is due; whether it died."""
    try:
        while shop.run(process_batch(shop.service.engine.env, 100)):
            pass
    except Crash:
        return True
    return False


def test_an_event_that_kills_workers_is_parked_and_takes_no_other_with_it(
    shop: Shop, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SIGKILL would: nothing that a worker does after it is done."""
    payments = [shop.create_payment().id for _ in range(3)]
    for payment in payments:
        shop.sim.call("confirm_payment", shop.reference(payment), payment_method=VISA)
    shop.deliver()
    poison = next(
        e.id for e in shop.sim.events() if e.type == "payment_intent.succeeded"
    )
    with monkeypatch.context() as broken:
        _poison(broken, poison, _kill)
        deaths = 0
        for _ in range(20):
            deaths += _works_until_it_dies(shop)
            shop.world.advance(LEASE)
    assert deaths == len(RETRIES) + 1, "once with the others, and then alone"
    rows = shop.query("SELECT event_id, status, failures FROM paykit_inbox")
    dead = [(row["event_id"], row["failures"]) for row in rows if row["failures"]]
    assert dead == [(poison, len(RETRIES) + 1)]
    assert {row["status"] for row in rows} == {"applied", "dead"}
    assert "workers died" in _row(shop, poison)["reason"]


def test_a_worker_that_dies_while_the_psp_is_asked_kills_no_event_in_the_end(
    shop: Shop,
) -> None:
    """A death counts only against what the next workers do not survive, too."""
    payment = shop.create_payment().id
    shop.settle()
    name = _needs_a_read(shop, payment)
    for _ in range(len(RETRIES)):
        shop.watch.before = die
        assert _works_until_it_dies(shop)
        shop.world.advance(LEASE)
    shop.watch.before = None
    assert not _works_until_it_dies(shop)
    assert _row(shop, name)["status"] == "applied"
    assert shop.get(payment).paid


# -- leases ----------------------------------------------------------------------------


def _claimed(shop: Shop, at_most: int) -> Any:
    def phase(tx: Any) -> Any:
        return inbox.claim(tx, at_most, lease_for=LEASE)

    return shop.wait(shop.service.driver.commit(phase))


def _go_on(flow: Flow[Any], effect: Any, driver: Any) -> Any:
    """Perform `effect` and all that follow, as a driver does; the result of `flow`."""
    while True:
        try:
            reply = driver.perform(effect)
        except Exception as error:
            advance = partial(flow.throw, error)
        else:
            advance = partial(flow.send, reply)
        try:
            effect = advance()
        except StopIteration as stop:
            return stop.value


def test_a_batch_that_outlives_its_lease_advances_nothing(
    installed: Database,
) -> None:
    slow = open_shop(installed, "threads")
    quick = open_shop(installed, "threads", world=slow.world, sim=slow.sim)
    payments = [slow.create_payment().id for _ in range(2)]
    for payment in payments:
        slow.sim.call("confirm_payment", slow.reference(payment), payment_method=VISA)
    slow.deliver()
    flow = process_batch(slow.service.engine.env, 100)
    driver: Any = slow.service.driver
    held = driver.perform(next(flow))
    claims = len(held)
    assert claims > 2
    batch = flow.send(held)
    # Suspended between the claim and the batch, for longer than the lease.
    slow.world.advance(LEASE)
    quick.work()
    assert all(quick.get(payment).paid for payment in payments)
    before = quick.query("SELECT id, version FROM paykit_payment ORDER BY id")
    ends = _go_on(flow, batch, driver)
    assert ends == ("lease lost",) * claims
    after = quick.query("SELECT id, version FROM paykit_payment ORDER BY id")
    assert before == after
    assert quick.event_types(payments[0]).count("payment.succeeded") == 1


def test_while_the_psp_is_asked_the_lease_is_prolonged(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.settle()
    _needs_a_read(shop, payment)
    ((_, claimed),) = _claimed(shop, 1)
    shop.world.advance(LEASE * 0.9)
    left: list[int] = []

    def look(_: Any) -> None:
        until = shop.scalar(
            "SELECT lease_until_ms FROM paykit_work WHERE queue = 'inbox' AND id = :id",
            id=claimed.id,
        )
        left.append(until - int(shop.world.now().timestamp() * 1000))

    shop.watch.before = look
    assert shop.run(process_claimed(shop.service.engine.env, claimed)) == "applied"
    assert left[0] == LEASE.total_seconds() * 1000


def test_what_a_slow_psp_keeps_waiting_is_given_back_before_its_lease_ends(
    shop: Shop,
) -> None:
    payments = [shop.create_payment().id for _ in range(4)]
    shop.settle()
    for number, payment in enumerate(payments):
        _needs_a_read(shop, payment, f"evt_{number}")
    shop.watch.before = lambda _: shop.world.advance(LEASE / 3)
    assert shop.run(process_batch(shop.service.engine.env, 100)) == ("applied",) * 2
    rows = shop.query(
        "SELECT attempts, lease FROM paykit_work WHERE queue = 'inbox' AND id LIKE "
        "'%/evt_%'"
    )
    assert [(row["attempts"], row["lease"]) for row in rows] == [(0, None)] * 2
    assert shop.run(process_batch(shop.service.engine.env, 100)) == ("applied",) * 2
