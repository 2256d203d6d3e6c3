"""
The provider's JSON in paykit's words: objects to snapshots.

It is written apart from the Stripe adapter on purpose: the two are witnesses for one
another. Whatever does not have the expected shape raises `ValueError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from paykit.psp import (
    BalanceTransaction,
    ChargeSnapshot,
    Decline,
    DisputeSnapshot,
    DisputeStatus,
    FraudWarningSnapshot,
    NextAction,
    PaymentSnapshot,
    PaymentStatus,
    PayoutSnapshot,
    PayoutStatus,
    RefundSnapshot,
    RefundStatus,
    ReviewSnapshot,
    Subject,
    UnbookedSnapshot,
)
from paykit.testing.simulated.objects import Json

__all__ = [
    "read_balance_transaction",
    "read_charge",
    "read_decline",
    "read_dispute",
    "read_object",
    "read_payment",
    "read_payout",
    "read_refund",
    "read_rows",
    "read_text",
    "read_time",
]

_STATUSES: Final = {
    "requires_payment_method": PaymentStatus.REQUIRES_PAYMENT_METHOD,
    "requires_confirmation": PaymentStatus.REQUIRES_CONFIRMATION,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PROCESSING,
    "requires_capture": PaymentStatus.AUTHORIZED,
    "succeeded": PaymentStatus.SUCCEEDED,
    "canceled": PaymentStatus.CANCELED,
}

_REFUND_STATUSES: Final = frozenset(RefundStatus) - {RefundStatus.UNRECOGNIZED}

_DISPUTE_STATUSES: Final = frozenset(DisputeStatus) - {DisputeStatus.UNRECOGNIZED}

_PAYOUT_STATUSES: Final = frozenset(PayoutStatus) - {PayoutStatus.UNRECOGNIZED}

_EXPIRED: Final = ("automatic", "expired")
"""The provider's own reasons for canceling a hold that ran out."""

_ACTIONS: Final = {"redirect_to_url": "redirect", "use_stripe_sdk": "use_sdk"}


def read_object(body: Json) -> Subject:
    """Return the snapshot of any object; None for a kind that paykit has no use for."""
    match body.get("object"):
        case "payment_intent":
            return read_payment(body)
        case "charge":
            return read_charge(body)
        case "refund":
            return read_refund(body)
        case "dispute":
            return read_dispute(body)
        case "review":
            return _read_review(body)
        case "radar.early_fraud_warning":
            return _read_fraud_warning(body)
        case "payout":
            return read_payout(body)
        case "setup_intent":
            return _read_unbooked(body)
        case _:
            return None


def read_payment(body: Json) -> PaymentSnapshot:
    """Return the snapshot of a ``payment_intent``."""
    raw = read_text(body, "status")
    status = _STATUSES.get(raw, PaymentStatus.UNRECOGNIZED)
    if raw == "canceled" and body.get("cancellation_reason") in _EXPIRED:
        status = PaymentStatus.EXPIRED
    charge = body.get("latest_charge")
    failed = _optional_tree(body, "last_payment_error")
    return PaymentSnapshot(
        reference=read_text(body, "id"),
        status=status,
        raw_status=raw,
        amount=_number(body, "amount"),
        currency=read_text(body, "currency"),
        capturable=_number(body, "amount_capturable"),
        captured=_number(body, "amount_received"),
        client_secret=_optional(body, "client_secret"),
        next_action=_next_action(_optional_tree(body, "next_action")),
        decline=None if failed is None else read_decline(failed),
        charge=read_charge(charge) if isinstance(charge, dict) else None,
        charge_reference=_reference(charge),
        metadata=_metadata(body),
        created=read_time(body.get("created")),
    )


def read_charge(body: Json) -> ChargeSnapshot:
    """
    Return the snapshot of a ``charge``.

    Its ``amount_refunded`` counts a released hold as refunded, unless it was captured
    in parts: what was authorized and never captured is taken out again, for no payer
    got that back.
    """
    amount, captured = _number(body, "amount"), _number(body, "amount_captured")
    in_parts = _offers(body, "multicapture")
    released = 0 if in_parts else amount - captured
    return ChargeSnapshot(
        reference=read_text(body, "id"),
        payment=_reference(body.get("payment_intent")),
        status=read_text(body, "status"),
        amount=amount,
        captured=captured,
        refunded=max(0, _number(body, "amount_refunded") - released),
        currency=read_text(body, "currency"),
        capture_before=_capture_before(body),
        decline=_charge_decline(body),
        disputed=body.get("disputed") is True,
        returned=read_text(body, "status") == "failed"
        and body.get("failure_balance_transaction") is not None,
        multicapture=in_parts,
        incremental_authorization=_offers(body, "incremental_authorization"),
    )


def read_refund(body: Json) -> RefundSnapshot:
    """Return the snapshot of a ``refund``."""
    raw = read_text(body, "status")
    known = raw in _REFUND_STATUSES
    return RefundSnapshot(
        reference=read_text(body, "id"),
        payment=_reference(body.get("payment_intent")),
        charge=_reference(body.get("charge")),
        status=RefundStatus(raw) if known else RefundStatus.UNRECOGNIZED,
        raw_status=raw,
        amount=_number(body, "amount"),
        currency=read_text(body, "currency"),
        reason=_optional(body, "reason"),
        failure_reason=_optional(body, "failure_reason"),
        metadata=_metadata(body),
        created=read_time(body.get("created")),
    )


def read_dispute(body: Json) -> DisputeSnapshot:
    """Return the snapshot of a ``dispute``."""
    raw = read_text(body, "status")
    known = raw in _DISPUTE_STATUSES
    evidence = _optional_tree(body, "evidence_details") or {}
    sent, moved = evidence.get("submission_count"), body.get("balance_transactions")
    return DisputeSnapshot(
        reference=read_text(body, "id"),
        charge=_reference(body.get("charge")),
        payment=_reference(body.get("payment_intent")),
        status=DisputeStatus(raw) if known else DisputeStatus.UNRECOGNIZED,
        raw_status=raw,
        amount=_number(body, "amount"),
        currency=read_text(body, "currency"),
        reason=_optional(body, "reason"),
        evidence_due_by=read_time(evidence.get("due_by") or None),
        submissions=sent if isinstance(sent, int) else 0,
        charge_refundable=body.get("is_charge_refundable") is True,
        movements=tuple(map(read_balance_transaction, read_rows({"data": moved}))),
        created=read_time(body.get("created")),
        metadata=_metadata(body),
    )


def read_payout(body: Json) -> PayoutSnapshot:
    """Return the snapshot of a ``payout``; its movements may be expanded or not."""
    raw = read_text(body, "status")
    known = raw in _PAYOUT_STATUSES
    moved = (body.get("balance_transaction"), body.get("failure_balance_transaction"))
    shown = (one for one in moved if isinstance(one, dict))
    return PayoutSnapshot(
        reference=read_text(body, "id"),
        status=PayoutStatus(raw) if known else PayoutStatus.UNRECOGNIZED,
        raw_status=raw,
        amount=_number(body, "amount"),
        currency=read_text(body, "currency"),
        automatic=body.get("automatic") is True,
        arrival=read_time(body.get("arrival_date")),
        failure_code=_optional(body, "failure_code"),
        movements=tuple(map(read_balance_transaction, shown)),
        named=tuple(one for one in moved if isinstance(one, str)),
    )


def _read_review(body: Json) -> ReviewSnapshot:
    return ReviewSnapshot(
        reference=read_text(body, "id"),
        payment=_reference(body.get("payment_intent")),
        charge=_reference(body.get("charge")),
        open=body.get("open") is True,
        reason=read_text(body, "reason"),
    )


def _read_fraud_warning(body: Json) -> FraudWarningSnapshot:
    return FraudWarningSnapshot(
        reference=read_text(body, "id"),
        payment=_reference(body.get("payment_intent")),
        charge=_reference(body.get("charge")),
        fraud_type=read_text(body, "fraud_type"),
    )


def _read_unbooked(body: Json) -> UnbookedSnapshot:
    return UnbookedSnapshot(
        kind=read_text(body, "object"),
        reference=read_text(body, "id"),
        raw_status=read_text(body, "status"),
    )


def read_balance_transaction(body: Json) -> BalanceTransaction:
    """Return the snapshot of a ``balance_transaction``."""
    return BalanceTransaction(
        reference=read_text(body, "id"),
        source=_reference(body.get("source")),
        category=read_text(body, "reporting_category"),
        amount=_number(body, "amount"),
        fee=_number(body, "fee"),
        currency=read_text(body, "currency"),
        created=read_time(body.get("created")),
    )


def read_decline(error: Mapping[str, object]) -> Decline:
    """Return why a payment was refused, from an error body or an intent's memory."""
    return Decline(
        code=_optional(error, "code") or "card_error",
        decline_code=_optional(error, "decline_code"),
        advice_code=_optional(error, "advice_code"),
        message=_optional(error, "message"),
        charge=_optional(error, "charge"),
    )


def read_rows(body: Json) -> list[Json]:
    """Return the objects of a list."""
    rows = body.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a list of objects")
    return rows


def _charge_decline(body: Json) -> Decline | None:
    """Return why the charge failed, if it did."""
    code = _optional(body, "failure_code")
    if code is None:
        return None
    outcome = _optional_tree(body, "outcome") or {}
    return Decline(
        code=code,
        decline_code=_optional(outcome, "reason"),
        advice_code=_optional(outcome, "advice_code"),
        message=_optional(body, "failure_message"),
        charge=read_text(body, "id"),
    )


def _next_action(body: Json | None) -> NextAction | None:
    """Return what the payer must do."""
    if body is None:
        return None
    kind = read_text(body, "type")
    redirect = _optional_tree(body, "redirect_to_url") or {}
    return NextAction(kind=_ACTIONS.get(kind, kind), url=_optional(redirect, "url"))


def _capture_before(body: Json) -> datetime | None:
    """Return until when a card's authorization holds."""
    return read_time(_card(body).get("capture_before"))


def _offers(body: Json, feature: str) -> bool:
    """Whether the card of a charge offers `feature`."""
    offer = _optional_tree(_card(body), feature) or {}
    return offer.get("status") == "available"


def _card(body: Json) -> Json:
    details = _optional_tree(body, "payment_method_details") or {}
    return _optional_tree(details, "card") or {}


def _reference(value: object) -> str | None:
    """Return the id of a reference, expanded or not."""
    if isinstance(value, dict):
        return read_text(value, "id")
    return value if isinstance(value, str) else None


def _metadata(body: Json) -> dict[str, str]:
    """Return the metadata as texts."""
    items = _optional_tree(body, "metadata") or {}
    return {key: str(value) for key, value in items.items()}


def read_text(body: Mapping[str, object], name: str) -> str:
    """Return the text `name`, which is not empty."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is not a text")
    return value


def _optional(body: Mapping[str, object], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _number(body: Mapping[str, object], name: str) -> int:
    value = body.get(name)
    if type(value) is not int:
        raise ValueError(f"{name} is not an integer")
    return value


def _optional_tree(body: Mapping[str, object], name: str) -> Json | None:
    value = body.get(name)
    return value if isinstance(value, dict) else None


def read_time(value: object) -> datetime | None:
    """Return Unix seconds as a moment; None for anything else."""
    return datetime.fromtimestamp(value, UTC) if type(value) is int else None
