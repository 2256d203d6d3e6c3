"""`begin(session=...)`: order and payment commit together, and the rest comes later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from paykit import (
    Begun,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    IdempotencyKeyReused,
    IllegalTransition,
    InvalidMoney,
    InvalidRequest,
    NotFound,
    PaymentService,
    PaymentView,
    RefundExceedsCaptured,
    RefundPayment,
    RefundView,
    UsageError,
)
from paykit.lifecycle import PaymentState
from paykit.operations.commands import Command
from tests.support import Shop

SOON = timedelta(seconds=15)


def _order(**fields: object) -> CreatePayment:
    given = {"amount": 1000, "currency": "eur", "reference": "order", **fields}
    return CreatePayment.model_validate(given)


def _notes(shop: Shop) -> int:
    return int(shop.scalar("SELECT count(*) FROM host_note"))


def test_order_and_payment_commit_together(shop: Shop) -> None:
    begun = shop.begin(_order(), idempotency_key="k", note="order")
    assert _notes(shop) == 1
    assert shop.watch.sent == []
    assert begun.payment_id is not None
    assert shop.get(begun.payment_id).state is PaymentState.CREATING
    payment = shop.finish(begun)
    assert isinstance(payment, PaymentView)
    assert payment.id == begun.payment_id
    assert payment.client_secret is not None
    assert shop.finish(begun) == payment
    assert shop.confirm_payment(payment.id).paid


@pytest.mark.parametrize("note", ["order", None], ids=["after-a-write", "alone"])
def test_a_rollback_takes_everything_back(shop: Shop, note: str | None) -> None:
    before = shop.counts()
    begun = shop.begin(_order(), idempotency_key="k", note=note, commit=False)
    assert shop.counts() == before
    assert _notes(shop) == 0
    with pytest.raises(NotFound, match="rolled back"):
        shop.finish(begun)
    assert shop.create_payment(idempotency_key="k", reference="order").id


def test_what_was_begun_is_finished_by_a_worker(shop: Shop) -> None:
    begun = shop.begin(_order(), idempotency_key="k")
    early = shop.wait_and_work(SOON - timedelta(milliseconds=1))
    assert early.done["resume"] == {}
    assert shop.wait_and_work(timedelta(milliseconds=1)).done["resume"] == {"done": 1}
    payment = shop.finish(begun)
    assert shop.watch.writes() == ["create_payment"]
    assert isinstance(payment, PaymentView)
    assert payment.state is PaymentState.REQUIRES_PAYMENT_METHOD


def test_a_confirmation_that_nobody_finished_in_time_charges_nobody(
    shop: Shop,
) -> None:
    payment = shop.create_payment().id
    command = ConfirmPayment(payment_id=payment, payment_method="pm_card_visa")
    shop.begin(command, idempotency_key="k")
    shop.wait_and_work(timedelta(minutes=10))
    shop.settle()
    assert "confirm_payment" not in shop.watch.verbs()
    assert shop.charged() == 0
    assert shop.claims() == {}


def test_every_command_can_be_begun(shop: Shop) -> None:
    authorized = shop.authorized()
    capture = shop.begin(
        CapturePayment(payment_id=authorized, amount=700, currency="eur"),
        idempotency_key="capture",
    )
    assert capture.payment_id == authorized
    captured = shop.finish(capture)
    assert isinstance(captured, PaymentView)
    assert captured.captured == 700
    refund = shop.finish(
        shop.begin(
            RefundPayment(payment_id=authorized, amount=200), idempotency_key="refund"
        )
    )
    assert isinstance(refund, RefundView)
    assert refund.amount == 200


def test_begun_and_called_are_the_same_command(shop: Shop) -> None:
    begun = shop.begin(_order(), idempotency_key="k")
    payment = shop.create_payment(idempotency_key="k", reference="order")
    assert payment.id == begun.payment_id
    again = shop.begin(_order(), idempotency_key="k")
    assert again.operation_id == begun.operation_id
    assert shop.finish(again) == payment
    assert shop.watch.writes() == ["create_payment"]


def test_currencies_may_be_written_in_capitals(shop: Shop) -> None:
    begun = shop.begin(_order(currency="EUR"), idempotency_key="k")
    shop.finish(begun)
    assert begun.payment_id is not None
    assert shop.confirm_payment(begun.payment_id).currency == "eur"
    refund = RefundPayment(payment_id=begun.payment_id, amount=1, currency="EUR")
    shop.finish(shop.begin(refund, idempotency_key="r"))
    shop.settle()
    assert shop.breaks() == set()
    assert "payment.succeeded" in shop.event_types(begun.payment_id)
    assert shop.create_payment(idempotency_key="k", reference="order").currency == "eur"


class _Stranger(Command, frozen=True):
    """A command that paykit does not know."""


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (_Stranger(), UsageError),
        (_order(description="4242 4242 4242 4242"), InvalidRequest),
        (ConfirmPayment(payment_id="pay_none"), NotFound),
        (CapturePayment(payment_id="PAID"), IllegalTransition),
        (RefundPayment(payment_id="PAID", amount=1001), RefundExceedsCaptured),
        (RefundPayment(payment_id="PAID", amount=1, currency="usd"), InvalidMoney),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_an_error_leaves_the_rest_of_the_transaction_to_the_host(
    shop: Shop, command: Command, error: type[Exception]
) -> None:
    if getattr(command, "payment_id", None) == "PAID":
        command = command.model_copy(update={"payment_id": shop.paid()})
    before = shop.counts()
    with pytest.raises(error):
        shop.begin(command, idempotency_key="k", note="never mind")
    if isinstance(shop.service, PaymentService):
        with Session(shop.engine) as session:
            with pytest.raises(error):
                shop.service.begin(command, session=session, idempotency_key="k")
            session.execute(text("INSERT INTO host_note (note) VALUES ('kept')"))
            session.commit()
        assert _notes(shop) == 1
    assert shop.counts() == before


def test_a_used_key_is_refused_in_the_hosts_transaction_too(shop: Shop) -> None:
    shop.create_payment(idempotency_key="k")
    before = shop.counts()
    with pytest.raises(IdempotencyKeyReused):
        shop.begin(_order(amount=1001), idempotency_key="k")
    assert shop.counts() == before


def test_merchants_begin_apart(shop: Shop) -> None:
    ours = shop.begin(_order(), idempotency_key="k", merchant="a")
    theirs = shop.begin(_order(), idempotency_key="k", merchant="b")
    assert ours != theirs
    assert isinstance(ours, Begun)
