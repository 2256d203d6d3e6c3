"""
Applying an event of the PSP: what its payload proves, and what must be read first.

Statuses that can come and go in circles are read again, as is everything that is only
named, or shown in an API version that our parser was not written for. A refund that we
have not heard of is checked against its payment, because the PSP also makes refund
objects for the part of an authorization that was released, and no customer got that
money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from paykit.lifecycle import UNSETTLED, PaymentState, RefundState
from paykit.operations.follow_invoice import follow_invoice
from paykit.operations.links import find_payment, named, payment_reference, refund_of
from paykit.operations.note_suspicion import note_fraud_warning, note_review
from paykit.operations.observe import observe_charge, observe_payment
from paykit.operations.observe_dispute import observe_dispute, says_nothing_new
from paykit.operations.observe_payout import follow_payout
from paykit.operations.observe_refund import observe_refund
from paykit.operations.observe_subscription import follow_subscription
from paykit.operations.proofs import find_by_key, note_proof
from paykit.operations.verdicts import (
    FOREIGN,
    Follow,
    Heard,
    Needs,
    ReadOne,
    Reads,
    Verdict,
)
from paykit.psp import (
    ChargeSnapshot,
    DisputeSnapshot,
    FraudWarningSnapshot,
    InvoiceSnapshot,
    Named,
    PaymentSnapshot,
    PaymentStatus,
    PayoutSnapshot,
    PspEvent,
    ReadCharge,
    ReadDispute,
    ReadPayment,
    ReadRefund,
    RefundSnapshot,
    RefundStatus,
    ReviewSnapshot,
    Subject,
    SubscriptionSnapshot,
    UnbookedSnapshot,
)
from paykit.store import disputes, payments, refunds
from paykit.store.payments import PaymentRow
from paykit.store.refunds import RefundRow
from paykit.store.tx import Tx

__all__ = ["apply_event"]

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


def apply_event(
    tx: Tx,
    binding: str,
    event: PspEvent,
    reads: Reads,
    *,
    owner: str,
    serves: Callable[[str], bool],
    cause: str,
) -> Verdict | Needs:
    """
    Take in what `event` proves or what was read because of it, or say what to read.

    `owner` is the merchant for whom that is booked which is about the PSP's account as
    a whole; `serves` tells whether a merchant uses that account. Raises `LookupError`
    if the PSP does not know the object of its own event.
    """
    subject = event.subject if event.current else named(event.subject)
    follow = _follow(subject)
    if follow is not None:
        heard = Heard(binding, event, reads, owner, cause, serves)
        return follow(tx, heard, subject)
    if isinstance(subject, Named):
        learned = _learn(tx, binding, event, subject, reads)
        if isinstance(learned, Verdict | Needs):
            return learned
        subject = learned
    unused = _unused(event, subject)
    if unused is not None:
        return Verdict("ignored", unused)
    payment = find_payment(tx, binding, subject) or find_by_key(tx, binding, event)
    if payment is None:
        return _foreign(subject)
    note_proof(tx, binding, event, cause=cause)
    request = _needed(tx, payment, subject, event.type)
    read = None if request is None else reads.get(request)
    if request is not None and (read is None or read.version != payment.version):
        return Needs(request, payment.version)
    if read is not None and read.subject is None:
        raise LookupError("the PSP does not know the object of its own event")
    seen = None if read is None else read.subject
    why = _take_in(tx, payment, subject, seen, cause=cause)
    if seen is not None or isinstance(subject, DisputeSnapshot):
        # A look that shows nothing new counts as well: what another worker has read
        # before it, and is about to write, may be older.
        payments.touch(tx, payment)
    return Verdict("applied" if why is None else "deferred", why, payment.id)


def _follow(subject: Subject) -> Follow | None:
    """Return what takes in an object that has a row of its own, beside payments."""
    if isinstance(subject, Named):
        return _NAMED.get(subject.kind)
    return _FOLLOWED.get(type(subject))


_FOLLOWED: Final[Mapping[type[object], Follow]] = {
    PayoutSnapshot: follow_payout,
    SubscriptionSnapshot: follow_subscription,
    InvoiceSnapshot: follow_invoice,
}
_NAMED: Final[Mapping[str, Follow]] = {
    "payout": follow_payout,
    "subscription": follow_subscription,
    "invoice": follow_invoice,
}
"""The same, for what is only named."""


def _learn(
    tx: Tx, binding: str, event: PspEvent, subject: Named, reads: Reads
) -> Subject | Verdict | Needs:
    """Return the object that is only named, or what must be read in order to know."""
    request = _read_of(subject)
    if request is None:
        reason = f"{event.type} only names its {subject.kind}, and has no effect here"
        return Verdict("ignored", reason)
    payment = find_payment(tx, binding, subject)
    if payment is None and payment_reference(subject) is not None:
        return _foreign(subject)
    read = reads.get(request)
    if read is None:
        return Needs(request, None if payment is None else payment.version)
    if read.subject is None:
        raise LookupError("the PSP does not know the object of its own event")
    return read.subject


def _foreign(subject: Subject) -> Verdict:
    return Verdict("deferred", FOREIGN, reference=payment_reference(subject))


def _read_of(subject: Named) -> ReadOne | None:
    match subject.kind:
        case "payment":
            return ReadPayment(payment=subject.reference)
        case "charge":
            return ReadCharge(charge=subject.reference)
        case "refund":
            return ReadRefund(refund=subject.reference)
        case "dispute":
            return ReadDispute(dispute=subject.reference)
        case _:
            return None


def _unused(event: PspEvent, subject: Subject) -> str | None:
    """Return why paykit has no use for `event`, if it has none."""
    if subject is None:
        return f"{event.type} has no effect here"
    if isinstance(subject, UnbookedSnapshot):
        what = f"{subject.kind} {subject.reference} is {subject.raw_status}"
        return f"{event.type}: {what}; paykit keeps none of these"
    return None


def _needed(
    tx: Tx, payment: PaymentRow, subject: Subject, event_type: str
) -> ReadOne | None:
    """Return what must be read because `subject` does not prove it."""
    match subject:
        case PaymentSnapshot():
            cyclic = subject.status in _CYCLIC and payment.state in _OPEN
            return ReadPayment(payment=subject.reference) if cyclic else None
        case ChargeSnapshot():
            failed = subject.status != "succeeded" and not subject.returned
            attempt = failed and payment.state in _OPEN
            needed = attempt or event_type.endswith("charge.expired")
            reference = payment.psp_reference or subject.payment
            return ReadPayment(payment=reference) if needed and reference else None
        case RefundSnapshot():
            return _refund_read(tx, payment, subject)
        case DisputeSnapshot():
            known = disputes.find(
                tx, binding=payment.binding, psp_reference=subject.reference
            )
            settled = known is None or says_nothing_new(known, subject)
            return None if settled else ReadDispute(dispute=subject.reference)
        case ReviewSnapshot() | FraudWarningSnapshot():
            return None
        case PayoutSnapshot() | SubscriptionSnapshot() | InvoiceSnapshot():
            return None
        case UnbookedSnapshot() | Named() | None:
            return None
        case _:
            assert_never(subject)


def _refund_read(tx: Tx, payment: PaymentRow, seen: RefundSnapshot) -> ReadOne | None:
    known = _known(tx, payment, seen)
    if known is None:
        reference = payment.psp_reference or seen.payment
        return ReadPayment(payment=reference) if reference else None
    cyclic = seen.status in _CYCLIC_REFUND and known.state in _WAITING
    return ReadRefund(refund=seen.reference) if cyclic else None


def _known(tx: Tx, payment: PaymentRow, seen: RefundSnapshot) -> RefundRow | None:
    return refunds.find(
        tx,
        binding=payment.binding,
        psp_reference=seen.reference,
        refund_id=refund_of(seen.metadata),
    )


def _take_in(
    tx: Tx, payment: PaymentRow, subject: Subject, read: Subject, *, cause: str
) -> str | None:
    """Observe `subject`, or what was `read` for it; return why that has no effect."""
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
        case DisputeSnapshot():
            observe_dispute(tx, payment, subject, cause=cause, fresh=fresh)
        case ReviewSnapshot():
            note_review(tx, payment, subject, cause=cause)
        case FraudWarningSnapshot():
            note_fraud_warning(tx, payment, subject, cause=cause)
        case PayoutSnapshot() | SubscriptionSnapshot() | InvoiceSnapshot():
            return
        case UnbookedSnapshot() | Named() | None:
            return
        case _:
            assert_never(subject)
