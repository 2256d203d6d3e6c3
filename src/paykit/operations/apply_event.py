"""
Applying an event of the PSP: what its payload proves, and what must be read first.

Statuses that can come and go in circles are read again, as is everything in an API
version that our parser was not written for. A refund that we have not heard of is
checked against its payment, because the PSP also makes refund objects for the part of
an authorization that was released, and no customer got that money.
"""

from __future__ import annotations

from typing import Final, assert_never

from paykit.lifecycle import UNSETTLED, PaymentState, RefundState
from paykit.operations.links import payment_of, refund_of
from paykit.operations.observe import observe_charge, observe_payment
from paykit.operations.observe_refund import observe_refund
from paykit.psp import (
    ChargeSnapshot,
    PaymentSnapshot,
    PaymentStatus,
    PspEvent,
    ReadPayment,
    ReadRefund,
    ReadRequest,
    RefundSnapshot,
    RefundStatus,
    Subject,
)
from paykit.store import payments, refunds
from paykit.store.payments import PaymentRow
from paykit.store.refunds import RefundRow
from paykit.store.tx import Tx

__all__ = ["apply_event", "find_payment", "needed_read"]

_CYCLIC: Final = frozenset(
    {
        PaymentStatus.REQUIRES_PAYMENT_METHOD,
        PaymentStatus.REQUIRES_CONFIRMATION,
        PaymentStatus.REQUIRES_ACTION,
        PaymentStatus.PROCESSING,
        PaymentStatus.UNRECOGNIZED,
    }
)
_OPEN: Final = frozenset({PaymentState.CREATING, *UNSETTLED})
_CYCLIC_REFUND: Final = frozenset(
    {RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.UNRECOGNIZED}
)
_WAITING: Final = frozenset({RefundState.PENDING, RefundState.REQUIRES_ACTION})
_OVER: Final = frozenset({RefundState.FAILED, RefundState.CANCELED})


def find_payment(tx: Tx, binding: str, subject: Subject) -> PaymentRow | None:
    """Find and lock our payment that an event is about; None if there is none."""
    reference: str | None
    match subject:
        case PaymentSnapshot():
            reference, ours = subject.reference, payment_of(subject.metadata)
        case ChargeSnapshot():
            reference, ours = subject.payment, None
        case RefundSnapshot():
            reference, ours = subject.payment, payment_of(subject.metadata)
        case None:
            return None
        case _:
            assert_never(subject)
    return payments.find(tx, binding=binding, psp_reference=reference, payment_id=ours)


def needed_read(tx: Tx, payment: PaymentRow, event: PspEvent) -> ReadRequest | None:
    """Return what must be read because the payload of `event` does not prove it."""
    subject = event.subject
    match subject:
        case PaymentSnapshot():
            cyclic = subject.status in _CYCLIC and payment.state in _OPEN
            needed = cyclic or not event.current
            return ReadPayment(payment=subject.reference) if needed else None
        case ChargeSnapshot():
            attempt = subject.status != "succeeded" and payment.state in _OPEN
            expired = event.type == "charge.expired"
            needed = attempt or expired or not event.current
            reference = payment.psp_reference or subject.payment
            return ReadPayment(payment=reference) if needed and reference else None
        case RefundSnapshot():
            return _refund_read(tx, payment, subject, event)
        case None:
            return None
        case _:
            assert_never(subject)


def _refund_read(
    tx: Tx, payment: PaymentRow, seen: RefundSnapshot, event: PspEvent
) -> ReadRequest | None:
    known = _known(tx, payment, seen)
    if known is None:
        reference = payment.psp_reference or seen.payment
        return ReadPayment(payment=reference) if reference else None
    cyclic = seen.status in _CYCLIC_REFUND and known.state in _WAITING
    needed = cyclic or not event.current
    return ReadRefund(refund=seen.reference) if needed else None


def _known(tx: Tx, payment: PaymentRow, seen: RefundSnapshot) -> RefundRow | None:
    return refunds.find(
        tx,
        binding=payment.binding,
        psp_reference=seen.reference,
        refund_id=refund_of(seen.metadata),
    )


def apply_event(
    tx: Tx, payment: PaymentRow, event: PspEvent, read: Subject, *, cause: str
) -> str | None:
    """
    Take in what `event` proves, or what was `read` because of it.

    Returns why the event has no effect, if it has none for now.
    """
    subject = event.subject
    if isinstance(subject, RefundSnapshot) and isinstance(read, PaymentSnapshot):
        payment = observe_payment(tx, payment, read, cause=cause, fresh=True)
        if not _is_customer_refund(tx, payment, subject, read):
            return "the release of what was not captured"
        observe_refund(tx, payment, subject, cause=cause, fresh=False)
        return None
    fresh = read is not None
    _observe(tx, payment, read if fresh else subject, cause=cause, fresh=fresh)
    return None


def _is_customer_refund(
    tx: Tx, payment: PaymentRow, seen: RefundSnapshot, read: PaymentSnapshot
) -> bool:
    """
    Whether what the charge has refunded leaves room for one more refund.

    A no is not for good: a refund that we count may have failed over there, or was
    never made. Where everything was captured nothing was released.
    """
    if refund_of(seen.metadata) is not None or read.charge is None:
        return True
    if read.charge.captured == read.charge.amount:
        return True
    known = sum(
        refund.amount
        for refund in refunds.of_payment(tx, payment.id)
        if refund.state not in _OVER
    )
    ended = seen.status in {RefundStatus.FAILED, RefundStatus.CANCELED}
    return ended or known + seen.amount <= read.charge.refunded


def _observe(
    tx: Tx, payment: PaymentRow, subject: Subject, *, cause: str, fresh: bool
) -> None:
    match subject:
        case PaymentSnapshot():
            observe_payment(tx, payment, subject, cause=cause, fresh=fresh)
        case ChargeSnapshot():
            observe_charge(tx, payment, subject, cause=cause)
        case RefundSnapshot():
            observe_refund(tx, payment, subject, cause=cause, fresh=fresh)
        case None:
            return
        case _:
            assert_never(subject)
