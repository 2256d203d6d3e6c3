"""Amounts as the PSP counts them, and what must not leave the process."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from paykit import InvalidMoney, Money
from paykit.money import CURRENCIES, chargeable
from tests.failures.stories import everything_stored
from tests.support import Shop
from tests.sweep.child import SECRET_KEY
from tests.sweep.shop import Shop as WireShop

SENT = {
    # 500 major units, as Stripe counts them.
    "eur": 50_000,
    "jpy": 500,
    "kwd": 500_000,
    "isk": 50_000,
    "ugx": 50_000,
    "huf": 50_000,
}


@pytest.mark.parametrize("currency", SENT)
def test_36_nobody_is_charged_a_hundred_times_as_much(
    quick: Shop, currency: str
) -> None:
    amount = Money.from_decimal("500", currency)
    payment = quick.create_payment(amount=amount)
    reference = quick.reference(payment.id)
    assert quick.sim.intent(reference).amount == SENT[currency]
    quick.confirm_payment(payment.id)
    assert quick.at_psp()["captured"] == SENT[currency]
    assert quick.balances()[f"sales:{currency}"] == -SENT[currency]
    assert Money(quick.get(payment.id).captured, currency).decimal == 500


@pytest.mark.parametrize("minor", [10.0, 10.5, True, Decimal(10), "10"])
def test_36_what_is_no_integer_is_no_amount(quick: Shop, minor: Any) -> None:
    with pytest.raises(InvalidMoney):
        quick.create_payment(amount=Money(minor, "eur"))
    with pytest.raises(InvalidMoney):
        Money.from_decimal(10.5, "eur")  # type: ignore[arg-type]
    assert quick.sim.effects().charges == {}


@pytest.mark.parametrize(
    ("minor", "currency"), [(50_050, "isk"), (1, "ugx"), (10_001, "kwd"), (0, "eur")]
)
def test_36_what_does_not_divide_is_refused_before_it_is_sent(
    quick: Shop, minor: int, currency: str
) -> None:
    with pytest.raises(InvalidMoney):
        quick.create_payment(amount=Money(minor, currency))
    assert quick.watch.sent == []


@given(currency=st.sampled_from(sorted(CURRENCIES)), units=st.integers(1, 10**9))
def test_36_every_currency_comes_back_as_it_was(currency: str, units: int) -> None:
    rule = CURRENCIES[currency]
    money = chargeable(Money(units * rule.step, currency))
    assert money.decimal == Decimal(money.minor).scaleb(-rule.exponent)
    assert Money.from_decimal(money.decimal, currency) == money
    assert Money.from_decimal(str(money.decimal), currency.upper()) == money


def _without_secret(kept: BaseModel) -> BaseModel:
    has_one = "client_secret" in type(kept).model_fields
    return kept.model_copy(update={"client_secret": None}) if has_one else kept


def test_40_nothing_that_can_be_queued_or_stored_holds_the_key(wire: WireShop) -> None:
    created = wire.service.create_payment(
        amount=Money(1000, "usd"), idempotency_key="c", payment_method="pm_card_visa"
    )
    assert created.client_secret is not None
    secret = created.client_secret.get_secret_value()
    paid = wire.service.confirm_payment(created.id, idempotency_key="k")
    refund = wire.service.refund_payment(created.id, idempotency_key="r")
    wire.settle()
    events = wire.service.payment_events(created.id)
    for kept in (created, paid, refund, *events):
        queued = pickle.dumps(kept)
        assert SECRET_KEY.encode() not in queued
        assert secret.encode() not in queued
        assert pickle.loads(queued) == _without_secret(kept)
        assert secret not in repr(kept)
    with pytest.raises(TypeError, match="holds a secret key") as refusal:
        pickle.dumps(wire.psp)
    assert SECRET_KEY not in str(refusal.value)
    stored = everything_stored(wire.engine)
    assert created.id in stored
    assert SECRET_KEY not in stored
    assert secret not in stored
