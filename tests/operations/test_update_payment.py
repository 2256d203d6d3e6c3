"""Changing a payment that is not paid yet."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from paykit import (
    IllegalTransition,
    InProgress,
    InvalidMoney,
    InvalidRequest,
    Money,
    NotFound,
    OutcomeUnknown,
    PspRejected,
)
from paykit.testing.simulated import Fault
from tests.support import PATIENCE, Shop


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def test_an_unpaid_payment_gets_another_amount_and_is_paid_with_it(shop: Shop) -> None:
    payment = shop.create_payment(metadata={"cart": "7"})
    changed = shop.update_payment(
        payment.id, amount=eur(700), description="two books", metadata={"rush": "yes"}
    )
    assert (changed.amount, changed.description) == (700, "two books")
    assert changed.metadata == {"cart": "7", "rush": "yes"}
    intent = shop.sim.intent(shop.reference(payment.id))
    assert intent.amount == 700
    assert intent.metadata["rush"] == "yes"
    assert intent.metadata["paykit_payment_id"] == payment.id
    assert shop.confirm_payment(payment.id).captured == 700
    shop.settle()
    assert shop.balances()["sales:eur"] == -700
    assert shop.breaks() == set()
    assert "payment.amount_changed" in shop.event_types(payment.id)


def test_what_is_not_given_stays(quick: Shop) -> None:
    payment = quick.create_payment(description="one book", metadata={"a": "1"})
    changed = quick.update_payment(payment.id, amount=None, metadata={"a": "2"})
    assert (changed.amount, changed.description) == (1000, "one book")
    assert changed.metadata == {"a": "2"}
    assert "payment.amount_changed" not in quick.event_types(payment.id)


def test_the_amount_can_go_there_and_back(quick: Shop) -> None:
    payment = quick.create_payment()
    for minor in (2000, 1000, 2000, 500):
        changed = quick.update_payment(payment.id, amount=eur(minor))
        assert changed.amount == minor
    quick.settle()
    assert quick.get(payment.id).amount == 500
    assert quick.breaks() == set()


def test_a_change_of_nothing_is_refused(quick: Shop) -> None:
    payment = quick.create_payment()
    with pytest.raises(InvalidRequest, match="to change"):
        quick.update_payment(payment.id, amount=None)
    with pytest.raises(InvalidMoney):
        quick.update_payment(payment.id, amount=Money(700, "usd"))
    with pytest.raises(InvalidMoney):
        quick.update_payment(payment.id, amount=eur(0))
    with pytest.raises(NotFound):
        quick.update_payment("pay_none")


def test_metadata_has_room_for_ours_after_a_change_too(quick: Shop) -> None:
    payment = quick.create_payment(metadata={f"a{n}": "1" for n in range(30)})
    with pytest.raises(InvalidRequest, match="in all"):
        quick.update_payment(payment.id, metadata={f"b{n}": "1" for n in range(11)})


@pytest.mark.parametrize("end", ["authorized", "paid", "canceled"])
def test_what_has_settled_is_not_changed(quick: Shop, end: str) -> None:
    payment = {
        "authorized": quick.authorized,
        "paid": quick.paid,
        "canceled": lambda: quick.cancel_payment(quick.create_payment().id).id,
    }[end]()
    quick.watch.sent.clear()
    with pytest.raises(IllegalTransition):
        quick.update_payment(payment)
    assert quick.watch.sent == []


def test_a_payment_that_was_paid_meanwhile_keeps_its_amount(shop: Shop) -> None:
    """The payer was faster, in the browser, and no webhook has come."""
    payment = shop.create_payment()
    reference = shop.reference(payment.id)
    shop.sim.call("confirm_payment", reference, payment_method="pm_card_visa")
    with pytest.raises(PspRejected):
        shop.update_payment(payment.id, amount=eur(700))
    shop.settle()
    paid = shop.get(payment.id)
    assert (paid.paid, paid.amount, paid.captured) == (True, 1000, 1000)
    assert shop.breaks() == set()
    assert shop.column(payment.id, "amount_asked") is None


def test_nothing_else_is_started_while_the_change_is_unknown(shop: Shop) -> None:
    payment = shop.create_payment()
    fault = Fault.LOSE_REQUEST
    shop.sim.faults.add(fault, verb="update_payment", times=PATIENCE.sends)
    with pytest.raises(OutcomeUnknown):
        shop.update_payment(payment.id, idempotency_key="k")
    assert shop.get(payment.id).pending_command == "start_update"
    with pytest.raises(InProgress):
        shop.confirm_payment(payment.id)
    assert shop.update_payment(payment.id, idempotency_key="k").amount == 700


def test_a_lost_answer_about_a_description_is_found_by_its_mark(shop: Shop) -> None:
    payment = shop.create_payment()
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="update_payment", times=None)
    changed = shop.update_payment(payment.id, amount=None, description="two books")
    assert changed.description == "two books"


def test_paid_with_the_new_amount_before_the_answer_is_no_mismatch(shop: Shop) -> None:
    payment = shop.create_payment()
    reference = shop.reference(payment.id)

    def pay() -> None:
        shop.sim.call("confirm_payment", reference, payment_method="pm_card_visa")
        shop.sim.faults.add(Fault.LOSE_ANSWER, verb="update_payment")

    shop.meanwhile(pay, executed=True)
    shop.update_payment(payment.id, amount=eur(700))
    shop.settle()
    paid = shop.get(payment.id)
    assert (paid.paid, paid.amount, paid.captured) == (True, 700, 700)
    assert shop.breaks() == set()
    assert "payment.succeeded" in shop.event_types(payment.id)


# -- by hand ---------------------------------------------------------------------------


def test_no_sql_changes_an_amount_that_no_command_asked_for(shop: Shop) -> None:
    payment = shop.create_payment()
    for statement in (
        "UPDATE paykit_payment SET amount = 1 WHERE id = :id",
        "UPDATE paykit_payment SET amount = 1, amount_asked = 1 WHERE id = :id",
    ):
        with pytest.raises(DBAPIError, match="only what was asked for"):
            shop.execute(statement, id=payment.id)
    paid = shop.paid()
    with pytest.raises(DBAPIError, match="before it settles"):
        shop.execute(
            "UPDATE paykit_payment SET amount_asked = 1 WHERE id = :id", id=paid
        )
