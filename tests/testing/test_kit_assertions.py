"""The assertions for hosts: silent when all is well, and plain when it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit import Money, PaymentService
from paykit.store.schema import metadata
from paykit.testing.assertions import assert_books_balance, assert_no_double_charge
from paykit.testing.payments import authorized_payment, paid_payment
from paykit.testing.simulated import ApiRequest, SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.support import Shop, quick

__all__ = ["quick"]

CARD_ONLY = {"enabled": True, "allow_redirects": "never"}


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider()


def bought(sim: SimulatedProvider, key: str, minor: int = 1000, **tags: str) -> str:
    """Take money in one request, and return the provider's payment."""
    asked = ApiRequest(
        verb="create_payment",
        params={
            "amount": minor,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": tags,
            "automatic_payment_methods": CARD_ONLY,
        },
        key=key,
    )
    return str(sim.handle(asked).body["id"])


def service_of(shop: Shop) -> PaymentService:
    assert isinstance(shop.service, PaymentService)
    return shop.service


# --- payments to begin with -----------------------------------------------------------


def test_a_paid_payment_is_paid(quick: Shop) -> None:
    payment = paid_payment(service_of(quick), Money(700, "usd"), reference="o-1")
    assert (payment.state, payment.captured) == ("succeeded", 700)
    assert payment.reference == "o-1"


def test_an_authorized_payment_waits_to_be_captured(quick: Shop) -> None:
    payment = authorized_payment(service_of(quick))
    assert payment.state == "authorized"
    assert payment.id != authorized_payment(service_of(quick)).id


# --- charged twice --------------------------------------------------------------------


def test_one_charge_for_each_payment_is_right(sim: SimulatedProvider) -> None:
    bought(sim, "k1", paykit_payment_id="p1")
    bought(sim, "k1", paykit_payment_id="p1")
    bought(sim, "k2", paykit_payment_id="p2")
    assert_no_double_charge(sim)
    assert_no_double_charge(StripeServer(sim))


def test_two_charges_for_one_payment_are_told_with_their_keys(
    sim: SimulatedProvider,
) -> None:
    made = [bought(sim, key, paykit_payment_id="p1") for key in ("k1", "k2")]
    with pytest.raises(AssertionError) as caught:
        assert_no_double_charge(sim)
    told = str(caught.value)
    assert "p1 was charged 2 times" in told
    assert all(word in told for word in (*made, "ch_", "1000 usd", "key k1", "key k2"))


def test_two_payments_for_one_order_are_found_by_the_hosts_own_metadata(
    sim: SimulatedProvider,
) -> None:
    bought(sim, "k1", paykit_payment_id="p1", order="o-1")
    bought(sim, "k2", paykit_payment_id="p2", order="o-1")
    assert_no_double_charge(sim)
    with pytest.raises(AssertionError, match="o-1 was charged 2 times"):
        assert_no_double_charge(sim, metadata_key="order")


def test_a_declined_attempt_before_the_charge_is_no_second_one(quick: Shop) -> None:
    payment = quick.create_payment()
    quick.confirm_payment(payment.id, payment_method="pm_card_chargeDeclined")
    quick.confirm_payment(payment.id, payment_method="pm_card_visa")
    assert sum(quick.sim.effects().attempts.values()) == 2
    assert_no_double_charge(quick.sim)


def test_refunds_above_the_captured_amount_are_told(sim: SimulatedProvider) -> None:
    paid = bought(sim, "k1", paykit_payment_id="p1")
    sim.call("create_refund", payment_intent=paid, amount=400)
    assert_no_double_charge(sim)
    # The provider refuses it, so its memory is changed behind its back.
    sim.load(_refunded_more(sim.dump()))
    with pytest.raises(AssertionError, match="p1: 1400 refunded of 1000 captured"):
        assert_no_double_charge(sim)


def _refunded_more(dumped: dict[str, object]) -> dict[str, object]:
    """Return the memory with its refund of 400 grown by 1000."""
    accounts = dumped["accounts"]
    assert isinstance(accounts, dict)
    for account in accounts.values():
        for refund in account["refunds"].values():
            refund["amount"] += 1000
    return dumped


# --- the books ------------------------------------------------------------------------


def test_books_that_balance_are_right(quick: Shop) -> None:
    paid_payment(service_of(quick))
    quick.settle(within=timedelta(hours=2))
    assert_books_balance(quick.engine)
    assert_books_balance(quick.engine, quick.sim)


def test_money_that_only_the_provider_knows_of_is_told(quick: Shop) -> None:
    bought(quick.sim, "k1")
    assert_books_balance(quick.engine)
    with pytest.raises(AssertionError, match="usd: 941 at the PSP, 0 in the ledger"):
        assert_books_balance(quick.engine, quick.sim)


def test_a_balance_that_somebody_changed_is_told(quick: Shop) -> None:
    paid_payment(service_of(quick))
    quick.settle(within=timedelta(hours=2))
    table = metadata.tables["paykit_ledger_balance"]
    with quick.engine.begin() as connection:
        _drop_triggers(connection.connection.driver_connection, table.name)
        connection.execute(table.update().values(debits=table.c.debits + 1))
    with pytest.raises(AssertionError, match="balance"):
        assert_books_balance(quick.engine)


def _drop_triggers(sqlite: object, table: str) -> None:
    """Take away what guards a table, as only its owner can."""
    execute = sqlite.execute  # type: ignore[attr-defined]
    found = execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?",
        (table,),
    ).fetchall()
    for (name,) in found:
        execute(f"DROP TRIGGER {name}")
