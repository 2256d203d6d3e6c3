"""What no webhook has brought comes from the PSP's list of events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from paykit import InvalidRequest, NotFound, Worker
from paykit.store.cursors import KEPT, MARGIN, OVERLAP
from paykit.testing.simulated import Fault, SimulatedProvider
from paykit.workers import catch_up
from paykit.workers.catch_up import GRACE
from paykit.workers.periodic import LEASE
from tests.support import VISA, FrozenWorld, Shop, open_shop
from tests.workers.rounds import (
    EVERY,
    alarms,
    cursor,
    full_round,
    full_worker,
    hide_event,
    origins,
    paid_elsewhere,
    show_event,
)

MANY = 130
"""More events than a page holds."""


def _many_events(shop: Shop) -> None:
    for _ in range(MANY):
        shop.sim.call("create_payment", amount=1000, currency="eur")
    shop.world.advance(GRACE)


def test_what_nobody_pushed_is_taken_from_the_list(shop: Shop) -> None:
    payment_id = paid_elsewhere(shop)
    full_round(shop)
    assert shop.get(payment_id).paid
    assert set(origins(shop).values()) == {"list"}
    assert shop.balances()["sales:eur"] == -1000


def test_what_was_pushed_is_not_taken_again(quick: Shop) -> None:
    paid_elsewhere(quick)
    quick.deliver()
    before = origins(quick)
    full_round(quick)
    assert origins(quick) == before
    assert set(before.values()) == {"push"}


def test_a_push_after_the_list_is_a_repetition(shop: Shop) -> None:
    paid_elsewhere(shop)
    full_round(shop)
    assert set(shop.deliver()) == {200}
    assert set(origins(shop).values()) == {"list"}
    assert shop.scalar("SELECT count(*) FROM paykit_work WHERE queue = 'inbox'") == 0


def test_a_webhook_has_a_minute_to_come_by_itself(quick: Shop) -> None:
    """Else a list that is read at that moment would call the endpoint broken."""
    payment_id = quick.paid()
    full_round(quick)
    assert origins(quick) == {}
    quick.deliver()
    assert set(origins(quick).values()) == {"push"}
    refund = quick.sim.call(
        "create_refund", payment_intent=quick.reference(payment_id), amount=300
    )
    full_round(quick, after=EVERY - GRACE)
    full_round(quick, after=EVERY)
    told = quick.query(
        "SELECT origin FROM paykit_inbox WHERE event_type LIKE 'refund%'"
    )
    assert refund["status"] == "succeeded"
    assert {row["origin"] for row in told} == {"list"}


def test_a_long_list_is_read_in_turns_and_counts_when_it_is_over(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "PAGES", 1)
    payment_id = paid_elsewhere(quick)
    _many_events(quick)
    report = full_round(quick)
    assert report.done["periodic"]["more"] == 1
    first = cursor(quick)
    assert first["position"] is not None
    assert not quick.get(payment_id).paid
    full_round(quick, after=timedelta(seconds=1))
    assert cursor(quick)["position"] is None
    assert cursor(quick)["since"] > first["since"]
    assert len(origins(quick)) == len(quick.sim.events())
    assert quick.get(payment_id).paid


def test_a_walk_that_was_stopped_goes_on_in_another_process(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "PAGES", 1)
    paid_elsewhere(quick)
    _many_events(quick)
    full_round(quick)
    sent = len(quick.watch.sent)
    full_round(quick, after=timedelta(seconds=1))
    pages = [call for call in quick.watch.sent[sent:] if call.verb == "list_events"]
    assert len(pages) == 1, "only what was left"


def test_a_position_that_is_gone_begins_the_walk_anew(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "PAGES", 1)
    paid_elsewhere(quick)
    _many_events(quick)
    full_round(quick)
    quick.execute("UPDATE paykit_event_cursor SET position = 'evt_gone'")
    report = full_round(quick, after=timedelta(seconds=1))
    assert report.done["periodic"]["failed"] == 1
    assert cursor(quick)["position"] is None
    for _ in range(3):
        full_round(quick, after=EVERY)
    assert len(origins(quick)) == len(quick.sim.events())


def test_an_event_that_shows_late_is_not_passed_over(quick: Shop) -> None:
    payment_id = paid_elsewhere(quick)
    late = next(e for e in quick.sim.events() if e.type == "payment_intent.succeeded")
    hidden = hide_event(quick, late)
    quick.world.advance(OVERLAP - GRACE - timedelta(seconds=1))
    quick.create_payment()
    full_round(quick, after=GRACE)
    assert late.id not in origins(quick)
    show_event(quick, hidden)
    full_round(quick, after=EVERY)
    assert late.id in origins(quick)
    assert quick.get(payment_id).paid


def test_who_has_lost_the_lease_keeps_nothing(quick: Shop) -> None:
    """A worker that was paused in the middle of the question comes too late."""
    quick.sim.call("create_payment", amount=1000, currency="eur")
    paid_elsewhere(quick)
    full_round(quick)
    quick.sim.call("create_payment", amount=1000, currency="eur")
    quick.world.advance(EVERY)
    seen: list[Any] = []

    def another_takes_over(call: Any) -> None:
        if call.verb == "list_events" and not seen:
            seen.append(cursor(quick))
            quick.watch.after = None
            quick.world.advance(LEASE)
            quick.sim.call("create_payment", amount=1000, currency="eur")
            full_round(quick, after=GRACE)
            seen.append(cursor(quick))

    quick.watch.after = another_takes_over
    worker = full_worker(quick)
    report = quick.wait(worker.run_once())
    assert report.done["periodic"]["lease lost"] == 1
    assert cursor(quick) == seen[1]


def test_two_workers_do_not_read_the_same_list(quick: Shop) -> None:
    paid_elsewhere(quick)
    full_round(quick)
    quick.world.advance(EVERY)
    inside: list[Any] = []

    def meet(call: Any) -> None:
        if call.verb == "list_events" and not inside:
            inside.append(None)
            inside.append(full_round(quick).done["periodic"])

    quick.watch.before = meet
    sent = len(quick.watch.sent)
    quick.wait(full_worker(quick).run_once())
    verbs = [call.verb for call in quick.watch.sent[sent:]]
    assert verbs.count("list_events") == 1


def test_a_psp_that_is_down_is_asked_again(quick: Shop) -> None:
    payment_id = paid_elsewhere(quick)
    quick.sim.faults.add(Fault.LOSE_REQUEST, verb="list_events")
    assert full_round(quick).done["periodic"]["failed"] == 1
    assert not quick.get(payment_id).paid
    full_round(quick, after=timedelta(seconds=30))
    assert quick.get(payment_id).paid


def test_the_first_walk_begins_at_the_installation(quick: Shop) -> None:
    """Not thirty days back, in an account that others use as well."""
    installed = quick.world.now() - timedelta(days=2)
    quick.execute("UPDATE paykit_schema_version SET applied_at = :at", at=installed)
    paid_elsewhere(quick)
    quick.sim.faults.add(Fault.LOSE_REQUEST, verb="list_events")
    full_round(quick)
    assert str(cursor(quick)["since"]).startswith(f"{installed - MARGIN:%F %T}")


def test_a_host_whose_clock_is_behind_passes_nothing_over(quick: Shop) -> None:
    ahead = FrozenWorld()
    ahead.advance(timedelta(hours=1))
    shop = open_shop(
        quick.database, "threads", world=quick.world, sim=SimulatedProvider(ahead)
    )
    payment_id = shop.create_payment().id
    reference = shop.reference(payment_id)
    shop.sim.call("confirm_payment", reference, payment_method=VISA)
    for _ in range(4):
        full_round(shop)
        assert not shop.get(payment_id).paid
        ahead.advance(timedelta(minutes=10))
        shop.world.advance(timedelta(minutes=10))
        shop.sim.call("create_payment", amount=1000, currency="eur")
    full_round(shop, after=timedelta(hours=1))
    assert shop.get(payment_id).paid


def test_a_clock_that_was_ahead_for_a_while_passes_nothing_over(quick: Shop) -> None:
    """It makes a gap that is none, and its alarm; and it must not make a real one."""
    theirs, wrong = FrozenWorld(), 2 * KEPT
    shop = open_shop(
        quick.database, "threads", world=quick.world, sim=SimulatedProvider(theirs)
    )
    payment_id = shop.create_payment().id
    full_round(shop)
    shop.world.advance(wrong)
    shop.wait(Worker(shop.service, only="periodic").run_once())  # type: ignore[arg-type]
    assert list(alarms(shop)) == ["gap"]
    shop.world.advance(-wrong)
    # When a job is due goes by the database's clock, which was right.
    shop.execute("UPDATE paykit_work SET due_ms = 0 WHERE queue = 'periodic'")
    reference = shop.reference(payment_id)
    shop.sim.call("confirm_payment", reference, payment_method=VISA)
    for _ in range(2):
        theirs.advance(EVERY)
        full_round(shop, after=EVERY)
    assert "payment_intent.succeeded" in {
        row["event_type"] for row in shop.query("SELECT event_type FROM paykit_inbox")
    }
    assert shop.get(payment_id).paid


def test_who_was_away_for_longer_than_events_are_kept_is_told(shop: Shop) -> None:
    payment_id = shop.create_payment().id
    full_round(shop)
    reference = shop.reference(payment_id)
    shop.sim.call("confirm_payment", reference, payment_method="pm_card_visa")
    shop.world.advance(KEPT + timedelta(days=1))
    full_round(shop)
    assert list(alarms(shop)) == ["gap"]
    assert shop.get(payment_id).paid, "what could still change was read"
    full_round(shop, after=EVERY)
    assert list(alarms(shop)) == ["gap"], "no event can show that it is over"


def test_after_a_gap_what_can_still_change_is_read(quick: Shop) -> None:
    over, waiting = quick.paid(), quick.create_payment().id
    full_round(quick)
    full_round(quick, after=EVERY)
    quick.world.advance(KEPT + timedelta(days=1))
    quick.wait(Worker(quick.service, only="periodic").run_once())  # type: ignore[arg-type]
    rows = quick.query("SELECT id FROM paykit_work WHERE queue = 'refresh'")
    assert [row["id"] for row in rows] == [waiting]
    assert quick.get(over).paid


def test_a_first_walk_that_comes_too_late_is_a_gap_as_well(shop: Shop) -> None:
    shop.create_payment()
    shop.world.advance(KEPT + timedelta(days=1))
    full_round(shop)
    assert list(alarms(shop)) == ["gap"]


def test_a_first_walk_after_some_days_is_none(shop: Shop) -> None:
    shop.create_payment()
    shop.world.advance(KEPT - timedelta(days=1))
    full_round(shop)
    assert "gap" not in alarms(shop)


def test_a_person_closes_the_alarm_of_a_gap(shop: Shop) -> None:
    shop.create_payment()
    full_round(shop)
    shop.world.advance(KEPT + timedelta(days=1))
    full_round(shop)
    operator: Any = shop.service.operator
    (alarm,) = shop.wait(operator.alarms())
    shop.wait(operator.close_alarm(alarm.kind, alarm.subject, actor="ann"))
    assert alarms(shop) == {}
    (closed,) = shop.wait(operator.alarms(closed=True))
    assert (closed.closed_by, closed.closed_at) == ("ann", shop.world.now())
    with pytest.raises(NotFound):
        shop.wait(operator.close_alarm("gap", alarm.subject, actor="ann"))
    for wrong in ({"kind": "fire"}, {"subject": ""}, {"actor": ""}):
        fields = {"kind": "gap", "subject": "s", "actor": "ann", **wrong}
        with pytest.raises(InvalidRequest):
            shop.wait(operator.close_alarm(**fields))


def test_a_second_gap_is_told_beside_the_first(quick: Shop) -> None:
    quick.create_payment()
    full_round(quick)
    starts = []
    for _ in range(2):
        starts.append(str(quick.world.now()))
        quick.world.advance(KEPT + timedelta(days=1))
        full_round(quick)
    operator: Any = quick.service.operator
    (alarm,) = (a for a in quick.wait(operator.alarms()) if a.kind == "gap")
    assert [f"events from {start} to" in alarm.detail for start in starts] == [True] * 2
    assert alarm.detail.count("events from") == 2
    assert alarm.opened_at == quick.world.now()


def test_a_gap_is_told_once_if_its_commit_is_repeated(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = catch_up._tell_gap

    def twice(*given: Any) -> Any:
        told(*given)
        return told(*given)

    monkeypatch.setattr(catch_up, "_tell_gap", twice)
    quick.create_payment()
    full_round(quick)
    quick.world.advance(KEPT + timedelta(days=1))
    full_round(quick)
    operator: Any = quick.service.operator
    (alarm,) = (a for a in quick.wait(operator.alarms()) if a.kind == "gap")
    assert alarm.detail.count("events from") == 1


def test_a_gap_is_one_alarm_however_often_it_is_seen(quick: Shop) -> None:
    quick.create_payment()
    full_round(quick)
    for _ in range(2):
        quick.world.advance(KEPT + timedelta(days=1))
        full_round(quick)
    assert quick.scalar("SELECT count(*) FROM paykit_alarm WHERE kind = 'gap'") == 1
