"""Events that only name their object, or show it in words of another version."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any, Final

import pytest

from paykit import Money
from paykit.lifecycle import DisputeState, PaymentState, PayoutState
from paykit.testing.simulated import SimEvent
from paykit.testing.simulated.webhooks import sign
from paykit.workers.inbox import RETRIES
from tests.support import Shop

_numbers = count(1)

Json = dict[str, Any]


def _body(shop: Shop, event: SimEvent) -> Json:
    body: Json = json.loads(shop.sim.webhook(event)[0])
    return body | {"id": f"{event.id}_{next(_numbers)}"}


def _thin(shop: Shop, event: SimEvent) -> Json:
    """Return the notification of the v2 API that Stripe would send for `event`."""
    kind, reference = event.object["object"], event.object["id"]
    return {
        "id": f"{event.id}_thin_{next(_numbers)}",
        "object": "v2.core.event",
        "type": f"v1.{event.type}",
        "livemode": False,
        "created": "2030-01-01T12:00:00.000Z",
        "context": None,
        "related_object": {"id": reference, "type": kind, "url": f"/v1/x/{reference}"},
    }


def _older(shop: Shop, event: SimEvent) -> Json:
    """Return `event` in an API version whose amounts mean another thing."""
    body = _body(shop, event)
    wrong = {"amount": 7, "amount_received": 7, "amount_captured": 7, "currency": "jpy"}
    thing = {**body["data"]["object"], **wrong}
    return body | {"api_version": "2019-01-01", "data": {"object": thing}}


def _broken(shop: Shop, event: SimEvent) -> Json:
    """Return `event` in another version, of whose object only the id is readable."""
    thing = {name: event.object[name] for name in ("id", "object")}
    odd = {"payment_intent": 7, "metadata": [], "status": None}
    body = _body(shop, event)
    return body | {"api_version": "2011-01-01", "data": {"object": {**thing, **odd}}}


MADE: Final[dict[str, Callable[[Shop, SimEvent], Json]]] = {
    "thin": _thin,
    "of another version": _older,
    "of another version, and broken": _broken,
}

each_way = pytest.mark.parametrize("made", MADE.values(), ids=MADE)


def _push(shop: Shop, body: Json) -> str:
    raw = json.dumps(body).encode()
    headers = sign(raw, shop.sim.webhook_secret, shop.world.now())
    assert shop.receive(raw, headers).status == 200
    return str(body["id"])


def _last(shop: Shop, event_type: str) -> SimEvent:
    return [event for event in shop.sim.events() if event.type == event_type][-1]


def _end(shop: Shop, event_id: str) -> tuple[str, str | None]:
    (row,) = shop.query(
        "SELECT status, reason FROM paykit_inbox WHERE event_id = :id", id=event_id
    )
    return row["status"], row["reason"]


def _confirmed_elsewhere(shop: Shop) -> str:
    payment = shop.create_payment().id
    shop.settle()
    shop.sim.call(
        "confirm_payment", shop.reference(payment), payment_method="pm_card_visa"
    )
    return payment


@each_way
def test_a_payment_is_read_and_then_believed(
    shop: Shop, made: Callable[[Shop, SimEvent], Json]
) -> None:
    payment = _confirmed_elsewhere(shop)
    name = _push(shop, made(shop, _last(shop, "payment_intent.succeeded")))
    shop.watch.sent.clear()
    shop.work()
    assert _end(shop, name) == ("applied", None)
    assert shop.watch.verbs()[0] == "read_payment"
    view = shop.get(payment)
    assert (view.paid, view.captured, view.currency) == (True, 1000, "eur")
    assert shop.balances()["sales:eur"] == -1000
    assert shop.breaks() == set()


@each_way
def test_a_charge_is_read_and_then_believed(
    quick: Shop, made: Callable[[Shop, SimEvent], Json]
) -> None:
    payment = _confirmed_elsewhere(quick)
    name = _push(quick, made(quick, _last(quick, "charge.succeeded")))
    quick.watch.sent.clear()
    quick.settle()
    assert _end(quick, name) == ("applied", None)
    assert quick.watch.verbs()[0] == "read_charge"
    assert quick.get(payment).captured == 1000
    assert quick.balances()["sales:eur"] == -1000


@each_way
def test_a_refund_is_read_and_then_believed(
    quick: Shop, made: Callable[[Shop, SimEvent], Json]
) -> None:
    payment = quick.paid(1000)
    quick.settle()
    quick.sim.call("create_refund", payment_intent=quick.reference(payment), amount=400)
    name = _push(quick, made(quick, _last(quick, "refund.created")))
    quick.watch.sent.clear()
    quick.work()
    assert _end(quick, name) == ("applied", None)
    assert quick.watch.verbs()[0] == "read_refund"
    assert quick.get(payment).refunded == 400
    assert quick.balances()["refunds:eur"] == 400


@each_way
def test_a_dispute_is_read_and_then_believed(
    quick: Shop, made: Callable[[Shop, SimEvent], Json]
) -> None:
    payment = quick.paid(1000)
    quick.settle()
    dispute = quick.sim.controls.open_dispute(quick.reference(payment))
    created = _last(quick, "charge.dispute.created")
    quick.sim.controls.resolve_dispute(dispute, "lost")
    name = _push(quick, made(quick, created))
    quick.work()
    assert _end(quick, name) == ("applied", None)
    (view,) = quick.wait(quick.service.list_disputes(payment))
    assert (view.state, view.amount) == (DisputeState.LOST, 1000)
    assert quick.balances()["disputes:eur"] == 1000


@each_way
def test_a_payout_is_read_and_then_believed(
    quick: Shop, made: Callable[[Shop, SimEvent], Json]
) -> None:
    quick.paid(1000)
    quick.settle()
    payout = quick.sim.controls.create_automatic_payout("eur")
    created = _last(quick, "payout.created")
    quick.sim.controls.advance_payout(payout, "in_transit")
    name = _push(quick, made(quick, created))
    quick.work()
    assert _end(quick, name) == ("applied", None)
    (view,) = quick.wait(quick.service.list_payouts()).items
    assert (view.state, view.currency) == (PayoutState.IN_TRANSIT, "eur")
    assert quick.balances()["payouts:eur"] == view.amount > 7


@each_way
def test_a_named_object_of_somebody_else_is_not_ours(
    quick: Shop, made: Callable[[Shop, SimEvent], Json]
) -> None:
    quick.sim.call("create_payment", amount=500, currency="eur")
    name = _push(quick, made(quick, _last(quick, "payment_intent.created")))
    for _ in range(10):
        quick.wait_and_work(timedelta(hours=13))
    assert _end(quick, name) == ("ignored", "foreign: no payment of ours")
    assert quick.watch.verbs() == [], "it is known to be foreign without a read"


def test_a_thin_event_of_a_kind_that_is_of_no_use_is_ignored(quick: Shop) -> None:
    quick.create_payment()
    event = _thin(quick, quick.sim.events()[0])
    event |= {"type": "v1.customer.created", "related_object": {"id": "cus_1"}}
    name = _push(quick, event)
    quick.work()
    assert _end(quick, name) == ("ignored", "v1.customer.created has no effect here")


def test_a_thin_event_of_an_object_that_cannot_be_read_is_parked(quick: Shop) -> None:
    quick.create_payment()
    event = _thin(quick, quick.sim.events()[0])
    event |= {"related_object": {"id": "ch_gone", "type": "charge"}}
    name = _push(quick, event)
    quick.work()
    for delay in RETRIES:
        quick.wait_and_work(delay)
    status, reason = _end(quick, name)
    assert (status, reason) == ("dead", "the PSP could not be read: Rejected")


def test_a_payment_in_doubt_is_found_by_the_metadata_of_another_version(
    quick: Shop,
) -> None:
    """Its id was never heard; our own id stands in the metadata."""
    payment = _confirmed_elsewhere(quick)
    quick.execute("UPDATE paykit_payment SET psp_reference = NULL")
    _push(quick, _older(quick, _last(quick, "payment_intent.succeeded")))
    quick.work()
    assert quick.get(payment).state is PaymentState.SUCCEEDED


def test_what_was_read_too_early_is_read_again(quick: Shop) -> None:
    """While the read is on its way the payment changes: it is not the newest then."""
    payment = quick.authorized(1000)
    quick.settle()
    reference = quick.reference(payment)
    _push(quick, _older(quick, _last(quick, "charge.succeeded")))
    money = Money(700, "eur")
    outcomes = quick.meanwhile(
        lambda: quick.capture_payment(payment, amount=money), executed=True
    )
    quick.settle()
    assert outcomes
    assert quick.get(payment).captured == 700
    assert quick.sim.effects().captured[reference] == 700
