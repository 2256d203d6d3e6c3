"""Raising what is authorized: by its new total, and without a mismatch."""

from __future__ import annotations

from typing import Any

import pytest

from paykit import IllegalTransition, InvalidMoney, Money, NotAllowed, NotAvailable
from paykit.lifecycle import PaymentState
from tests.support import Shop

DECLINES_MORE = "pm_card_mastercard_prepaid"


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def _held(shop: Shop, **fields: Any) -> str:
    return shop.authorized(incremental_authorization=True, **fields)


def test_the_new_total_is_authorized_and_can_be_captured(shop: Shop) -> None:
    payment = _held(shop)
    before = shop.get(payment)
    assert before.incremental_authorization == "available"
    raised = shop.increment_authorization(payment, amount=eur(1500))
    assert (raised.state, raised.amount, raised.capturable) == (
        PaymentState.AUTHORIZED,
        1500,
        1500,
    )
    assert raised.capture_before == before.capture_before
    assert shop.event_types(payment)[-1] == "payment.amount_changed"
    shop.settle()
    assert shop.capture_payment(payment).captured == 1500
    shop.settle()
    assert shop.balances()["sales:eur"] == -1500
    assert shop.breaks() == set()
    assert shop.column(payment, "amount_asked") is None


def test_it_can_be_raised_again(quick: Shop) -> None:
    payment = _held(quick)
    for total in (1200, 1300, 2000):
        raised = quick.increment_authorization(payment, amount=eur(total))
        assert (raised.amount, raised.capturable) == (total, total)
    quick.settle()
    assert quick.breaks() == set()


def test_a_decline_is_a_result_and_leaves_what_was_authorized(shop: Shop) -> None:
    payment = _held(shop, payment_method=DECLINES_MORE)
    declined = shop.increment_authorization(payment, idempotency_key="k")
    assert declined.decline is not None
    assert declined.decline.code == "card_declined"
    assert (declined.state, declined.amount, declined.capturable) == (
        PaymentState.AUTHORIZED,
        1000,
        1000,
    )
    assert shop.increment_authorization(payment, idempotency_key="k") == declined
    assert shop.event_types(payment)[-1] == "payment.increment_declined"
    assert shop.claims() == {}
    assert shop.column(payment, "amount_asked") is None
    shop.settle()
    assert shop.breaks() == set()
    assert shop.capture_payment(payment).captured == 1000


@pytest.mark.parametrize("total", [1, 999, 1000])
def test_a_total_that_is_not_more_is_refused(quick: Shop, total: int) -> None:
    payment = _held(quick)
    quick.watch.sent.clear()
    with pytest.raises(NotAllowed, match="new total"):
        quick.increment_authorization(payment, amount=eur(total))
    assert quick.watch.sent == []
    assert quick.claims() == {}


def test_what_was_not_asked_for_is_not_available(quick: Shop) -> None:
    payment = quick.authorized()
    assert quick.get(payment).incremental_authorization is None
    with pytest.raises(NotAvailable, match="at creation"):
        quick.increment_authorization(payment)
    with pytest.raises(InvalidMoney):
        quick.increment_authorization(_held(quick), amount=Money(2000, "usd"))


def test_only_an_authorization_can_be_raised(quick: Shop) -> None:
    payment = quick.create_payment(incremental_authorization=True, capture="manual")
    with pytest.raises(IllegalTransition):
        quick.increment_authorization(payment.id)
    captured = _held(quick)
    quick.capture_payment(captured)
    with pytest.raises(IllegalTransition):
        quick.increment_authorization(captured)


def test_a_read_meanwhile_is_no_mismatch(shop: Shop) -> None:
    """The PSP shows the new amount before its answer has come."""
    payment = _held(shop)
    refresh = shop.service.refresh_payment
    seen = shop.meanwhile(lambda: refresh(payment), executed=True)
    raised = shop.increment_authorization(payment, amount=eur(1500))
    assert [view.amount for view in seen] == [1500]  # type: ignore[attr-defined]
    assert (raised.amount, raised.capturable) == (1500, 1500)
    assert shop.event_types(payment).count("payment.amount_changed") == 1
    shop.settle()
    assert shop.breaks() == set()


def test_old_events_with_the_old_amount_are_no_mismatch(shop: Shop) -> None:
    payment = _held(shop)
    old = shop.sim.events()
    shop.increment_authorization(payment, amount=eur(1500))
    for event in old:
        shop.push(event)
    shop.settle()
    assert shop.get(payment).amount == 1500
    assert shop.breaks() == set()


def test_an_amount_that_nobody_asked_for_is_a_mismatch(shop: Shop) -> None:
    payment = _held(shop)
    shop.sim.call("increment_authorization", shop.reference(payment), amount=1500)
    shop.refresh(payment)
    assert shop.breaks() == {"amount_mismatch"}
    assert shop.get(payment).amount == 1000
