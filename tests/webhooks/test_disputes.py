"""Disputes begin at the PSP: adopted in any order, booked once, never refunded too."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from paykit import DisputeState, DisputeView, Money, PaymentDisputed
from paykit.lifecycle import PaymentState
from paykit.psp import Call
from paykit.testing.simulated import SimEvent
from paykit.testing.simulated.webhooks import sign
from tests.support import Shop

_numbers = count(1)

_ALL: Final = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)


def _push(shop: Shop, event: SimEvent, **changes: Any) -> str:
    """Receive `event` under an id of its own, `changes` made; return that id."""
    body = json.loads(shop.sim.webhook(event)[0])
    body |= {"id": f"{event.id}_{next(_numbers)}", **changes}
    raw = json.dumps(body).encode()
    headers = sign(raw, shop.sim.webhook_secret, shop.world.now())
    assert shop.receive(raw, headers).status == 200
    return str(body["id"])


def _happened(shop: Shop, dispute: str) -> list[SimEvent]:
    return [event for event in shop.sim.events() if event.object.get("id") == dispute]


def _disputes(shop: Shop, payment: str) -> tuple[DisputeView, ...]:
    return shop.wait(shop.service.list_disputes(payment))


def _end(shop: Shop, event_id: str) -> tuple[str, str | None]:
    (row,) = shop.query(
        "SELECT status, reason FROM paykit_inbox WHERE event_id = :id", id=event_id
    )
    return row["status"], row["reason"]


def _disputed(shop: Shop, kind: Any = "fraudulent", **fields: Any) -> tuple[str, str]:
    """Return the ids of a paid payment and of a dispute about it, both heard of."""
    payment = shop.paid(1000)
    dispute = shop.sim.controls.open_dispute(
        shop.reference(payment), kind=kind, **fields
    )
    shop.settle()
    return payment, dispute


def test_a_dispute_is_adopted_with_its_money(shop: Shop) -> None:
    """The amount and the fee leave at once; losing moves nothing more."""
    begun = shop.world.now()
    payment, dispute = _disputed(shop)
    (view,) = _disputes(shop, payment)
    assert (view.psp_reference, view.state) == (dispute, DisputeState.NEEDS_RESPONSE)
    assert (view.amount, view.currency, view.reason) == (1000, "eur", "fraudulent")
    assert view.evidence_due_by == begun + timedelta(days=7)
    assert not view.charge_refundable
    assert shop.get(payment).disputed == 1000
    assert shop.get(payment).state is PaymentState.SUCCEEDED
    balances = shop.balances()
    assert balances["disputes:eur"] == 1000
    assert balances["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    types = shop.event_types(payment)[4:]
    assert types == ["dispute.opened", "dispute.funds_withdrawn"]
    shop.sim.controls.resolve_dispute(dispute, "lost")
    shop.settle()
    assert shop.balances() == balances
    assert shop.event_types(payment)[6:] == ["dispute.closed"]
    assert shop.get(payment).disputed == 1000
    assert shop.breaks() == set()


def test_a_dispute_that_was_lost_is_won_late(shop: Shop) -> None:
    """Failure 28: corrections are legal in states that look final."""
    payment, dispute = _disputed(shop)
    for outcome in ("lost", "won"):
        shop.sim.controls.resolve_dispute(dispute, outcome)
        shop.settle()
    (view,) = _disputes(shop, payment)
    assert view.state is DisputeState.WON
    assert shop.get(payment).disputed == 0
    assert "disputes:eur" not in shop.balances()
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    types = shop.event_types(payment)
    assert types.count("dispute.closed") == 2
    assert types.count("dispute.funds_reinstated") == 1


def _story(shop: Shop) -> tuple[str, list[SimEvent]]:
    """Let an inquiry become a dispute that is lost, and won in the end."""
    payment = shop.paid(1000)
    dispute = shop.sim.controls.open_dispute(shop.reference(payment), kind="inquiry")
    for outcome in ("escalated", "lost", "won"):
        shop.sim.controls.resolve_dispute(dispute, outcome)
    return payment, _happened(shop, dispute)


@given(data=st.data())
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # All examples share one database: a story is not told twice in the same way.
    phases=[Phase.generate],
)
def test_any_order_of_events_and_twins_ends_the_same(
    quick: Shop, data: st.DataObject
) -> None:
    """Failures 15 and 28: twins, and `closed` before `created`, make no difference."""
    payment, events = _story(quick)
    assert {event.type for event in events} == set(_ALL)
    order = data.draw(st.permutations([*events, *events]))
    for event in order[: data.draw(st.integers(len(events), len(order)))]:
        _push(quick, event)
        if data.draw(st.booleans()):
            quick.work()
    for event in events:
        _push(quick, event)
    quick.work()
    (view,) = _disputes(quick, payment)
    assert (view.state, view.charge_refundable) == (DisputeState.WON, True)
    assert quick.get(payment).disputed == 0
    types = quick.event_types(payment)
    assert types.count("dispute.opened") == 1
    assert types.count("dispute.funds_withdrawn") == 1
    assert types.count("dispute.funds_reinstated") == 1
    quick.settle()
    assert quick.balances()["psp_balance:eur"] == quick.sim.effects().balance["eur"]
    assert quick.breaks() == set()


def test_a_stale_status_is_never_applied_from_the_payload(quick: Shop) -> None:
    payment, events = _story(quick)
    for event in (events[-1], events[0]):
        _push(quick, event)
    quick.watch.sent.clear()
    quick.work()
    assert "read_dispute" in quick.watch.verbs()
    assert _disputes(quick, payment)[0].state is DisputeState.WON


def test_an_event_that_says_nothing_new_is_not_read(quick: Shop) -> None:
    payment, dispute = _disputed(quick)
    created = _happened(quick, dispute)[0]
    before = quick.get(payment)
    quick.watch.sent.clear()
    _push(quick, created)
    assert quick.work().done["inbox"] == {"applied": 1}
    assert quick.watch.verbs() == []
    after = quick.get(payment)
    assert after == before.model_copy(update={"version": after.version})


# -- refunds beside a dispute ----------------------------------------------------------


def test_no_refund_is_started_while_the_charge_is_disputed(shop: Shop) -> None:
    """Failure 27: the payer would be credited twice."""
    payment, dispute = _disputed(shop)
    shop.watch.sent.clear()
    with pytest.raises(PaymentDisputed, match=dispute):
        shop.refund_payment(payment)
    assert shop.watch.verbs() == []
    assert shop.refunds(payment) == ()
    shop.sim.controls.resolve_dispute(dispute, "won")
    shop.settle()
    assert shop.refund_payment(payment).amount == 1000


def test_one_dispute_of_several_is_enough_to_refuse(quick: Shop) -> None:
    payment, first = _disputed(quick, amount=400)
    second = quick.sim.controls.open_dispute(quick.reference(payment), amount=300)
    quick.sim.controls.resolve_dispute(first, "won")
    quick.settle()
    assert {view.charge_refundable for view in _disputes(quick, payment)} == {
        True,
        False,
    }
    with pytest.raises(PaymentDisputed, match=second):
        quick.refund_payment(payment, amount=Money(100, "eur"))
    assert quick.get(payment).disputed == 300


def test_an_inquiry_is_settled_by_a_refund(shop: Shop) -> None:
    """Failure 27: nothing has left yet, and a full refund is how to close it."""
    payment, _ = _disputed(shop, "inquiry")
    (view,) = _disputes(shop, payment)
    assert view.state is DisputeState.WARNING_NEEDS_RESPONSE
    assert shop.get(payment).disputed == 0
    assert "disputes:eur" not in shop.balances()
    assert shop.refund_payment(payment).amount == 1000
    shop.settle()
    (view,) = _disputes(shop, payment)
    assert view.state is DisputeState.WARNING_CLOSED
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]


def test_a_dispute_overtakes_a_refund_that_pends(shop: Shop) -> None:
    """Failure 27, the other order: the refund fails, and its part is free again."""
    payment = shop.paid(1000, payment_method="pm_card_pendingRefund")
    shop.refund_payment(payment, amount=Money(400, "eur"))
    shop.sim.controls.open_dispute(shop.reference(payment))
    shop.settle()
    (refund,) = shop.refunds(payment)
    assert (refund.state, refund.failure_reason) == (
        "failed",
        "charge_for_pending_refund_disputed",
    )
    assert shop.get(payment).refundable == 1000
    with pytest.raises(PaymentDisputed):
        shop.refund_payment(payment)
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]


def test_a_repeated_call_of_a_refund_made_before_the_dispute_is_answered(
    quick: Shop,
) -> None:
    payment = quick.paid(1000)
    money = Money(400, "eur")
    refund = quick.refund_payment(payment, amount=money, idempotency_key="r")
    quick.sim.controls.open_dispute(quick.reference(payment))
    quick.settle()
    again = quick.refund_payment(payment, amount=money, idempotency_key="r")
    assert again == refund


# -- what does not fit -----------------------------------------------------------------


def test_a_dispute_of_more_than_was_captured_is_booked_and_shown(shop: Shop) -> None:
    """Failure 26: a partial capture, then a dispute of the whole and more."""
    payment = shop.authorized(1000)
    shop.capture_payment(payment, amount=Money(700, "eur"))
    shop.sim.controls.open_dispute(shop.reference(payment), amount=1200)
    shop.settle()
    (view,) = _disputes(shop, payment)
    assert view.amount == 1200
    assert shop.get(payment).disputed == 1200
    assert shop.balances()["disputes:eur"] == 1200
    assert shop.breaks() == {"disputed_too_much"}


def test_a_dispute_in_another_currency_is_no_part_of_the_total(quick: Shop) -> None:
    payment, dispute = quick.paid(1000), "du_other"
    body = _happened(quick, _disputed(quick)[1])[0].object
    foreign = {
        **body,
        "id": dispute,
        "payment_intent": quick.reference(payment),
        "currency": "usd",
        "balance_transactions": [],
    }
    event = _happened(quick, _disputes(quick, _last(quick))[0].psp_reference)[0]
    _push(quick, event, data={"object": foreign})
    quick.work()
    assert [view.currency for view in _disputes(quick, payment)] == ["usd"]
    assert quick.get(payment).disputed == 0
    assert quick.breaks() == {"disputed_in_another_currency"}


def _last(shop: Shop) -> str:
    """Return the payment that was made last."""
    return str(
        shop.scalar("SELECT payment_id FROM paykit_dispute ORDER BY created_at DESC")
    )


@pytest.mark.parametrize("word", ["appeal_needs_response", "tossed_by_a_coin"])
def test_a_word_that_is_new_is_kept_and_crashes_nothing(quick: Shop, word: str) -> None:
    """Failure 19: `appeal_*` came in a monthly release; another word will."""
    payment = quick.paid(1000)
    quick.settle()
    dispute = quick.sim.controls.open_dispute(quick.reference(payment))
    created = _happened(quick, dispute)[0]
    name = _push(quick, created, data={"object": {**created.object, "status": word}})
    quick.work()
    assert _end(quick, name) == ("applied", None)
    (view,) = _disputes(quick, payment)
    known = word in set(DisputeState)
    assert view.raw_status == word
    assert view.state == (word if known else "unrecognized")
    assert not view.charge_refundable
    assert quick.balances()["disputes:eur"] == 1000
    _push(quick, created)
    quick.work()
    assert _disputes(quick, payment)[0].state is DisputeState.NEEDS_RESPONSE


def test_a_dispute_of_a_payment_that_is_not_ours_is_ignored(quick: Shop) -> None:
    reference: Any = quick.sim.call("create_payment", amount=500, currency="eur")
    quick.sim.call(
        "confirm_payment",
        reference["id"],
        payment_method="pm_card_visa",
        return_url="https://shop.example",
    )
    dispute = quick.sim.controls.open_dispute(reference["id"])
    name = _push(quick, _happened(quick, dispute)[0])
    for _ in range(10):
        quick.wait_and_work(timedelta(hours=13))
    assert _end(quick, name) == ("ignored", "foreign: no payment of ours")
    assert quick.counts()["paykit_dispute"] == 0


# -- reviews and warnings --------------------------------------------------------------


def test_a_review_and_a_warning_are_told_once(shop: Shop) -> None:
    payment = shop.paid(1000)
    review = shop.sim.controls.open_review(shop.reference(payment))
    shop.sim.controls.warn_of_fraud(shop.reference(payment))
    shop.sim.controls.close_review(review, reason="approved")
    shop.settle()
    for event in shop.sim.events():
        if event.type.startswith(("review.", "radar.")):
            _push(shop, event)
    shop.work()
    told = [
        event
        for event in shop.wait(shop.service.payment_events(payment))
        if event.type in _SUSPICIONS
    ]
    assert {event.type: event.data["reason"] for event in told} == {
        "payment.review_opened": "rule",
        "payment.review_closed": "approved",
        "payment.fraud_warning": "unauthorized_use_of_card",
    }
    assert len(told) == 3
    assert shop.get(payment).paid


_SUSPICIONS: Final = {
    "payment.review_opened",
    "payment.review_closed",
    "payment.fraud_warning",
}


def test_a_review_that_was_closed_is_not_opened_by_a_late_event(quick: Shop) -> None:
    payment = quick.paid(1000)
    review = quick.sim.controls.open_review(quick.reference(payment))
    quick.sim.controls.close_review(review)
    opened, closed = _happened(quick, review)
    for event in (closed, opened):
        _push(quick, event)
        quick.work()
    types = quick.event_types(payment)
    assert "payment.review_closed" in types
    assert "payment.review_opened" not in types


def test_a_read_that_was_overtaken_does_not_lead_back(quick: Shop) -> None:
    """The answer said `lost`; while it was on its way the dispute was won."""
    payment, dispute = _disputed(quick)
    quick.sim.controls.resolve_dispute(dispute, "lost")
    quick.settle()

    def overtake(call: Call) -> None:
        if call.verb == "read_dispute":
            quick.watch.after = None
            quick.sim.controls.resolve_dispute(dispute, "won")
            quick.deliver()
            quick.work()

    quick.watch.after = overtake
    quick.refresh(payment)
    assert quick.watch.after is None
    assert _disputes(quick, payment)[0].state is DisputeState.WON
    assert quick.get(payment).disputed == 0
