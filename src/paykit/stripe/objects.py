"""
What Stripe's objects say, in paykit's words. Pure: JSON in, snapshots out.

The same object reads the same in a response, an event and a list (DESIGN law 8). A word
that is not in a table is kept raw and crashes nothing: Stripe adds some every month.
What is missing or of a wrong type raises `Unreadable`, for amounts cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from paykit.carddata import redact
from paykit.psp.snapshots import (
    BalanceTransaction,
    ChargeSnapshot,
    Decline,
    DisputeSnapshot,
    DisputeStatus,
    FraudWarningSnapshot,
    NextAction,
    PaymentSnapshot,
    PaymentStatus,
    RefundSnapshot,
    RefundStatus,
    ReviewSnapshot,
    UnbookedSnapshot,
)
from paykit.stripe import fields
from paykit.stripe.fields import JsonObject, Unreadable

__all__ = [
    "balance_transaction",
    "charge",
    "decline",
    "dispute",
    "expect",
    "fraud_warning",
    "payment",
    "refund",
    "review",
    "unbooked",
]

_PAYMENT_STATUS: Final[Mapping[str, PaymentStatus]] = {
    "requires_payment_method": PaymentStatus.REQUIRES_PAYMENT_METHOD,
    "requires_confirmation": PaymentStatus.REQUIRES_CONFIRMATION,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.AUTHORIZED,
    "succeeded": PaymentStatus.SUCCEEDED,
    "canceled": PaymentStatus.CANCELED,
}

_RAN_OUT: Final = frozenset({"automatic", "expired"})
"""The cancellation reasons that Stripe gives when nobody captured in time."""

_REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.REQUIRES_ACTION,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELED,
}

_DISPUTE_STATUS: Final = {
    status.value: status
    for status in DisputeStatus
    if status is not DisputeStatus.UNRECOGNIZED
}
"""Stripe's words for the status of a dispute are ours."""

_NEXT_ACTION: Final[Mapping[str, str]] = {
    "redirect_to_url": "redirect",
    "use_stripe_sdk": "use_sdk",
}

_ACTION_URLS: Final = (
    "url",
    "hosted_instructions_url",
    "hosted_verification_url",
    "hosted_voucher_url",
)
"""Where the kinds of next action keep the page that the payer is to be shown."""


def payment(thing: JsonObject) -> PaymentSnapshot:
    """Read a PaymentIntent; raises `Unreadable`."""
    expect(thing, "payment_intent")
    raw_status = fields.text(thing, "status")
    latest = thing.get("latest_charge")
    error = fields.child(thing, "last_payment_error")
    return PaymentSnapshot(
        reference=fields.text(thing, "id"),
        status=_payment_status(raw_status, thing),
        raw_status=raw_status,
        amount=fields.integer(thing, "amount"),
        currency=fields.text(thing, "currency"),
        capturable=fields.integer(thing, "amount_capturable"),
        captured=fields.integer(thing, "amount_received"),
        client_secret=fields.optional_text(thing, "client_secret"),
        next_action=_next_action(fields.child(thing, "next_action")),
        decline=None if error is None else decline(error),
        charge=charge(latest) if isinstance(latest, dict) else None,
        charge_reference=fields.reference(thing, "latest_charge"),
        metadata=fields.strings(thing, "metadata"),
        created=fields.moment(thing, "created"),
    )


def charge(thing: JsonObject) -> ChargeSnapshot:
    """Read a Charge; raises `Unreadable`."""
    expect(thing, "charge")
    amount = fields.integer(thing, "amount")
    captured = fields.integer(thing, "amount_captured")
    return ChargeSnapshot(
        reference=fields.text(thing, "id"),
        payment=fields.reference(thing, "payment_intent"),
        status=fields.text(thing, "status"),
        amount=amount,
        captured=captured,
        refunded=_given_back(thing, amount - captured),
        currency=fields.text(thing, "currency"),
        capture_before=_capture_before(thing),
        decline=_failure(thing),
        disputed=fields.flag(thing, "disputed"),
        returned=_returned(thing),
        multicapture=_offers(thing, "multicapture"),
        incremental_authorization=_offers(thing, "incremental_authorization"),
    )


def _given_back(thing: JsonObject, uncaptured: int) -> int:
    """
    Return what payers got back.

    Stripe counts what was authorized and released as refunded, too (a body in
    woocommerce-gateway-stripe issue 1073), but not with multicapture.
    """
    released = 0 if _offers(thing, "multicapture") else uncaptured
    return max(0, fields.integer(thing, "amount_refunded") - released)


def refund(thing: JsonObject) -> RefundSnapshot:
    """Read a Refund; raises `Unreadable`. Its status may be null: no word at all."""
    expect(thing, "refund")
    raw_status = fields.optional_text(thing, "status") or ""
    return RefundSnapshot(
        reference=fields.text(thing, "id"),
        payment=fields.reference(thing, "payment_intent"),
        charge=fields.reference(thing, "charge"),
        status=_REFUND_STATUS.get(raw_status, RefundStatus.UNRECOGNIZED),
        raw_status=raw_status,
        amount=fields.integer(thing, "amount"),
        currency=fields.text(thing, "currency"),
        reason=fields.optional_text(thing, "reason"),
        failure_reason=fields.optional_text(thing, "failure_reason"),
        metadata=fields.strings(thing, "metadata"),
        created=fields.moment(thing, "created"),
    )


def dispute(thing: JsonObject) -> DisputeSnapshot:
    """Read a Dispute; raises `Unreadable`."""
    expect(thing, "dispute")
    raw_status = fields.text(thing, "status")
    evidence = fields.child(thing, "evidence_details") or {}
    moved = fields.children(thing, "balance_transactions")
    return DisputeSnapshot(
        reference=fields.text(thing, "id"),
        charge=fields.reference(thing, "charge"),
        payment=fields.reference(thing, "payment_intent"),
        status=_DISPUTE_STATUS.get(raw_status, DisputeStatus.UNRECOGNIZED),
        raw_status=raw_status,
        amount=fields.integer(thing, "amount"),
        currency=fields.text(thing, "currency"),
        reason=fields.optional_text(thing, "reason"),
        evidence_due_by=_due_by(evidence),
        submissions=fields.optional_integer(evidence, "submission_count") or 0,
        charge_refundable=fields.flag(thing, "is_charge_refundable"),
        movements=tuple(map(balance_transaction, moved)),
        created=fields.moment(thing, "created"),
        metadata=fields.strings(thing, "metadata"),
    )


def review(thing: JsonObject) -> ReviewSnapshot:
    """Read a Review; raises `Unreadable`."""
    expect(thing, "review")
    return ReviewSnapshot(
        reference=fields.text(thing, "id"),
        payment=fields.reference(thing, "payment_intent"),
        charge=fields.reference(thing, "charge"),
        open=fields.flag(thing, "open"),
        reason=fields.text(thing, "reason"),
    )


def fraud_warning(thing: JsonObject) -> FraudWarningSnapshot:
    """Read an early fraud warning of Radar; raises `Unreadable`."""
    expect(thing, "radar.early_fraud_warning")
    return FraudWarningSnapshot(
        reference=fields.text(thing, "id"),
        payment=fields.reference(thing, "payment_intent"),
        charge=fields.reference(thing, "charge"),
        fraud_type=fields.text(thing, "fraud_type"),
    )


def unbooked(thing: JsonObject) -> UnbookedSnapshot:
    """Read a SetupIntent; raises `Unreadable`."""
    return UnbookedSnapshot(
        kind=fields.text(thing, "object"),
        reference=fields.text(thing, "id"),
        raw_status=fields.text(thing, "status"),
    )


def balance_transaction(thing: JsonObject) -> BalanceTransaction:
    """Read a BalanceTransaction; raises `Unreadable`."""
    expect(thing, "balance_transaction")
    return BalanceTransaction(
        reference=fields.text(thing, "id"),
        source=fields.reference(thing, "source"),
        # Not ``type``: its word "adjustment" covers a dispute and its reversal.
        category=fields.text(thing, "reporting_category"),
        amount=fields.integer(thing, "amount"),
        fee=fields.integer(thing, "fee"),
        currency=fields.text(thing, "currency"),
        created=fields.moment(thing, "created"),
    )


def decline(error: JsonObject) -> Decline:
    """Read an error object of Stripe that tells why an attempt failed."""
    message = fields.optional_text(error, "message")
    return Decline(
        code=fields.optional_text(error, "code") or "unknown",
        decline_code=fields.optional_text(error, "decline_code"),
        advice_code=fields.optional_text(error, "advice_code"),
        message=None if message is None else redact(message),
        charge=fields.reference(error, "charge"),
    )


def expect(thing: JsonObject, kind: str) -> None:
    """Raise `Unreadable` if `thing` is another kind of object."""
    if thing.get("object") != kind:
        raise Unreadable(f"the object is no {kind}")


def _payment_status(raw_status: str, thing: JsonObject) -> PaymentStatus:
    status = _PAYMENT_STATUS.get(raw_status, PaymentStatus.UNRECOGNIZED)
    ran_out = fields.optional_text(thing, "cancellation_reason") in _RAN_OUT
    if status is PaymentStatus.CANCELED and ran_out:
        return PaymentStatus.EXPIRED
    return status


def _next_action(thing: JsonObject | None) -> NextAction | None:
    if thing is None:
        return None
    kind = fields.text(thing, "type")
    details = thing.get(kind)
    known = details if isinstance(details, dict) else {}
    urls = (fields.optional_text(known, name) for name in _ACTION_URLS)
    return NextAction(
        kind=_NEXT_ACTION.get(kind, kind), url=next(filter(None, urls), None)
    )


def _capture_before(thing: JsonObject) -> datetime | None:
    """Return when the authorization runs out; each payment method keeps its own."""
    return fields.moment(_method_details(thing), "capture_before")


def _offers(thing: JsonObject, feature: str) -> bool:
    """Whether the card offers `feature` for this charge; unknown words are a no."""
    offer = fields.child(_method_details(thing), feature) or {}
    return offer.get("status") == "available"


def _method_details(thing: JsonObject) -> JsonObject:
    """Return what a charge says about its payment method; empty if nothing."""
    details = fields.child(thing, "payment_method_details") or {}
    kind = fields.optional_text(details, "type")
    return (None if kind is None else fields.child(details, kind)) or {}


def _returned(thing: JsonObject) -> bool:
    """Whether the charge took money first: only that has something to give back."""
    failed = fields.text(thing, "status") == "failed"
    return failed and fields.reference(thing, "failure_balance_transaction") is not None


def _due_by(evidence: JsonObject) -> datetime | None:
    """Return until when evidence is taken; 0 says that no response is possible."""
    return fields.moment(evidence, "due_by") if evidence.get("due_by") else None


def _failure(thing: JsonObject) -> Decline | None:
    """Return why a charge failed: a charge says it in other fields than an error."""
    if fields.text(thing, "status") != "failed":
        return None
    outcome = fields.child(thing, "outcome") or {}
    message = fields.optional_text(thing, "failure_message")
    return Decline(
        code=fields.optional_text(thing, "failure_code") or "unknown",
        decline_code=fields.optional_text(outcome, "reason"),
        advice_code=fields.optional_text(outcome, "advice_code"),
        message=None if message is None else redact(message),
        charge=fields.text(thing, "id"),
    )
