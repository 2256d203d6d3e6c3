"""What Stripe's objects say, in paykit's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from paykit.psp import (
    BalanceTransaction,
    Decline,
    NextAction,
    PaymentStatus,
    RefundStatus,
)
from paykit.stripe import objects
from paykit.stripe.fields import Unreadable
from tests.stripe.samples import (
    CLIENT_SECRET,
    CREATED,
    Json,
    balance_transaction,
    charge,
    payment_intent,
    refund,
)


@pytest.mark.parametrize(
    ("word", "reason", "status"),
    [
        ("requires_payment_method", None, PaymentStatus.REQUIRES_PAYMENT_METHOD),
        ("requires_confirmation", None, PaymentStatus.REQUIRES_CONFIRMATION),
        ("requires_action", None, PaymentStatus.REQUIRES_ACTION),
        ("processing", None, PaymentStatus.PROCESSING),
        ("requires_capture", None, PaymentStatus.AUTHORIZED),
        ("succeeded", None, PaymentStatus.SUCCEEDED),
        ("canceled", None, PaymentStatus.CANCELED),
        ("canceled", "requested_by_customer", PaymentStatus.CANCELED),
        ("canceled", "expired", PaymentStatus.EXPIRED),
        ("canceled", "automatic", PaymentStatus.EXPIRED),
        ("canceled", "word_of_next_month", PaymentStatus.CANCELED),
        ("word_of_next_month", None, PaymentStatus.UNRECOGNIZED),
        ("word_of_next_month", "expired", PaymentStatus.UNRECOGNIZED),
    ],
)
def test_a_payment_has_the_status_of_its_word(
    word: str, reason: str | None, status: PaymentStatus
) -> None:
    read = objects.payment(payment_intent(word, cancellation_reason=reason))
    assert (read.status, read.raw_status) == (status, word)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", RefundStatus.PENDING),
        ("requires_action", RefundStatus.REQUIRES_ACTION),
        ("succeeded", RefundStatus.SUCCEEDED),
        ("failed", RefundStatus.FAILED),
        ("canceled", RefundStatus.CANCELED),
        ("word_of_next_month", RefundStatus.UNRECOGNIZED),
    ],
)
def test_a_refund_has_the_status_of_its_word(word: str, status: RefundStatus) -> None:
    read = objects.refund(refund(word, failure_reason="declined"))
    assert (read.status, read.raw_status) == (status, word)
    assert (read.payment, read.charge) == ("pi_1", "ch_1")
    assert read.failure_reason == "declined"


def test_a_payment_is_read_with_its_amounts() -> None:
    read = objects.payment(
        payment_intent("requires_capture", amount_received=3, amount_capturable=7)
    )
    assert (read.reference, read.amount, read.currency) == ("pi_1", 1050, "usd")
    assert (read.captured, read.capturable) == (3, 7)
    assert read.metadata == {"paykit_operation": "op_1"}
    assert read.created == datetime.fromtimestamp(CREATED, UTC)
    assert read.client_secret == CLIENT_SECRET
    assert CLIENT_SECRET not in repr(read)


def test_the_latest_charge_is_read_where_it_was_expanded() -> None:
    expanded = objects.payment(payment_intent(latest_charge=charge()))
    named = objects.payment(payment_intent(latest_charge="ch_1"))
    none = objects.payment(payment_intent(latest_charge=None))
    assert expanded.charge is not None
    assert expanded.charge.captured == 1050
    assert expanded.charge_reference == named.charge_reference == "ch_1"
    assert named.charge is None
    assert none.charge is None
    assert none.charge_reference is None


def test_the_last_error_is_read_as_a_decline_without_a_card_number() -> None:
    error = {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "advice_code": "try_again_later",
        "message": "Your card 4242 4242 4242 4242 was declined.",
        "charge": "ch_1",
    }
    read = objects.payment(
        payment_intent("requires_payment_method", last_payment_error=error)
    )
    assert read.decline == Decline(
        code="card_declined",
        decline_code="insufficient_funds",
        advice_code="try_again_later",
        message="Your card [card number] was declined.",
        charge="ch_1",
    )


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (
            {"type": "redirect_to_url", "redirect_to_url": {"url": "https://a.b"}},
            NextAction(kind="redirect", url="https://a.b"),
        ),
        (
            {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d"}},
            NextAction(kind="use_sdk"),
        ),
        (
            {
                "type": "boleto_display_details",
                "boleto_display_details": {"hosted_voucher_url": "https://v"},
            },
            NextAction(kind="boleto_display_details", url="https://v"),
        ),
        (
            {
                "type": "display_bank_transfer_instructions",
                "display_bank_transfer_instructions": {
                    "hosted_instructions_url": "https://i"
                },
            },
            NextAction(kind="display_bank_transfer_instructions", url="https://i"),
        ),
        (
            {
                "type": "verify_with_microdeposits",
                "verify_with_microdeposits": {"hosted_verification_url": "https://m"},
            },
            NextAction(kind="verify_with_microdeposits", url="https://m"),
        ),
        ({"type": "word_of_next_month"}, NextAction(kind="word_of_next_month")),
    ],
)
def test_what_the_payer_must_do_is_read(action: Json, expected: NextAction) -> None:
    read = objects.payment(payment_intent("requires_action", next_action=action))
    assert read.next_action == expected


@pytest.mark.parametrize("method", ["card", "card_present", "method_of_next_month"])
def test_a_charge_tells_when_its_authorization_runs_out(method: str) -> None:
    details = {"type": method, method: {"capture_before": CREATED}}
    read = objects.charge(charge(payment_method_details=details))
    assert read.capture_before == datetime.fromtimestamp(CREATED, UTC)


@pytest.mark.parametrize("details", [None, {}, {"type": "card"}, {"type": "sofort"}])
def test_a_charge_may_have_no_such_time(details: Json | None) -> None:
    assert objects.charge(charge(payment_method_details=details)).capture_before is None


@pytest.mark.parametrize("feature", ["multicapture", "incremental_authorization"])
@pytest.mark.parametrize(
    ("offer", "offered"),
    [
        ({"status": "available"}, True),
        ({"status": "unavailable"}, False),
        ({"status": "word_of_next_month"}, False),
        (None, False),
    ],
)
def test_a_charge_tells_what_its_card_offers(
    feature: str, offer: Json | None, offered: bool
) -> None:
    details = {"type": "card", "card": {feature: offer}}
    read = objects.charge(charge(payment_method_details=details))
    assert getattr(read, feature) is offered


def test_a_failed_charge_says_why() -> None:
    read = objects.charge(
        charge(
            "failed",
            failure_code="card_declined",
            failure_message="No.",
            outcome={"reason": "do_not_honor", "advice_code": "do_not_try_again"},
        )
    )
    assert read.decline == Decline(
        code="card_declined",
        decline_code="do_not_honor",
        advice_code="do_not_try_again",
        message="No.",
        charge="ch_1",
    )
    assert objects.charge(charge("succeeded")).decline is None


def test_a_charge_is_read_with_its_amounts() -> None:
    read = objects.charge(
        charge(amount_captured=1050, amount_refunded=2, disputed=True)
    )
    assert (read.amount, read.captured, read.refunded) == (1050, 1050, 2)
    assert read.disputed
    assert objects.charge(charge(payment_intent=None)).payment is None


@pytest.mark.parametrize(
    ("captured", "counted", "refunded"),
    [(700, 350, 0), (700, 450, 100), (0, 1050, 0), (0, 0, 0), (1050, 1050, 1050)],
    ids=["part captured", "and refunded", "expired", "held", "all refunded"],
)
def test_a_released_authorization_is_no_refund(
    captured: int, counted: int, refunded: int
) -> None:
    read = objects.charge(charge(amount_captured=captured, amount_refunded=counted))
    assert (read.captured, read.refunded) == (captured, refunded)


def test_what_was_captured_in_parts_counts_no_release_as_refunded() -> None:
    in_parts = {"type": "card", "card": {"multicapture": {"status": "available"}}}
    seen = charge(
        amount_captured=700, amount_refunded=100, payment_method_details=in_parts
    )
    assert objects.charge(seen).refunded == 100


def test_a_balance_transaction_is_read_by_its_reporting_category() -> None:
    read = objects.balance_transaction(
        balance_transaction(type="adjustment", reporting_category="dispute", fee=-5)
    )
    assert read == BalanceTransaction(
        reference="txn_1",
        source="ch_1",
        category="dispute",
        amount=1050,
        fee=-5,
        currency="usd",
        created=datetime.fromtimestamp(CREATED, UTC),
    )


def test_an_expanded_field_gives_its_id() -> None:
    thing = refund(payment_intent={"id": "pi_2", "object": "payment_intent"})
    assert objects.refund(thing).payment == "pi_2"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (payment_intent(id=None), "payment_intent.id"),
        (payment_intent(amount="1050"), "payment_intent.amount"),
        (payment_intent(amount=True), "payment_intent.amount"),
        (payment_intent(amount=10.5), "payment_intent.amount"),
        (payment_intent(amount=2**63), "payment_intent.amount"),
        (payment_intent(amount_received=None), "payment_intent.amount_received"),
        ({**payment_intent(), "status": None}, "payment_intent.status"),
        (payment_intent(created=10**30), "payment_intent.created"),
        (payment_intent(created=10**17), "payment_intent.created"),
        (payment_intent(created="yesterday"), "payment_intent.created"),
        (payment_intent(metadata={"a": 1}), "payment_intent.metadata"),
        (payment_intent(metadata=[]), "payment_intent.metadata"),
        (payment_intent(latest_charge=7), "payment_intent.latest_charge"),
        (payment_intent(latest_charge={"id": "ch_1"}), "the object is no charge"),
        (payment_intent(next_action="x"), "payment_intent.next_action"),
        (payment_intent(object="charge"), "the object is no payment_intent"),
        ({}, "the object is no payment_intent"),
    ],
)
def test_what_cannot_be_read_is_named_and_never_guessed(
    broken: Json, named: str
) -> None:
    with pytest.raises(Unreadable, match=named):
        objects.payment(broken)
