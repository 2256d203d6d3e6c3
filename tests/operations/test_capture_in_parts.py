"""An authorization that is captured in parts, and one that is not (failure 31)."""

from __future__ import annotations

from typing import Any

import pytest

from paykit import FinalRequired, InvalidMoney, Money, NotAllowed, NotAvailable
from paykit.lifecycle import PaymentState
from tests.support import Shop


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def _in_parts(shop: Shop, **fields: Any) -> str:
    return shop.authorized(multicapture=True, **fields)


def test_each_part_is_a_fact_of_its_own(shop: Shop) -> None:
    payment = _in_parts(shop)
    assert shop.get(payment).multicapture == "available"
    first = shop.capture_payment(payment, amount=eur(300), final=False)
    assert (first.state, first.captured, first.capturable) == (
        PaymentState.AUTHORIZED,
        300,
        700,
    )
    second = shop.capture_payment(payment, amount=eur(300), final=False)
    assert (second.captured, second.capturable) == (600, 400)
    last = shop.capture_payment(payment, amount=eur(100), final=True)
    assert (last.state, last.captured, last.capturable) == (
        PaymentState.SUCCEEDED,
        700,
        0,
    )
    shop.settle()
    assert shop.event_types(payment).count("payment.captured") == 3
    assert shop.balances()["sales:eur"] == -700
    assert shop.at_psp()["captured"] == 700
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    assert shop.breaks() == set()


@pytest.mark.parametrize("amount", [1, 999])
def test_a_part_must_say_whether_it_is_the_last(quick: Shop, amount: int) -> None:
    payment = _in_parts(quick)
    quick.watch.sent.clear()
    with pytest.raises(FinalRequired) as missing:
        quick.capture_payment(payment, amount=eur(amount), idempotency_key="k")
    assert missing.value.field == "final"
    assert quick.watch.sent == []
    assert quick.claims() == {}
    taken = quick.capture_payment(
        payment, amount=eur(amount), final=False, idempotency_key="k"
    )
    assert taken.captured == amount


def test_everything_at_once_need_not_say_so(quick: Shop) -> None:
    for fields in ({}, {"amount": eur(1000)}):
        taken = quick.capture_payment(_in_parts(quick), **fields)
        assert (taken.state, taken.captured) == (PaymentState.SUCCEEDED, 1000)


def test_the_rest_stays_authorized_if_all_of_it_is_taken_and_it_is_not_final(
    quick: Shop,
) -> None:
    taken = quick.capture_payment(_in_parts(quick), final=False)
    assert taken.captured == 1000
    assert taken.state in {PaymentState.AUTHORIZED, PaymentState.SUCCEEDED}


def test_zero_and_final_lets_the_rest_go(shop: Shop) -> None:
    payment = _in_parts(shop)
    shop.capture_payment(payment, amount=eur(300), final=False)
    closed = shop.capture_payment(payment, amount=eur(0), final=True)
    assert (closed.state, closed.captured, closed.capturable) == (
        PaymentState.SUCCEEDED,
        300,
        0,
    )
    assert shop.balances()["sales:eur"] == -300


def test_zero_is_taken_only_to_end_what_was_begun(quick: Shop) -> None:
    payment = _in_parts(quick)
    with pytest.raises(InvalidMoney):
        quick.capture_payment(payment, amount=eur(0), final=True)
    quick.capture_payment(payment, amount=eur(300), final=False)
    with pytest.raises(InvalidMoney):
        quick.capture_payment(payment, amount=eur(0), final=False)
    with pytest.raises(InvalidMoney):
        quick.capture_payment(quick.authorized(), amount=eur(0), final=True)


def test_elsewhere_a_part_is_final_and_cannot_be_otherwise(shop: Shop) -> None:
    payment = shop.authorized()
    assert shop.get(payment).multicapture is None
    shop.watch.sent.clear()
    with pytest.raises(NotAvailable, match="captured once"):
        shop.capture_payment(payment, amount=eur(300), final=False)
    assert shop.watch.sent == []
    for final in (True, None):
        taken = shop.capture_payment(shop.authorized(), amount=eur(300), final=final)
        assert (taken.state, taken.captured) == (PaymentState.SUCCEEDED, 300)


def test_a_card_that_does_not_offer_it_is_captured_once(quick: Shop) -> None:
    payment = quick.create_payment(
        capture="manual", multicapture=True, amount=Money(1000, "eur")
    )
    assert payment.multicapture == "requested"
    held = quick.confirm_payment(payment.id, payment_method="pm_card_diners")
    assert held.multicapture == "unavailable"
    with pytest.raises(NotAvailable):
        quick.capture_payment(payment.id, amount=eur(300), final=False)
    assert quick.capture_payment(payment.id, amount=eur(300)).paid


def test_more_than_is_left_is_refused(quick: Shop) -> None:
    payment = _in_parts(quick)
    quick.capture_payment(payment, amount=eur(800), final=False)
    with pytest.raises(NotAllowed, match="can still be captured"):
        quick.capture_payment(payment, amount=eur(300), final=True)


def test_a_part_can_be_refunded_while_the_rest_is_held(shop: Shop) -> None:
    payment = _in_parts(shop)
    shop.capture_payment(payment, amount=eur(500), final=False)
    shop.refund_payment(payment, amount=eur(200))
    shop.capture_payment(payment, amount=eur(500), final=True)
    shop.settle()
    assert shop.at_psp() == {"captured": 1000, "refunded": 200}
    assert shop.get(payment).refundable == 800
    assert shop.breaks() == set()


def test_parts_that_only_webhooks_tell_of_are_booked_once(shop: Shop) -> None:
    payment = _in_parts(shop)
    for amount, final in ((300, False), (200, False), (100, True)):
        shop.sim.call(
            "capture_payment",
            shop.reference(payment),
            amount_to_capture=amount,
            final_capture=final,
        )
    shop.settle()
    seen = shop.get(payment)
    assert (seen.state, seen.captured) == (PaymentState.SUCCEEDED, 600)
    assert shop.balances()["sales:eur"] == -600
    assert shop.breaks() == set()


def test_a_hold_that_runs_out_after_a_part_is_paid_with_that_part(shop: Shop) -> None:
    payment = _in_parts(shop)
    shop.capture_payment(payment, amount=eur(300), final=False)
    shop.sim.expire_authorization(shop.reference(payment))
    shop.settle()
    seen = shop.get(payment)
    assert (seen.state, seen.captured) == (PaymentState.SUCCEEDED, 300)


def test_before_the_psp_has_shown_it_a_part_must_say_so_too(quick: Shop) -> None:
    """The payer confirmed in the browser, and no charge was shown yet."""
    payment = quick.create_payment(capture="manual", multicapture=True)
    reference = quick.reference(payment.id)
    quick.sim.call("confirm_payment", reference, payment_method="pm_card_visa")
    events = quick.sim.events()
    told = "payment_intent.amount_capturable_updated"
    quick.push(next(event for event in events if event.type == told))
    quick.work()
    held = quick.get(payment.id)
    if held.multicapture == "requested":
        with pytest.raises(FinalRequired):
            quick.capture_payment(payment.id, amount=eur(300))
    part = quick.capture_payment(payment.id, amount=eur(300), final=False)
    assert (part.captured, part.capturable) == (300, 700)
