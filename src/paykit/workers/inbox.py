"""
Apply received webhooks (DESIGN section 7).

Order and repetition do not matter: what an event proves is taken from its payload, and
what it cannot prove is read again, under the version of the payment that was seen, so
that a read which something overtook is made again. An event whose payment is not here
yet is looked at later; one that breaks our code is parked and blocks nobody.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, assert_never

from paykit.carddata import redact
from paykit.engine import Environment, Flow, ask, commit
from paykit.errors import LeaseLost
from paykit.lifecycle import UNSETTLED, PaymentState, RefundState
from paykit.operations.links import payment_of
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
    Succeeded,
)
from paykit.store import inbox, payments, refunds, work
from paykit.store.inbox import InboxRow
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["DEFERRALS", "RETRIES", "process_next"]

_log = logging.getLogger("paykit.inbox")

_LEASE: Final = timedelta(seconds=60)
_READS_MAX: Final = 5

DEFERRALS: Final = (
    timedelta(seconds=2),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=12),
)
"""When an event without a payment is looked at again; after that it is foreign."""

RETRIES: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""When an event that failed is tried again; after that it is dead."""

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
_WAITING: Final = frozenset({RefundState.PENDING, RefundState.REQUIRES_ACTION})


@dataclass(frozen=True, slots=True)
class _Needs:
    """The payload does not prove it: read this, while the payment is at `version`."""

    request: ReadRequest
    binding: str
    version: int


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read, and the version of the payment that it belongs to."""

    subject: Subject
    version: int


_Outcome = str | _Needs


def process_next(env: Environment) -> Flow[str | None]:
    """Apply the event that has been due longest; what became of it, None if idle."""
    claimed = yield from commit(_claim)
    if claimed is None:
        return None
    try:
        return (yield from _process(env, claimed))
    except LeaseLost:
        return "lease lost"
    except Exception as error:
        _log.exception("webhook %s could not be applied", claimed.id)
        return (yield from commit(partial(_fail, claimed, error)))


def _claim(tx: Tx) -> Claimed | None:
    return work.claim_next(tx, "inbox", lease_for=_LEASE)


def _process(env: Environment, claimed: Claimed) -> Flow[str]:
    outcome = yield from commit(partial(_apply, env, claimed, None))
    for _ in range(_READS_MAX):
        if isinstance(outcome, str):
            return outcome
        psp = env.psps.for_binding(outcome.binding)
        answer = yield from ask(outcome.binding, psp.prepare(outcome.request, None))
        if not isinstance(answer, Succeeded):
            break
        read = _Read(_subject(answer), outcome.version)
        outcome = yield from commit(partial(_apply, env, claimed, read))
    if isinstance(outcome, str):
        return outcome
    return (yield from commit(partial(_retry, claimed, "the PSP could not be read")))


def _subject(answer: Succeeded) -> Subject:
    seen = answer.snapshot
    return seen if isinstance(seen, PaymentSnapshot | RefundSnapshot) else None


# -- phases ----------------------------------------------------------------------------


def _apply(env: Environment, claimed: Claimed, read: _Read | None, tx: Tx) -> _Outcome:
    """Apply one event, or say what has to be read first."""
    row = inbox.load(tx, claimed.id)
    event = env.psps.for_binding(row.binding).read_event(row.body)
    if event.subject is None:
        return _end(tx, claimed, "ignored", f"{event.type} has no effect here")
    payment = _find(tx, row, event.subject)
    if payment is None:
        return _defer(tx, claimed)
    subject: Subject = event.subject
    needs = _needs(tx, payment, event)
    if needs is not None:
        if read is None or read.version != payment.version:
            return _Needs(needs, row.binding, payment.version)
        subject = read.subject
    _observe(tx, payment, subject, cause=f"webhook {event.id}", fresh=read is not None)
    return _end(tx, claimed, "applied", None, payment.id)


def _find(tx: Tx, row: InboxRow, subject: Subject) -> PaymentRow | None:
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
    return payments.find(
        tx, binding=row.binding, psp_reference=reference, payment_id=ours
    )


def _needs(tx: Tx, payment: PaymentRow, event: PspEvent) -> ReadRequest | None:
    """Return what must be read because the payload does not prove it."""
    subject = event.subject
    match subject:
        case PaymentSnapshot(status=status, reference=reference):
            cyclic = status in _CYCLIC and payment.state in _OPEN
            return ReadPayment(payment=reference) if _stale(event, cyclic) else None
        case ChargeSnapshot(status=status, captured=captured):
            settled = status == "succeeded" and captured == 0
            attempt = status != "succeeded" and payment.state in _OPEN
            released = settled and event.type == "charge.expired"
            reference = payment.psp_reference or subject.payment or ""
            needed = _stale(event, attempt or released)
            return ReadPayment(payment=reference) if needed else None
        case RefundSnapshot(status=status, reference=reference):
            cyclic = status in {RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION}
            cyclic = cyclic and _is_waiting(tx, payment, subject)
            return ReadRefund(refund=reference) if _stale(event, cyclic) else None
        case None:
            return None
        case _:
            assert_never(subject)


def _stale(event: PspEvent, cyclic: bool) -> bool:
    return cyclic or not event.current


def _is_waiting(tx: Tx, payment: PaymentRow, seen: RefundSnapshot) -> bool:
    known = refunds.find(
        tx,
        binding=payment.binding,
        psp_reference=seen.reference,
        refund_id=None,
    )
    return known is not None and known.state in _WAITING


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
            raise LookupError("the PSP does not know the object of its own event")
        case _:
            assert_never(subject)


def _end(
    tx: Tx,
    claimed: Claimed,
    status: str,
    reason: str | None,
    payment_id: str | None = None,
) -> str:
    inbox.finish(tx, claimed.id, status, reason=reason, payment_id=payment_id)
    work.finish(tx, "inbox", claimed.id, claimed.lease)
    return status


def _defer(tx: Tx, claimed: Claimed) -> str:
    if claimed.attempts > len(DEFERRALS):
        return _end(tx, claimed, "ignored", "foreign: no payment of ours")
    delay = DEFERRALS[claimed.attempts - 1]
    work.postpone(tx, "inbox", claimed.id, claimed.lease, delay=delay)
    return "deferred"


def _retry(claimed: Claimed, reason: str, tx: Tx) -> str:
    if claimed.attempts > len(RETRIES):
        return _end(tx, claimed, "dead", reason)
    delay = RETRIES[claimed.attempts - 1]
    work.postpone(tx, "inbox", claimed.id, claimed.lease, delay=delay)
    return "retried"


def _fail(claimed: Claimed, error: Exception, tx: Tx) -> str:
    text = redact(f"{type(error).__name__}: {error}")[:500]
    return _retry(claimed, text, tx)
