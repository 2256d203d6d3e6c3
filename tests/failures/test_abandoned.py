"""Payers who leave in the middle, and some who come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import PaymentState
from tests.support import Shop

_DAY: Final = timedelta(days=1)


def _challenged(shop: Shop, **fields: Any) -> str:
    return shop.paid(payment_method="pm_card_threeDSecure2Required", **fields)


def _look(shop: Shop) -> None:
    """Let the day pass on which the payer is waited for, and everything settle."""
    shop.wait_and_work(_DAY)
    shop.settle()


def test_45_a_payer_who_never_comes_back_is_waited_for_for_a_day(shop: Shop) -> None:
    payment = _challenged(shop, reference="order")
    shop.wait_and_work(_DAY - timedelta(seconds=1))
    assert shop.get(payment).state is PaymentState.REQUIRES_ACTION
    _look(shop)
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.sim.intent(shop.reference(payment)).status == "canceled"
    assert shop.event_types(payment).count("payment.canceled") == 1
    assert shop.query("SELECT id FROM paykit_work WHERE queue = 'clock'") == []
    # The order can be paid for by another payment.
    again = shop.create_payment(reference="order")
    assert shop.confirm_payment(again.id).paid
    assert shop.charged() == 1


@pytest.mark.parametrize(
    ("capture", "state"),
    [("automatic", PaymentState.SUCCEEDED), ("manual", PaymentState.AUTHORIZED)],
)
def test_45_a_payer_who_has_come_back_unheard_is_not_canceled(
    shop: Shop, capture: str, state: PaymentState
) -> None:
    payment = _challenged(shop, capture=capture)
    shop.sim.complete_authentication(shop.reference(payment))
    shop.sim.take_webhooks()
    _look(shop)
    assert shop.get(payment).state is state
    assert "cancel_payment" not in shop.watch.writes()


@pytest.mark.parametrize("success", [True, False])
def test_45_a_payer_who_comes_back_at_the_last_moment_wins_or_loses_cleanly(
    shop: Shop, success: bool
) -> None:
    payment = _challenged(shop)
    reference = shop.reference(payment)

    def come_back(call: Any) -> None:
        if call.verb == "cancel_payment":
            shop.watch.before = None
            shop.sim.complete_authentication(reference, success=success)

    shop.watch.before = come_back
    _look(shop)
    view = shop.get(payment)
    ended = PaymentState.SUCCEEDED if success else PaymentState.CANCELED
    assert (view.state, view.captured) == (ended, 1000 * success)
    assert shop.at_psp()["captured"] == 1000 * success
    assert shop.balances().get("sales:eur", 0) == -1000 * success
    assert (shop.breaks(), shop.claims()) == (set(), {})
