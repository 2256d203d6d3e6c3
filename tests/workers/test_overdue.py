"""What changed at the PSP and nobody told: payouts and subscriptions are looked at."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest

from paykit import (
    Money,
    PaymentService,
    PayoutState,
    PayoutView,
    SubscriptionState,
    SubscriptionView,
    WebhookReceiver,
    Worker,
)
from paykit.engine import Priority, commit
from paykit.operations.observe_payout import MONEY_NOT_SHOWN
from paykit.store import overdue, work
from paykit.store.cursors import KEPT
from paykit.store.overdue import AGAIN, FAILS_WITHIN, LATE, SILENT
from paykit.testing.simulated import Fault
from paykit.workers import jobs
from paykit.workers.refresh import OUTAGE, refresh_next
from tests.barriers.crowd import crowd
from tests.databases import Database
from tests.support import Shop, open_shop
from tests.workers.rounds import EVERY, full_round

OURS: Final = {"paykit_merchant": "default"}
ARRIVES_AFTER: Final = timedelta(days=2)
MONTH: Final = timedelta(days=30)
READS: Final = ("read_payout", "read_subscription")


def lose_events(shop: Shop) -> None:
    """Let no webhook come, and the list not show what has happened until now."""
    shop.sim.pending_webhooks()
    memory: Any = shop.sim.dump()
    memory["events"].clear()
    shop.sim.load(memory)


def change(shop: Shop, table: str, **fields: object) -> None:
    """Let the provider show every row of a table otherwise."""
    memory: Any = shop.sim.dump()
    for row in memory["accounts"]["default"][table].values():
        row.update(fields)
    shop.sim.load(memory)


def heard_of(shop: Shop) -> None:
    """Let all be told that has happened."""
    shop.settle()
    lose_events(shop)
    shop.watch.sent.clear()


def paid_out(shop: Shop, *statuses: str) -> str:
    """Return a payout at the PSP of which all is heard."""
    shop.paid()
    shop.settle()
    reference = shop.sim.controls.create_automatic_payout("eur")
    for status in statuses:
        shop.sim.controls.advance_payout(reference, status)
    heard_of(shop)
    return reference


def subscribed(shop: Shop, **fields: Any) -> str:
    """Return a subscription at the PSP of which all is heard."""
    reference = shop.sim.controls.start_subscription({**OURS}, **fields)
    heard_of(shop)
    return reference


def payout(shop: Shop) -> PayoutView:
    (found,) = shop.wait(shop.service.list_payouts()).items
    return found


def subscription(shop: Shop) -> SubscriptionView:
    (found,) = shop.wait(shop.service.list_subscriptions()).items
    return found


def reads(shop: Shop) -> int:
    """Return how often was looked since the last time."""
    count = sum(verb in READS for verb in shop.watch.verbs())
    shop.watch.sent.clear()
    return count


def stored(moment: datetime) -> str:
    """Return a time as it stands in SQLite."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def days(shop: Shop, number: int) -> list[int]:
    """Let so many days pass, and return how often was looked on each."""
    found = []
    for _ in range(number):
        full_round(shop, after=timedelta(days=1))
        full_round(shop, after=EVERY)
        found.append(reads(shop))
    return found


# -- payouts ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["in_transit", "paid"])
def test_a_payout_that_failed_and_nobody_told_is_corrected(
    shop: Shop, status: str
) -> None:
    reference = paid_out(shop, *dict.fromkeys(("in_transit", status)))
    assert payout(shop).state == status
    assert shop.balances()["payouts:eur"] > 0
    shop.sim.controls.advance_payout(reference, "failed")
    lose_events(shop)
    full_round(shop, after=ARRIVES_AFTER + LATE)
    full_round(shop, after=EVERY)
    assert payout(shop).state is PayoutState.FAILED
    assert "payouts:eur" not in shop.balances()
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    told = shop.wait(shop.service.payout_events(payout(shop).id))
    assert (told[-1].type, told[-1].cause) == ("payout.failed", "refresh")


def test_a_payout_is_not_missed_before_its_day(quick: Shop) -> None:
    paid_out(quick, "in_transit")
    full_round(quick, after=ARRIVES_AFTER)
    full_round(quick, after=EVERY)
    assert reads(quick) == 0
    assert days(quick, 3) == [1, 1, 1]


def test_a_paid_payout_is_looked_at_once_a_day_while_it_may_come_back(
    quick: Shop,
) -> None:
    paid_out(quick, "in_transit", "paid")
    before = payout(quick)
    last = (FAILS_WITHIN + ARRIVES_AFTER).days - 1
    assert days(quick, last + 3) == [1] * last + [0] * 3
    assert payout(quick) == before
    told = quick.wait(quick.service.payout_events(before.id))
    assert [event.type for event in told][-1] == "payout.paid", "nothing new is told"


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_a_payout_that_has_ended_is_not_looked_at(quick: Shop, end: str) -> None:
    if end == "failed":
        paid_out(quick, "in_transit", "failed")
    else:
        quick.paid(payment_method="pm_card_bypassPending")
        made = quick.sim.call("create_payout", amount=900, currency="eur")
        quick.sim.call("cancel_payout", str(made["id"]))
        heard_of(quick)
    assert payout(quick).state.value == end
    assert days(quick, 4) == [0] * 4


def test_money_that_was_not_shown_is_looked_for_until_it_is(quick: Shop) -> None:
    """No event may come any more that would show it."""
    reference = paid_out(quick, "in_transit")
    quick.sim.controls.advance_payout(reference, "failed")
    whole: Any = quick.sim.dump()
    change(quick, "payouts", failure_balance_transaction=None)
    quick.settle()
    assert quick.breaks() == {MONEY_NOT_SHOWN}
    assert (reads(quick), days(quick, 3)) == (1, [1, 1, 1])
    quick.sim.load(whole)
    lose_events(quick)
    assert days(quick, 3)[1:] == [0, 0]
    rows = quick.query("SELECT id FROM paykit_break WHERE resolved_at IS NULL")
    assert (rows, "payouts:eur" in quick.balances()) == ([], False)


# -- subscriptions ---------------------------------------------------------------------


@pytest.mark.parametrize("at_period_end", [False, True])
def test_an_end_that_nobody_told_is_seen_after_the_period(
    shop: Shop, at_period_end: bool
) -> None:
    reference = subscribed(shop)
    shop.sim.controls.cancel_subscription(reference, at_period_end=at_period_end)
    if at_period_end:
        shop.world.advance(MONTH)
        shop.sim.controls.renew_subscription(reference)
        shop.world.advance(-MONTH)
    lose_events(shop)
    full_round(shop, after=MONTH - LATE)
    full_round(shop, after=EVERY)
    assert subscription(shop).state is SubscriptionState.ACTIVE
    full_round(shop, after=2 * LATE)
    full_round(shop, after=EVERY)
    assert subscription(shop).state is SubscriptionState.CANCELED
    assert days(shop, 3)[-2:] == [0, 0], "what has ended is not looked at"


def test_a_renewal_that_nobody_told_is_seen(quick: Shop) -> None:
    reference = subscribed(quick)
    quick.world.advance(MONTH)
    quick.sim.controls.renew_subscription(reference)
    lose_events(quick)
    assert sum(days(quick, 4)) == 1
    told = quick.wait(quick.service.subscription_events(subscription(quick).id))
    assert told[-1].type == "subscription.renewed"


def test_a_first_invoice_that_nobody_paid_is_looked_for(quick: Shop) -> None:
    reference = subscribed(quick, paid=False)
    assert subscription(quick).state is SubscriptionState.INCOMPLETE
    quick.sim.controls.cancel_subscription(reference)
    lose_events(quick)
    days(quick, 2)
    assert subscription(quick).state is SubscriptionState.INCOMPLETE_EXPIRED


def test_a_plan_to_end_that_has_passed_is_looked_for(quick: Shop) -> None:
    """The period may be longer than the time until the planned end."""
    subscribed(quick)
    end = quick.world.now() + timedelta(days=3)
    quick.execute("UPDATE paykit_subscription SET cancel_at = :at", at=stored(end))
    assert days(quick, 5) == [0, 0, 0, 1, 0]


def test_what_is_silent_for_a_month_is_looked_at(quick: Shop) -> None:
    """A year is paid for, and after some days somebody ends it at the PSP."""
    reference = subscribed(quick)
    late = quick.world.now() + timedelta(days=365)
    end = {"at": stored(late)}
    quick.execute("UPDATE paykit_subscription SET current_period_end = :at", **end)
    quick.sim.controls.cancel_subscription(reference)
    lose_events(quick)
    assert sum(days(quick, SILENT.days - 1)) == 0
    days(quick, 2)
    assert subscription(quick).ended


# -- what a look is --------------------------------------------------------------------


def test_an_outage_loses_no_look_and_a_refusal_waits_for_the_next_day(
    quick: Shop,
) -> None:
    paid_out(quick, "in_transit")
    quick.sim.faults.add(Fault.RATE_LIMIT, verb="read_payout", times=None)
    full_round(quick, after=ARRIVES_AFTER + LATE)
    for _ in range(3):
        full_round(quick, after=OUTAGE)
    assert reads(quick) >= 3
    quick.sim.faults.clear()
    full_round(quick, after=OUTAGE)
    assert quick.query("SELECT id FROM paykit_work WHERE queue = 'refresh'") == []
    reads(quick)
    memory: Any = quick.sim.dump()
    memory["accounts"]["default"]["payouts"].clear()
    quick.sim.load(memory)
    assert days(quick, 3) == [1, 1, 1]
    assert payout(quick).state is PayoutState.IN_TRANSIT


def test_a_look_waits_for_all_other_calls(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_out(quick, "in_transit")
    gate = quick.service.engine.env.gate
    enter, asked = gate.enter, dict[str, Priority]()

    def watch(asking: Any, *given: Any, **fields: Any) -> Any:
        asked[asking.call.verb] = asking.priority
        return enter(asking, *given, **fields)

    monkeypatch.setattr(type(gate), "enter", staticmethod(watch))
    full_round(quick, after=ARRIVES_AFTER + LATE)
    full_round(quick, after=EVERY)
    assert asked["read_payout"] is Priority.RECONCILIATION


def test_what_does_not_fit_the_books_is_left_and_holds_nobody_up(
    quick: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    paid_out(quick, "in_transit")
    quick.execute("UPDATE paykit_payout SET movements = '[]'")
    books = quick.balances()
    change(quick, "balance", amount=-7)
    assert days(quick, 4)[-2:] == [1, 1]
    assert "does not fit: LedgerConflict" in caplog.text
    assert quick.balances() == books


def test_a_run_looks_for_so_many_and_the_next_one_for_others(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        quick.sim.controls.start_subscription({**OURS})
    heard_of(quick)
    quick.world.advance(MONTH + LATE)
    binding = quick.scalar("SELECT min(binding) FROM paykit_subscription")

    def found() -> tuple[str, ...]:
        look = commit(lambda tx: overdue.overdue(tx, [binding], limit=2))
        ids: tuple[str, ...] = quick.run(look)
        return ids

    monkeypatch.setattr("paykit.workers.jobs._AT_ONCE", 2)
    assert len(found()) == 2
    for _ in range(3):
        full_round(quick, after=EVERY)
    assert (found(), reads(quick)) == ((), 5)
    assert quick.run(commit(lambda tx: overdue.overdue(tx, [], limit=2))) == ()
    quick.world.advance(AGAIN)
    assert len(found()) == 2


def test_an_account_without_payments_is_looked_after(quick: Shop) -> None:
    """Whoever has only subscriptions: its list of events is read as well."""
    quick.sim.controls.start_subscription({**OURS})
    quick.settle()
    full_round(quick)
    jobs = quick.query("SELECT id FROM paykit_work WHERE queue = 'periodic'")
    assert {row["id"].partition(":")[0] for row in jobs} >= {"catch_up", "watch"}
    quick.sim.controls.start_subscription({**OURS})
    quick.sim.pending_webhooks()
    full_round(quick, after=EVERY)
    full_round(quick, after=EVERY)
    assert len(quick.wait(quick.service.list_subscriptions()).items) == 2


def test_there_may_be_more_accounts_than_a_statement_has_parameters(
    shop: Shop,
) -> None:
    """A platform has an account for each of its merchants."""
    paid_out(shop, "in_transit")
    shop.world.advance(ARRIVES_AFTER + LATE)
    binding = shop.scalar("SELECT min(binding) FROM paykit_payout")
    many = [*(f"simulated:{number}:test" for number in range(70_000)), binding]
    shop.run(commit(partial(jobs._keep, [], many)))
    rows = shop.query("SELECT id FROM paykit_work WHERE queue = 'refresh'")
    assert [row["id"] for row in rows] == [payout(shop).id]


def test_a_binding_of_nobody_here_is_left_alone(quick: Shop) -> None:
    paid_out(quick, "in_transit")
    elsewhere = "simulated:gone:test"
    quick.execute("UPDATE paykit_payout SET binding = :gone", gone=elsewhere)
    assert days(quick, 4) == [0] * 4


# -- a gap -----------------------------------------------------------------------------


def test_after_a_gap_everything_is_read_that_has_not_ended(shop: Shop) -> None:
    reference = paid_out(shop, "in_transit", "paid")
    yearly = subscribed(shop)
    full_round(shop)
    shop.execute("DELETE FROM paykit_work WHERE queue = 'refresh'")
    shop.sim.controls.advance_payout(reference, "failed")
    shop.sim.controls.cancel_subscription(yearly)
    lose_events(shop)
    shop.world.advance(KEPT + timedelta(days=1))
    full_round(shop)
    full_round(shop, after=EVERY)
    assert payout(shop).state is PayoutState.FAILED
    assert subscription(shop).ended


# -- at once ---------------------------------------------------------------------------


def test_a_look_that_an_event_overtakes_is_made_again(installed: Database) -> None:
    shop = open_shop(installed, "threads")
    reference = paid_out(shop, "in_transit")
    shop.execute(_DUE, id=payout(shop).id)

    def fail() -> None:
        shop.sim.controls.advance_payout(reference, "failed")
        shop.deliver()
        shop.wait(Worker(shop.service, only="inbox").run_once())  # type: ignore[arg-type]

    shop.meanwhile(fail, executed=True)
    assert shop.run(refresh_next(shop.service.engine.env)) == "settled"
    assert payout(shop).state is PayoutState.FAILED
    assert "payouts:eur" not in shop.balances()


_DUE: Final = (
    "INSERT INTO paykit_work (queue, id, due_ms, attempts) "
    "VALUES ('refresh', :id, 0, 0)"
)


def test_many_workers_look_and_hear_of_a_payout_at_once(installed: Database) -> None:
    with crowd(installed, 4) as servers:
        sim, service = servers.sim, servers.service
        sold = service.create_payment(
            amount=Money(1000, "eur"),
            idempotency_key="order",
            payment_method="pm_card_visa",
        )
        service.confirm_payment(sold.id, idempotency_key="pay")
        servers.settle()
        reference = sim.controls.create_automatic_payout("eur")
        for webhook in sim.pending_webhooks():
            assert WebhookReceiver(service).receive(*webhook).status == 200
        servers.settle()
        for status in ("in_transit", "paid", "failed"):
            sim.controls.advance_payout(reference, status)
        webhooks = sim.pending_webhooks()
        (known,) = service.list_payouts().items

        def look(number: int, service: PaymentService) -> None:
            if number % 2:
                receiver = WebhookReceiver(service)
                for webhook in webhooks[number::2]:
                    assert receiver.receive(*webhook).status == 200
            soon = {"delay": timedelta(0)}
            service.run(commit(lambda tx: work.ensure(tx, "refresh", known.id, **soon)))
            Worker(service, only=["inbox", "refresh"]).run_once()

        servers.at_once(look)
        servers.settle()
        (view,) = service.list_payouts().items
        assert view.state is PayoutState.FAILED
        told = [event.type for event in service.payout_events(view.id)]
        assert (told[-1], told.count("payout.failed")) == ("payout.failed", 1)
        nets = {row.code: row.debits - row.credits for row in service.trial_balance()}
        assert nets["payouts"] == 0
        assert nets["psp_balance"] == sim.effects().balance["eur"]
