"""Days without an endpoint, and lists that break in the middle."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from paykit.testing.simulated import Fault
from paykit.workers import catch_up
from paykit.workers.catch_up import GRACE
from tests.failures.stories import Crash, inbox_ends
from tests.support import Shop
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

FOUR_DAYS: Final = timedelta(days=4)


def _at_the_psp(shop: Shop, payment_id: str, *, refund: int) -> None:
    """Let the merchant refund through the PSP's own pages."""
    reference = shop.reference(payment_id)
    shop.sim.call("create_refund", payment_intent=reference, amount=refund)


def _equal_to_the_psp(shop: Shop) -> None:
    moved = shop.at_psp()
    payments = shop.query("SELECT captured, refunded FROM paykit_payment")
    assert sum(row["captured"] for row in payments) == moved["captured"]
    assert sum(row["refunded"] for row in payments) == moved["refunded"]


def test_20_events_of_four_days_without_an_endpoint_come_from_the_list(
    shop: Shop,
) -> None:
    """Everything is pushed to nowhere: payments, refunds and a dispute converge."""
    payments = [shop.create_payment().id for _ in range(3)]
    full_round(shop)
    for day, payment_id in enumerate(payments):
        reference = shop.reference(payment_id)
        shop.sim.call("confirm_payment", reference, payment_method="pm_card_visa")
        if day:
            _at_the_psp(shop, payment_id, refund=100 * day)
        full_round(shop, after=FOUR_DAYS / 4)
    assert shop.sim.pending_webhooks(), "nobody has had them"
    full_round(shop, after=FOUR_DAYS / 4)
    assert [shop.get(payment_id).paid for payment_id in payments] == [True] * 3
    assert set(origins(shop).values()) == {"list"}
    assert {event.id for event in shop.sim.events()} == set(inbox_ends(shop))
    _equal_to_the_psp(shop)
    assert {"silence", "unheard"} & set(alarms(shop)), "and somebody is told"


def test_20_who_was_away_himself_reads_what_happened_meanwhile(shop: Shop) -> None:
    payment_id = paid_elsewhere(shop)
    full_round(shop)
    _at_the_psp(shop, payment_id, refund=300)
    shop.world.advance(FOUR_DAYS)
    full_round(shop)
    full_round(shop, after=EVERY)
    assert shop.get(payment_id).refunded == 300
    _equal_to_the_psp(shop)


def test_20_an_event_that_the_list_shows_late_is_not_passed_over(shop: Shop) -> None:
    payment_id = paid_elsewhere(shop)
    late = next(e for e in shop.sim.events() if e.type == "payment_intent.succeeded")
    hidden = hide_event(shop, late)
    shop.world.advance(timedelta(minutes=1))
    shop.create_payment()
    full_round(shop, after=GRACE)
    assert late.id not in inbox_ends(shop)
    show_event(shop, hidden)
    full_round(shop, after=EVERY)
    assert inbox_ends(shop)[late.id] == "applied"
    assert shop.get(payment_id).paid


def test_20_a_worker_that_dies_with_a_page_in_its_hands_loses_none_of_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = paid_elsewhere(shop)
    shop.world.advance(timedelta(hours=1))
    shop.create_payment()
    shop.world.advance(GRACE)

    def dies(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(catch_up, "receive_event", dies)
        with pytest.raises(Crash):
            shop.wait(full_worker(shop).run_once())
    full_round(shop, after=EVERY)
    assert shop.get(payment_id).paid


def test_47_a_page_that_ends_in_the_middle_moves_no_cursor(shop: Shop) -> None:
    payment_id = paid_elsewhere(shop)
    shop.sim.faults.add(Fault.TRUNCATED, verb="list_events")
    full_round(shop)
    assert origins(shop) == {}
    full_round(shop, after=EVERY)
    assert shop.get(payment_id).paid


def test_47_a_walk_that_ends_in_the_middle_moves_no_cursor(shop: Shop) -> None:
    """The newest page is here, and the next one is not to be had for a day."""
    payment_id = paid_elsewhere(shop)
    shop.world.advance(timedelta(hours=1))
    for _ in range(120):
        shop.sim.call("create_payment", amount=1000, currency="eur")
    shop.world.advance(GRACE)
    shop.sim.faults.add(
        Fault.TRUNCATED,
        verb="list_events",
        times=None,
        when=lambda request: "starting_after" in request.params,
    )
    full_round(shop)
    begun = cursor(shop)
    assert (len(origins(shop)), begun["newest"] is None) == (100, False)
    shop.create_payment()
    full_round(shop, after=timedelta(days=1))
    assert cursor(shop)["since"] == begun["since"]
    shop.sim.faults.clear()
    for _ in range(2):
        full_round(shop, after=timedelta(minutes=10))
    assert shop.get(payment_id).paid
    assert set(origins(shop)) == {event.id for event in shop.sim.events()}


def test_47_one_broken_event_keeps_its_whole_page_back(shop: Shop) -> None:
    payment_id = paid_elsewhere(shop)
    full_round(shop)
    before = cursor(shop)
    _at_the_psp(shop, payment_id, refund=300)
    broken = shop.sim.events()[-2]
    kind, broken.type = broken.type, "not a word"
    full_round(shop, after=EVERY)
    assert cursor(shop) == before
    broken.type = kind
    full_round(shop, after=timedelta(minutes=10))
    assert shop.get(payment_id).refunded == 300
