"""
Which payment of ours an object of the PSP belongs to.

By the PSP's id of the payment, or by our ids in the metadata: that is how an object is
found again whose id we never heard.
"""

from __future__ import annotations

from collections.abc import Mapping

from paykit.engine import Context
from paykit.psp import (
    ChargeSnapshot,
    DisputeSnapshot,
    InvoiceSnapshot,
    Named,
    PaymentSnapshot,
    PayoutSnapshot,
    RefundSnapshot,
    Subject,
    SubscriptionSnapshot,
    UnbookedSnapshot,
)
from paykit.store import payments
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = [
    "MERCHANT",
    "PREFIX",
    "find_payment",
    "named",
    "operation_metadata",
    "payment_keys",
    "payment_of",
    "payment_reference",
    "refund_of",
    "tag",
    "update_mark",
    "updated_by",
]

PREFIX = "paykit_"
"""Metadata keys with this prefix are ours; a host may not use them."""

_OPERATION = f"{PREFIX}operation_id"
_PAYMENT = f"{PREFIX}payment_id"
_REFUND = f"{PREFIX}refund_id"
MERCHANT = f"{PREFIX}merchant"
"""The key under which an object at the PSP says whose it is."""
_UPDATE = f"{PREFIX}update_id"


def tag(
    ctx: Context,
    metadata: Mapping[str, str],
    *,
    payment_id: str,
    refund_id: str | None = None,
) -> dict[str, str]:
    """Return the host's metadata with our ids added; derives from the command alone."""
    ours = {
        _OPERATION: ctx.operation_id,
        _PAYMENT: payment_id,
        MERCHANT: ctx.merchant,
    }
    if refund_id is not None:
        ours[_REFUND] = refund_id
    return {**metadata, **ours}


def operation_metadata(operation_id: str) -> dict[str, str]:
    """Return what an object made by this operation carries."""
    return {_OPERATION: operation_id}


def update_mark(operation_id: str) -> dict[str, str]:
    """Return what an object carries that this operation was the last to change."""
    return {_UPDATE: operation_id}


def updated_by(metadata: Mapping[str, str]) -> str | None:
    """Return the operation that was the last to change the object, if one was."""
    return metadata.get(_UPDATE)


def payment_of(metadata: Mapping[str, str]) -> str | None:
    """Return our payment's id, if the object is ours."""
    return metadata.get(_PAYMENT)


def refund_of(metadata: Mapping[str, str]) -> str | None:
    """Return our refund's id, if the object is ours."""
    return metadata.get(_REFUND)


def payment_reference(subject: Subject) -> str | None:
    """Return the PSP's id of the payment that `subject` is, or belongs to."""
    match subject:
        case PaymentSnapshot() | Named(kind="payment"):
            return subject.reference
        case PayoutSnapshot() | SubscriptionSnapshot() | InvoiceSnapshot():
            return None
        case None | UnbookedSnapshot():
            return None
        case _:
            return subject.payment


def find_payment(tx: Tx, binding: str, subject: Subject) -> PaymentRow | None:
    """Find and lock our payment that an event is about; None if there is none."""
    reference, ours = payment_keys(subject)
    return payments.find(tx, binding=binding, psp_reference=reference, payment_id=ours)


def payment_keys(subject: Subject) -> tuple[str | None, str | None]:
    """Return the PSP's id and ours of the payment that `subject` is, or belongs to."""
    ours = None
    if isinstance(subject, PaymentSnapshot | RefundSnapshot | Named):
        ours = payment_of(subject.metadata)
    return payment_reference(subject), ours


def named(subject: Subject) -> Subject:
    """Return only which object it is, of a snapshot whose amounts nobody can trust."""
    match subject:
        case PaymentSnapshot():
            return _named("payment", subject.reference, subject, subject.metadata)
        case RefundSnapshot():
            return _named("refund", subject.payment, subject, subject.metadata)
        case ChargeSnapshot():
            return _named("charge", subject.payment, subject, {})
        case DisputeSnapshot():
            return _named("dispute", subject.payment, subject, {})
        case PayoutSnapshot():
            return Named(kind="payout", reference=subject.reference)
        case SubscriptionSnapshot():
            return Named(kind="subscription", reference=subject.reference)
        case InvoiceSnapshot():
            return Named(kind="invoice", reference=subject.reference)
        case _:
            return subject


def _named(
    kind: str,
    payment: str | None,
    subject: PaymentSnapshot | RefundSnapshot | ChargeSnapshot | DisputeSnapshot,
    metadata: dict[str, str],
) -> Named:
    return Named(
        kind=kind, reference=subject.reference, payment=payment, metadata=metadata
    )
