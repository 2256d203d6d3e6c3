"""Subscriptions: statuses that swap, and ends that are paid for all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import SubscriptionState, SubscriptionView
from paykit.operations.follow_invoice import RENEWED_AFTER_CANCELLATION
from paykit.testing.simulated import SimEvent
from paykit.workers.inbox import DEFERRALS
from tests.failures.stories import arrive, body_of, inbox_ends, push_raw
from tests.support import Shop
from tests.sweep.shop import Shop as WireShop

OURS: Final = {"paykit_merchant": "default"}
MONTH: Final = timedelta(days=30)
LATE: Final = f"subscription.{RENEWED_AFTER_CANCELLATION}"


def news(shop: Shop, *types: str) -> list[SimEvent]:
    """Return what has happened at the PSP since the last time, of these types."""
    events = shop.sim.events(undelivered=True)
    shop.sim.pending_webhooks()
    return [event for event in events if event.type.startswith(types)]


def the(shop: Shop) -> SubscriptionView:
    (view,) = shop.wait(shop.service.list_subscriptions()).items
    return view


def types(shop: Shop) -> list[str]:
    told = shop.wait(shop.service.subscription_events(the(shop).id))
    assert [event.sequence for event in told] == list(range(1, len(told) + 1))
    return [event.type for event in told]


def open_invoice(shop: Shop, reference: str) -> str:
    return str(shop.sim.call("read_subscription", reference)["latest_invoice"])


# -- statuses that swap ----------------------------------------------------------------


@pytest.mark.parametrize("swapped", [True, False])
def test_17_two_updates_of_one_second_leave_the_newer_state_of_a_subscription(
    shop: Shop, swapped: bool
) -> None:
    """Active is overwritten by incomplete elsewhere, and past due by active."""
    reference = shop.sim.controls.start_subscription(OURS)
    first = news(shop, "customer.subscription.")
    assert [event.object["status"] for event in first] == ["incomplete", "active"]
    assert len({event.created for event in first}) == 1
    arrive(shop, first[::-1] if swapped else first)
    assert the(shop).state is SubscriptionState.ACTIVE
    shop.sim.controls.fail_renewal(reference)
    second = news(shop, "customer.subscription.")
    assert [event.object["status"] for event in second] == ["active", "past_due"]
    arrive(shop, second[::-1] if swapped else second)
    assert the(shop).state is SubscriptionState.PAST_DUE
    arrive(shop, [*first, second[0]])
    assert the(shop).state is SubscriptionState.PAST_DUE
    assert set(inbox_ends(shop).values()) == {"applied"}


def test_17_an_old_event_changes_nothing_after_the_end_of_a_subscription(
    shop: Shop,
) -> None:
    reference = shop.sim.controls.start_subscription(OURS)
    shop.sim.controls.cancel_subscription(reference)
    *old, end = news(shop, "customer.subscription.")
    arrive(shop, [old[0], end])
    ended = the(shop)
    assert ended.state is SubscriptionState.CANCELED
    arrive(shop, old)
    for event in old:
        push_raw(shop, {**body_of(shop, event), "id": f"{event.id}_twin"})
    shop.work()
    assert the(shop) == ended
    assert types(shop).count("subscription.ended") == 1
    assert set(inbox_ends(shop).values()) == {"applied"}


# -- ends that are paid for ------------------------------------------------------------


def canceled_in_debt(shop: Shop) -> tuple[str, list[str]]:
    """Cancel a subscription with two open invoices that reach beyond its end."""
    reference = shop.sim.controls.start_subscription(OURS)
    shop.settle()
    invoices = []
    for _ in range(2):
        shop.sim.controls.fail_renewal(reference)
        invoices.append(open_invoice(shop, reference))
    shop.world.advance(timedelta(days=1))
    shop.sim.controls.cancel_subscription(reference)
    shop.world.advance(timedelta(days=1))
    return reference, invoices


@pytest.mark.parametrize("end_first", [True, False])
def test_44_a_subscription_that_is_paid_for_after_its_cancellation_is_shown(
    shop: Shop, end_first: bool
) -> None:
    _, invoices = canceled_in_debt(shop)
    for invoice in invoices:
        shop.sim.controls.pay_invoice(invoice)
    events = news(shop, "customer.subscription.", "invoice.paid")
    arrive(shop, events if end_first else events[::-1])
    shop.settle()
    assert the(shop).state is SubscriptionState.CANCELED
    assert sorted(the(shop).late_invoices) == sorted(invoices)
    assert types(shop).count(LATE) == 2
    breaks = shop.query("SELECT * FROM paykit_break WHERE resolved_at IS NULL")
    assert [row["kind"] for row in breaks] == [RENEWED_AFTER_CANCELLATION] * 2
    assert all(any(one in str(row["detail"]) for row in breaks) for one in invoices)
    assert shop.wait(shop.service.health()).attention["breaks"] == 2


def test_44_what_was_paid_before_the_cancellation_is_not_shown(shop: Shop) -> None:
    """The month that was paid for is cut short: nothing was paid for afterwards."""
    reference = shop.sim.controls.start_subscription(OURS)
    shop.world.advance(MONTH)
    shop.sim.controls.renew_subscription(reference)
    shop.world.advance(timedelta(days=1))
    shop.sim.controls.cancel_subscription(reference)
    events = news(shop, "customer.subscription.", "invoice.paid")
    arrive(shop, events[::-1])
    shop.settle()
    assert the(shop).state is SubscriptionState.CANCELED
    assert LATE not in types(shop)
    assert shop.breaks() == set()


def test_44_a_payment_that_was_heard_of_half_a_day_too_early_is_shown(
    quick: Shop,
) -> None:
    """It is given up, and comes back with the subscription that it is for."""
    reference = quick.sim.controls.start_subscription(OURS)
    quick.sim.controls.fail_renewal(reference)
    quick.world.advance(timedelta(days=1))
    quick.sim.controls.cancel_subscription(reference)
    quick.world.advance(timedelta(days=1))
    others = news(quick, "customer.subscription.")
    quick.sim.controls.pay_invoice(open_invoice(quick, reference))
    arrive(quick, news(quick, "invoice.paid"))
    for delay in DEFERRALS:
        quick.wait_and_work(delay)
    assert set(inbox_ends(quick).values()) == {"ignored"}
    arrive(quick, others)
    quick.work()
    assert types(quick)[-1] == LATE
    assert quick.breaks() == {RENEWED_AFTER_CANCELLATION}
    assert set(inbox_ends(quick).values()) == {"applied"}


def _renewal_of(shop: Shop, reference: str) -> dict[str, Any]:
    """Return an event that says that `reference` was paid for one more month."""
    twin = shop.sim.controls.start_subscription(OURS)
    shop.sim.controls.renew_subscription(twin)
    (*_, event) = news(shop, "invoice.paid")
    body = body_of(shop, event)
    parent = body["data"]["object"]["parent"]
    parent["subscription_details"]["subscription"] = reference
    return body


def test_44_a_renewal_in_spite_of_a_planned_end_is_shown(shop: Shop) -> None:
    """As if the PSP renewed what it says is to end; its controls know no such thing."""
    reference = shop.sim.controls.start_subscription(OURS)
    shop.sim.controls.cancel_subscription(reference, at_period_end=True)
    shop.settle()
    assert the(shop).cancel_at_period_end
    push_raw(shop, _renewal_of(shop, reference))
    shop.work()
    assert types(shop)[-1] == LATE
    assert shop.breaks() == {RENEWED_AFTER_CANCELLATION}


def test_44_a_cancellation_that_was_taken_back_at_the_psp_is_no_break(
    shop: Shop,
) -> None:
    reference = shop.sim.controls.start_subscription(OURS)
    shop.sim.controls.cancel_subscription(reference, at_period_end=True)
    shop.settle()
    shop.sim.controls.keep_subscription(reference)
    shop.sim.controls.renew_subscription(reference)
    arrive(shop, news(shop, "invoice.paid"))
    view = the(shop)
    assert (view.state, view.cancel_at_period_end) == (SubscriptionState.ACTIVE, False)
    assert types(shop)[-1] == "subscription.renewed"
    assert shop.breaks() == set()


def test_44_it_is_shown_over_real_http_with_the_real_sdk(wire: WireShop) -> None:
    controls = wire.sim.controls
    reference = controls.start_subscription(OURS)
    wire.settle()
    (view,) = wire.service.list_subscriptions().items
    assert (view.psp_reference, view.state) == (reference, "active")
    controls.fail_renewal(reference)
    body = wire.sim.call("read_subscription", reference)
    wire.world.by += timedelta(days=1)
    controls.cancel_subscription(reference)
    wire.world.by += timedelta(days=1)
    controls.pay_invoice(str(body["latest_invoice"]))
    wire.settle()
    (view,) = wire.service.list_subscriptions().items
    assert (view.ended, view.late_invoices) == (True, (body["latest_invoice"],))
    told = [event.type for event in wire.service.subscription_events(view.id)]
    assert told[-2:] == ["subscription.ended", LATE]
