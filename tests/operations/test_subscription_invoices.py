"""Who pays for a subscription that has ended is shown to a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import SubscriptionState
from paykit.operations.follow_invoice import RENEWED_AFTER_CANCELLATION
from paykit.testing.simulated import SimEvent
from paykit.workers.inbox import DEFERRALS
from tests.failures.stories import arrive, body_of, events_of, inbox_ends
from tests.operations.subscribing import (
    MONTH,
    at_psp,
    fresh_events,
    hear,
    history,
    only_named,
    reasons,
    started,
    the,
    types,
)
from tests.support import Shop


def ended_in_debt(shop: Shop, *, renewals: int = 1) -> tuple[str, list[str]]:
    """Let a subscription end with invoices open; return it, and these."""
    reference = started(shop)
    shop.settle()
    invoices = []
    for _ in range(renewals):
        shop.world.advance(MONTH)
        shop.sim.controls.fail_renewal(reference)
        invoices.append(str(at_psp(shop, reference)["latest_invoice"]))
    shop.world.advance(timedelta(days=1))
    shop.sim.controls.cancel_subscription(reference)
    return reference, invoices


def test_what_is_paid_for_a_time_after_the_end_is_shown_once(shop: Shop) -> None:
    reference, (invoice,) = ended_in_debt(shop)
    shop.settle()
    assert shop.breaks() == set()
    shop.world.advance(timedelta(days=1))
    shop.sim.controls.pay_invoice(invoice)
    shop.settle()
    for event in events_of(shop, "invoice.paid")[1:]:
        hear(shop, {**body_of(shop, event), "id": f"{event.id}_twin"})
    view = the(shop)
    assert (view.ended, view.late_invoices) == (True, (invoice,))
    assert types(shop)[-2:] == ["ended", RENEWED_AFTER_CANCELLATION]
    assert types(shop).count(RENEWED_AFTER_CANCELLATION) == 1
    data = history(shop)[-1].data
    assert (data["invoice"], data["reference"]) == (invoice, reference)
    assert (data["amount"], data["currency"]) == (1000, "usd")
    (row,) = shop.query("SELECT * FROM paykit_break")
    assert row["kind"] == RENEWED_AFTER_CANCELLATION
    assert (row["aggregatetype"], row["aggregateid"]) == ("subscription", view.id)
    assert shop.wait(shop.service.health()).attention["breaks"] == 1


def test_each_of_several_late_invoices_is_shown(quick: Shop) -> None:
    _, invoices = ended_in_debt(quick, renewals=3)
    quick.world.advance(timedelta(days=1))
    for invoice in invoices[1:]:
        quick.sim.controls.pay_invoice(invoice)
    quick.settle()
    # The first bills a time that was over before the end: an old debt, and honest.
    quick.sim.controls.pay_invoice(invoices[0])
    quick.settle()
    assert the(quick).late_invoices == (invoices[2],)
    assert len(quick.query("SELECT * FROM paykit_break")) == 1


def test_late_invoices_have_a_break_each(quick: Shop) -> None:
    _, (invoice,) = ended_in_debt(quick)
    quick.world.advance(timedelta(days=1))
    quick.sim.controls.pay_invoice(invoice)
    quick.settle()
    paid = body_of(quick, events_of(quick, "invoice.paid")[-1])
    paid["data"]["object"]["id"] = "in_second"
    hear(quick, {**paid, "id": "evt_second"})
    shown = [row["detail"] for row in quick.query("SELECT detail FROM paykit_break")]
    named = {json.loads(str(detail))["invoice"] for detail in shown}
    assert named == {invoice, "in_second"} == set(the(quick).late_invoices)


@pytest.mark.parametrize("paid_first", [True, False])
def test_a_late_invoice_is_shown_whatever_is_told_first(
    shop: Shop, paid_first: bool
) -> None:
    """The end is read when the payment is heard of before it."""
    _, (invoice,) = ended_in_debt(shop)
    shop.world.advance(timedelta(days=1))
    shop.sim.controls.pay_invoice(invoice)
    arrive(shop, sorted(fresh_events(shop), key=_by_payment(paid_first)))
    shop.settle()
    assert the(shop).late_invoices == (invoice,)
    assert types(shop)[-2:] == ["ended", RENEWED_AFTER_CANCELLATION]
    assert shop.breaks() == {RENEWED_AFTER_CANCELLATION}


def _by_payment(first: bool) -> Callable[[SimEvent], bool]:
    return lambda event: (event.type == "invoice.paid") != first


HONEST: Final[dict[str, Callable[[dict[str, Any], int], object]]] = {
    "paid before the end": lambda invoice, end: invoice["status_transitions"].update(
        paid_at=end - 1
    ),
    "for a time before the end": lambda invoice, end: invoice["lines"]["data"][0][
        "period"
    ].update(end=end),
    "that takes no money": lambda invoice, _: invoice.update(amount_paid=0),
    "that is not paid": lambda invoice, _: invoice.update(status="open"),
    "of no subscription": lambda invoice, _: invoice.update(parent=None),
    "with unused time given back": lambda invoice, end: invoice["lines"].update(
        data=[
            {"amount": 100, "period": {"start": end - 9, "end": end}},
            {"amount": -20, "period": {"start": end, "end": end + 9}},
        ]
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_last_invoice_is_not_shown(quick: Shop, name: str) -> None:
    _, (invoice,) = ended_in_debt(quick)
    quick.settle()
    quick.world.advance(timedelta(days=1))
    quick.sim.controls.pay_invoice(invoice)
    (*_, event) = [e for e in fresh_events(quick) if e.type == "invoice.paid"]
    body, end = body_of(quick, event), the(quick).ended_at
    assert end is not None
    HONEST[name](body["data"]["object"], int(end.timestamp()))
    hear(quick, body)
    assert quick.breaks() == set()
    assert the(quick).late_invoices == ()
    assert set(inbox_ends(quick).values()) <= {"applied", "ignored"}


def test_an_invoice_waits_for_its_subscription(quick: Shop) -> None:
    """All events of a month come at once, the payment after the end first of all."""
    reference = started(quick)
    quick.sim.controls.fail_renewal(reference)
    quick.world.advance(timedelta(seconds=1))
    quick.sim.controls.cancel_subscription(reference)
    quick.world.advance(timedelta(seconds=1))
    invoice = str(at_psp(quick, reference)["latest_invoice"])
    quick.sim.controls.pay_invoice(invoice)
    *others, paid, _ = fresh_events(quick)
    arrive(quick, [paid])
    assert "foreign: an invoice of no subscription of ours" in reasons(quick)
    arrive(quick, others)
    quick.wait_and_work(DEFERRALS[0] * 2)
    assert the(quick).late_invoices == (invoice,)


def planned_and_renewed(shop: Shop) -> tuple[str, dict[str, Any]]:
    """Return a subscription that is to end, and an invoice for the time after that."""
    reference = started(shop)
    shop.sim.controls.cancel_subscription(reference, at_period_end=True)
    shop.settle()
    assert the(shop).cancel_at_period_end
    twin = started(shop)
    shop.sim.controls.renew_subscription(twin)
    (*_, event) = [e for e in fresh_events(shop) if e.type == "invoice.paid"]
    body = body_of(shop, event)
    details = body["data"]["object"]["parent"]["subscription_details"]
    details["subscription"] = reference
    return reference, body


def test_a_renewal_past_a_planned_end_is_shown(quick: Shop) -> None:
    """As if the PSP had renewed it and still said that it is to end."""
    _, body = planned_and_renewed(quick)
    hear(quick, body)
    assert types(quick)[-1] == RENEWED_AFTER_CANCELLATION
    assert quick.breaks() == {RENEWED_AFTER_CANCELLATION}


def test_an_update_before_a_planned_end_is_no_renewal(quick: Shop) -> None:
    _, body = planned_and_renewed(quick)
    body["data"]["object"]["billing_reason"] = "subscription_update"
    hear(quick, body)
    assert quick.breaks() == set()


@pytest.mark.parametrize("planned_anew", [True, False])
def test_a_cancellation_that_was_taken_back_is_only_an_update(
    shop: Shop, planned_anew: bool
) -> None:
    """Only the reading shows it: its own event has not come yet."""
    reference = started(shop)
    shop.sim.controls.cancel_subscription(reference, at_period_end=True)
    shop.settle()
    shop.world.advance(MONTH)
    shop.sim.controls.keep_subscription(reference)
    shop.sim.controls.renew_subscription(reference)
    if planned_anew:
        shop.sim.controls.cancel_subscription(reference, at_period_end=True)
    arrive(shop, sorted(fresh_events(shop), key=_by_payment(first=True)))
    view = the(shop)
    assert (view.state, view.late_invoices) == (SubscriptionState.ACTIVE, ())
    assert view.cancel_at_period_end is planned_anew
    assert types(shop)[-1] == "renewed"
    assert shop.breaks() == set()


@pytest.mark.parametrize("thin", [True, False])
def test_a_late_invoice_that_is_only_named_is_read(quick: Shop, thin: bool) -> None:
    _, (invoice,) = ended_in_debt(quick)
    quick.settle()
    quick.world.advance(timedelta(days=1))
    quick.sim.controls.pay_invoice(invoice)
    (*_, event) = [e for e in fresh_events(quick) if e.type == "invoice.paid"]
    hear(quick, only_named(quick, event, thin=thin))
    assert the(quick).late_invoices == (invoice,)
