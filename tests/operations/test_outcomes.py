"""What each operation comes to, when nothing goes wrong on the way."""

from __future__ import annotations

import pytest

from paykit import (
    IllegalTransition,
    InvalidMoney,
    Money,
    NotAllowed,
    PspRejected,
    RefundExceedsCaptured,
)
from paykit.lifecycle import PaymentState, RefundState
from paykit.psp import Decline, Declined
from tests.support import Shop, WatchedPsp

DECLINED = "pm_card_visa_chargeDeclined"


def eur(minor: int) -> Money:
    return Money(minor, "eur")


# -- create ----------------------------------------------------------------------------


def test_a_new_payment_waits_and_has_moved_no_money(shop: Shop) -> None:
    payment = shop.create_payment(
        amount=eur(1050), description="one book", metadata={"isbn": "3-16"}
    )
    assert payment.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert (payment.amount, payment.currency, payment.captured) == (1050, "eur", 0)
    assert payment.description == "one book"
    assert payment.metadata == {"isbn": "3-16"}
    assert not payment.paid
    assert shop.charged() == 0
    assert shop.balances() == {}
    assert shop.claims() == {}
    assert shop.get(payment.id) == payment.model_copy(update={"client_secret": None})
    assert shop.event_types(payment.id) == [
        "payment.created",
        "payment.requires_payment_method",
    ]


def test_the_psp_object_carries_our_ids(shop: Shop) -> None:
    payment = shop.create_payment(merchant="m-1", metadata={"isbn": "3-16"})
    intent = shop.sim.intent(payment.psp_reference or "")
    operation = shop.scalar("SELECT id FROM paykit_operation")
    assert intent.metadata == {
        "isbn": "3-16",
        "paykit_payment_id": payment.id,
        "paykit_merchant": "m-1",
        "paykit_operation_id": operation,
    }


def test_a_payment_that_the_psp_refuses_has_failed(shop: Shop) -> None:
    with pytest.raises(PspRejected) as refusal:
        shop.create_payment(
            idempotency_key="k", payment_method="pm_none", reference="order"
        )
    assert refusal.value.code == "resource_missing"
    payment = shop.scalar("SELECT id FROM paykit_payment")
    assert shop.get(payment).state is PaymentState.FAILED
    assert shop.event_types(payment) == ["payment.created", "payment.failed"]
    with pytest.raises(PspRejected) as again:
        shop.create_payment(
            idempotency_key="k", payment_method="pm_none", reference="order"
        )
    assert str(again.value) == str(refusal.value)
    assert again.value.code == "resource_missing"
    assert shop.create_payment(reference="order").state is not PaymentState.FAILED


# -- confirm ---------------------------------------------------------------------------


def test_a_confirmed_payment_is_paid(shop: Shop) -> None:
    payment = shop.create_payment()
    paid = shop.confirm_payment(payment.id)
    assert paid.paid
    assert (paid.captured, paid.refundable, paid.capturable) == (1000, 1000, 0)
    assert shop.balances() == {"psp_balance:eur": 1000, "sales:eur": -1000}
    assert shop.claims() == {}
    assert shop.event_types(payment.id)[2:] == ["payment.captured", "payment.succeeded"]


def test_fees_follow_and_our_balance_is_the_psps(shop: Shop) -> None:
    paid = shop.paid()
    shop.settle()
    balances = shop.balances()
    assert balances["psp_fees:eur"] > 0
    assert balances["sales:eur"] == -1000
    assert balances["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    assert shop.breaks() == set()
    assert shop.refresh(paid).paid


def test_the_method_given_at_creation_is_charged(shop: Shop) -> None:
    payment = shop.create_payment(payment_method="pm_card_mastercard")
    assert payment.state is PaymentState.REQUIRES_CONFIRMATION
    assert shop.confirm_payment(payment.id, payment_method=None).paid


@pytest.mark.parametrize(
    ("method", "code", "decline_code", "retryable"),
    [
        ("chargeDeclined", "card_declined", "generic_decline", True),
        (
            "chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            True,
        ),
        ("chargeDeclinedStolenCard", "card_declined", "stolen_card", False),
        ("chargeDeclinedExpiredCard", "expired_card", "expired_card", False),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", False),
    ],
)
def test_a_decline_can_be_read(
    shop: Shop, method: str, code: str, decline_code: str, retryable: bool
) -> None:
    payment = shop.create_payment()
    declined = shop.confirm_payment(payment.id, payment_method=f"pm_card_visa_{method}")
    assert declined.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert declined.decline is not None
    assert (declined.decline.code, declined.decline.decline_code) == (
        code,
        decline_code,
    )
    assert declined.decline.retryable is retryable
    assert declined.decline.message
    assert shop.get(payment.id).decline == declined.decline
    assert shop.balances() == {}
    assert shop.event_types(payment.id)[-1] == "payment.attempt_failed"


def test_a_declined_payment_can_be_paid_with_another_card(shop: Shop) -> None:
    payment = shop.create_payment()
    shop.confirm_payment(payment.id, payment_method=DECLINED, idempotency_key="first")
    paid = shop.confirm_payment(payment.id, idempotency_key="second")
    assert paid.paid
    assert paid.decline is None
    shop.settle()
    assert shop.get(payment.id).paid
    repeated = shop.confirm_payment(
        payment.id, payment_method=DECLINED, idempotency_key="first"
    )
    assert repeated.decline is not None
    assert shop.charged() == 1


def test_the_payer_acts_and_the_payment_succeeds(shop: Shop) -> None:
    payment = shop.create_payment()
    waiting = shop.confirm_payment(
        payment.id,
        payment_method="pm_card_threeDSecure2Required",
        return_url="https://shop.example/back",
    )
    assert waiting.state is PaymentState.REQUIRES_ACTION
    assert waiting.next_action is not None
    assert waiting.next_action.kind == "redirect"
    assert waiting.next_action.url
    assert shop.charged() == 0
    shop.sim.complete_authentication(shop.reference(payment.id))
    shop.settle()
    paid = shop.get(payment.id)
    assert paid.paid
    assert paid.next_action is None
    assert shop.balances()["sales:eur"] == -1000


def test_the_payer_fails_and_may_try_again(shop: Shop) -> None:
    payment = shop.create_payment()
    shop.confirm_payment(payment.id, payment_method="pm_card_threeDSecure2Required")
    shop.sim.complete_authentication(shop.reference(payment.id), success=False)
    shop.settle()
    failed = shop.get(payment.id)
    assert failed.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert failed.decline is not None
    assert failed.decline.code == "payment_intent_authentication_failure"
    assert shop.confirm_payment(payment.id).paid


@pytest.mark.parametrize(
    ("method", "state"),
    [
        ("pm_usBankAccount_success", PaymentState.SUCCEEDED),
        (
            "pm_usBankAccount_insufficientFunds",
            PaymentState.REQUIRES_PAYMENT_METHOD,
        ),
    ],
)
def test_a_slow_payment_tells_later_how_it_ends(
    shop: Shop, method: str, state: PaymentState
) -> None:
    payment = shop.create_payment(amount=Money(1000, "usd"))
    slow = shop.confirm_payment(payment.id, payment_method=method)
    assert slow.state is PaymentState.PROCESSING
    shop.settle()
    assert shop.get(payment.id).state is PaymentState.PROCESSING
    shop.sim.settle_charges()
    shop.settle()
    assert shop.get(payment.id).state is state
    assert (shop.get(payment.id).decline is None) is (state is PaymentState.SUCCEEDED)


def test_confirming_without_a_method_is_refused_and_blocks_nothing(shop: Shop) -> None:
    payment = shop.create_payment()
    with pytest.raises(PspRejected, match="payment method") as refusal:
        shop.confirm_payment(payment.id, payment_method=None, idempotency_key="none")
    assert refusal.value.code == "payment_intent_unexpected_state"
    assert shop.claims() == {}
    assert shop.confirm_payment(payment.id).paid


def test_confirming_with_an_unknown_method_is_refused(shop: Shop) -> None:
    payment = shop.create_payment()
    with pytest.raises(PspRejected) as refusal:
        shop.confirm_payment(payment.id, payment_method="pm_none")
    assert refusal.value.code == "resource_missing"
    assert shop.confirm_payment(payment.id).paid


# -- capture ---------------------------------------------------------------------------


def test_an_authorization_holds_and_takes_nothing(shop: Shop) -> None:
    payment = shop.get(shop.authorized(1000))
    assert payment.state is PaymentState.AUTHORIZED
    assert (payment.capturable, payment.captured, payment.refundable) == (1000, 0, 0)
    assert payment.capture_before is not None
    assert shop.balances() == {}


def test_a_capture_takes_all(shop: Shop) -> None:
    payment = shop.authorized(1000)
    captured = shop.capture_payment(payment)
    assert captured.paid
    assert (captured.captured, captured.capturable) == (1000, 0)
    assert shop.balances() == {"psp_balance:eur": 1000, "sales:eur": -1000}


def test_a_partial_capture_takes_its_part_and_releases_the_rest(shop: Shop) -> None:
    payment = shop.authorized(1000)
    captured = shop.capture_payment(payment, amount=eur(700))
    assert captured.paid
    assert (captured.captured, captured.capturable) == (700, 0)
    assert captured.refundable == 700
    shop.settle()
    assert shop.balances()["sales:eur"] == -700
    assert shop.at_psp() == {"captured": 700, "refunded": 0}
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    assert shop.breaks() == set()
    assert shop.refunds(payment) == ()


def test_a_capture_that_is_declined_says_why(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = quick.authorized()
    decline = Decline(code="payment_method_provider_decline")
    declined = Declined(decline=decline)
    with monkeypatch.context() as broke:
        broke.setattr(WatchedPsp, "send", lambda psp, call: declined)
        view = quick.capture_payment(payment, idempotency_key="k")
    assert (view.captured, view.paid) == (0, False)
    assert view.decline is not None
    assert view.decline.code == decline.code
    assert quick.capture_payment(payment, idempotency_key="k") == view
    assert quick.capture_payment(payment).paid


def test_capturing_too_much_is_refused_before_anything_is_sent(shop: Shop) -> None:
    payment = shop.authorized(1000)
    before = len(shop.watch.sent)
    with pytest.raises(NotAllowed, match=r"10\.01 EUR is more than the 10\.00 EUR"):
        shop.capture_payment(payment, amount=eur(1001))
    with pytest.raises(InvalidMoney):
        shop.capture_payment(payment, amount=Money(500, "usd"))
    assert len(shop.watch.sent) == before
    assert shop.claims() == {}
    assert shop.capture_payment(payment).captured == 1000


def test_only_an_authorization_can_be_captured(shop: Shop) -> None:
    for payment in (shop.paid(), shop.create_payment().id):
        before = len(shop.watch.sent)
        with pytest.raises(IllegalTransition):
            shop.capture_payment(payment)
        assert len(shop.watch.sent) == before


def test_an_authorization_that_ran_out_cannot_be_captured(shop: Shop) -> None:
    payment = shop.paid(capture="manual", reference="order")
    shop.sim.expire_authorization(shop.reference(payment))
    with pytest.raises(PspRejected) as refusal:
        shop.capture_payment(payment)
    assert refusal.value.code == "authorization_released"
    shop.settle()
    expired = shop.get(payment)
    assert expired.state is PaymentState.EXPIRED
    assert expired.capturable == 0
    assert shop.balances() == {}
    assert shop.create_payment(reference="order")


# -- cancel ----------------------------------------------------------------------------


def test_a_canceled_payment_is_over(shop: Shop) -> None:
    payment = shop.create_payment()
    canceled = shop.cancel_payment(payment.id, reason="duplicate")
    assert canceled.state is PaymentState.CANCELED
    intent = shop.sim.intent(shop.reference(payment.id))
    assert (intent.status, intent.cancellation_reason) == ("canceled", "duplicate")
    with pytest.raises(IllegalTransition):
        shop.confirm_payment(payment.id)


def test_canceling_releases_an_authorization(shop: Shop) -> None:
    payment = shop.authorized()
    canceled = shop.cancel_payment(payment)
    assert canceled.state is PaymentState.CANCELED
    assert canceled.capturable == 0
    shop.settle()
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.balances() == {}
    assert shop.refunds(payment) == ()
    assert shop.at_psp() == {"captured": 0, "refunded": 0}


def test_a_paid_payment_cannot_be_canceled(shop: Shop) -> None:
    payment = shop.paid()
    with pytest.raises(IllegalTransition):
        shop.cancel_payment(payment)
    assert "cancel_payment" not in shop.watch.verbs()


def test_a_charge_that_was_faster_than_the_cancel_is_shown(shop: Shop) -> None:
    payment = shop.create_payment()
    reference = shop.reference(payment.id)
    shop.sim.call("confirm_payment", reference, payment_method="pm_card_visa")
    result = shop.cancel_payment(payment.id)
    assert result.paid
    assert result.captured == 1000
    assert shop.balances()["sales:eur"] == -1000


# -- refund ----------------------------------------------------------------------------


def test_a_full_refund_returns_everything(shop: Shop) -> None:
    payment = shop.paid()
    refund = shop.refund_payment(
        payment, reason="requested_by_customer", metadata={"rma": "7"}
    )
    assert refund.state is RefundState.SUCCEEDED
    assert (refund.amount, refund.currency, refund.origin) == (1000, "eur", "paykit")
    assert (refund.reason, refund.metadata) == ("requested_by_customer", {"rma": "7"})
    view = shop.get(payment)
    assert (view.refunded, view.refundable, view.captured) == (1000, 0, 1000)
    assert shop.balances() == {"refunds:eur": 1000, "sales:eur": -1000}
    assert shop.refunds(payment) == (refund,)
    assert shop.at_psp() == {"captured": 1000, "refunded": 1000}


def test_partial_refunds_go_up_to_the_ceiling(shop: Shop) -> None:
    payment = shop.paid()
    for minor in (300, 300, 400):
        shop.refund_payment(payment, amount=eur(minor))
    before = len(shop.watch.sent)
    for amount in (eur(1), None):
        with pytest.raises(RefundExceedsCaptured):
            shop.refund_payment(payment, amount=amount)
    assert len(shop.watch.sent) == before
    assert shop.get(payment).refunded == 1000
    assert [refund.amount for refund in shop.refunds(payment)] == [300, 300, 400]
    shop.settle()
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    assert shop.breaks() == set()


def test_a_refund_without_an_amount_returns_the_rest(shop: Shop) -> None:
    payment = shop.paid()
    shop.refund_payment(payment, amount=eur(999))
    assert shop.refund_payment(payment).amount == 1


def test_the_ceiling_is_what_was_captured(shop: Shop) -> None:
    payment = shop.authorized()
    with pytest.raises(RefundExceedsCaptured):
        shop.refund_payment(payment, amount=eur(1))
    shop.capture_payment(payment, amount=eur(700))
    with pytest.raises(RefundExceedsCaptured):
        shop.refund_payment(payment, amount=eur(701))
    assert shop.refund_payment(payment, amount=eur(700)).amount == 700


def test_a_payment_that_was_never_paid_has_nothing_to_refund(shop: Shop) -> None:
    payment = shop.create_payment()
    with pytest.raises(IllegalTransition):
        shop.refund_payment(payment.id, amount=eur(1))


def test_a_pending_refund_counts_and_succeeds_later(shop: Shop) -> None:
    payment = shop.paid(payment_method="pm_card_pendingRefund")
    refund = shop.refund_payment(payment, amount=eur(600))
    assert refund.state is RefundState.PENDING
    view = shop.get(payment)
    assert (view.refunded, view.refundable) == (0, 400)
    assert "refunds:eur" not in shop.balances()
    with pytest.raises(RefundExceedsCaptured):
        shop.refund_payment(payment, amount=eur(401))
    shop.sim.settle_refunds()
    shop.settle()
    (settled,) = shop.refunds(payment)
    assert settled.state is RefundState.SUCCEEDED
    assert shop.get(payment).refunded == 600
    assert shop.balances()["refunds:eur"] == 600


def test_a_refund_that_fails_later_can_be_made_again(shop: Shop) -> None:
    payment = shop.paid(payment_method="pm_card_refundFail")
    shop.refund_payment(payment)
    assert shop.get(payment).refundable == 0
    shop.settle()
    shop.sim.settle_refunds()
    shop.settle()
    (failed,) = shop.refunds(payment)
    assert failed.state is RefundState.FAILED
    assert failed.failure_reason == "expired_or_canceled_card"
    view = shop.get(payment)
    assert (view.refunded, view.refundable) == (0, 1000)
    assert "refunds:eur" not in shop.balances()
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    types = [kind for kind in shop.event_types(payment) if kind.startswith("refund")]
    assert types == ["refund.created", "refund.succeeded", "refund.failed"]
    assert shop.refund_payment(payment).state is RefundState.SUCCEEDED


def test_a_refund_that_the_psp_refuses_gives_its_reservation_back(shop: Shop) -> None:
    payment = shop.paid()
    reference = shop.reference(payment)
    shop.sim.call("create_refund", payment_intent=reference, amount=600)
    with pytest.raises(PspRejected):
        shop.refund_payment(payment, amount=eur(500), idempotency_key="r")
    (refused,) = shop.refunds(payment)
    assert refused.state is RefundState.FAILED
    assert shop.column(payment, "refund_reserved") == 0
    with pytest.raises(PspRejected):
        shop.refund_payment(payment, amount=eur(500), idempotency_key="r")
    shop.settle()
    view = shop.get(payment)
    assert (view.refunded, view.refundable) == (600, 400)


def test_a_refund_of_what_was_refunded_elsewhere_is_refused(shop: Shop) -> None:
    payment = shop.paid()
    reference = shop.reference(payment)
    shop.sim.call("create_refund", payment_intent=reference)
    with pytest.raises(PspRejected) as refusal:
        shop.refund_payment(payment, amount=eur(500))
    assert refusal.value.code == "charge_already_refunded"
    assert shop.column(payment, "refund_reserved") == 0
    shop.settle()
    assert shop.get(payment).refunded == 1000
    assert shop.at_psp() == {"captured": 1000, "refunded": 1000}


def test_a_payment_that_the_bank_works_on_cannot_be_canceled_now(shop: Shop) -> None:
    payment = shop.create_payment(amount=Money(1000, "usd"))
    shop.confirm_payment(payment.id, payment_method="pm_usBankAccount_success")
    with pytest.raises(PspRejected, match="processing"):
        shop.cancel_payment(payment.id)
    assert shop.claims() == {}
    shop.sim.settle_charges()
    shop.settle()
    assert shop.get(payment.id).paid
