"""
Confirm a payment: attempt the charge now.

A decline is a result: the payment waits for another payment method. Nobody is charged
long after they left: when ten minutes have passed without an answer, the attempt is
fenced by canceling the payment, and whichever of the two the PSP did first stands.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from paykit import psp
from paykit.engine import Context, Evidence, Leg, Operation, RecoveryPoint, Step
from paykit.engine.operation import Goto
from paykit.lifecycle import PaymentEvent
from paykit.operations.cancel_payment import judge_cancel
from paykit.operations.commands import Command, PaymentId, Text
from paykit.operations.payment_command import (
    claim_payment,
    known_reference,
    record_answer,
)
from paykit.operations.views import PaymentView
from paykit.psp import PaymentStatus
from paykit.store.tx import Tx

__all__ = ["CONFIRM_PAYMENT", "ConfirmPayment"]

_EXECUTE_WITHIN: Final = timedelta(minutes=10)
_UNTRIED: Final = frozenset(
    {PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION}
)


class ConfirmPayment(Command, frozen=True):
    """Attempt the charge with `payment_method`, or with the one given at creation."""

    payment_id: PaymentId
    payment_method: Text | None = None
    return_url: Text | None = None


class _Claimed(Command, frozen=True):
    """The payment is ours to confirm; the PSP has not answered."""

    payment_id: str
    reference: str
    payment_method: str | None
    return_url: str | None
    version: int
    charge_before: str | None
    """The latest charge before ours: evidence must show a newer one."""


_CLAIMED = RecoveryPoint("confirmation_claimed", _Claimed)
_FENCING = RecoveryPoint("confirmation_fencing", _Claimed)


def _start(tx: Tx, ctx: Context, command: ConfirmPayment) -> Step[PaymentView]:
    row = claim_payment(tx, ctx, command.payment_id, PaymentEvent.START_CONFIRM)
    return _CLAIMED.knowing(
        _Claimed(
            payment_id=row.id,
            reference=known_reference(row),
            payment_method=command.payment_method,
            return_url=command.return_url,
            version=row.version,
            charge_before=row.charge_reference,
        )
    )


def _ask(at: _Claimed) -> psp.ConfirmPayment:
    return psp.ConfirmPayment(
        payment=at.reference,
        payment_method=at.payment_method,
        return_url=at.return_url,
    )


def _record(
    tx: Tx, ctx: Context, at: _Claimed, answer: psp.Answer
) -> Step[PaymentView]:
    return record_answer(tx, ctx, at.payment_id, at.version, answer)


def _read(at: _Claimed) -> psp.ReadPayment:
    return psp.ReadPayment(payment=at.reference)


def _judge(at: _Claimed, evidence: psp.Snapshot) -> psp.Answer | None:
    if not isinstance(evidence, psp.PaymentSnapshot):
        return None
    match evidence.status:
        case PaymentStatus.AUTHORIZED | PaymentStatus.SUCCEEDED:
            return psp.Succeeded(snapshot=evidence)
        case PaymentStatus.REQUIRES_ACTION:
            return psp.ActionRequired(snapshot=evidence)
        case PaymentStatus.PROCESSING:
            return psp.Pending(snapshot=evidence)
        case PaymentStatus.CANCELED | PaymentStatus.EXPIRED:
            return psp.Rejected(
                code="payment_canceled", message="the payment was canceled"
            )
        case PaymentStatus.REQUIRES_PAYMENT_METHOD:
            return _judge_decline(at, evidence)
        case PaymentStatus.REQUIRES_CONFIRMATION | PaymentStatus.UNRECOGNIZED:
            return None


def _judge_decline(at: _Claimed, seen: psp.PaymentSnapshot) -> psp.Answer | None:
    """A decline is ours only if it came with a charge that was not there before."""
    if seen.decline is None or seen.charge_reference in (None, at.charge_before):
        return None
    return psp.Declined(decline=seen.decline, snapshot=seen)


def _late(at: _Claimed) -> Goto:
    return _FENCING.knowing(at)


def _fence(at: _Claimed) -> psp.CancelPayment:
    return psp.CancelPayment(payment=at.reference, reason="abandoned")


def _judge_unfenced(
    at: _Claimed, shown: psp.Snapshot, found: psp.Snapshot
) -> psp.Answer | None:
    """
    Say what came of the confirmation, now that its fence cannot be sent any more.

    The payer was asked, or the card declined, and nobody had heard of it. Canceling
    what is then left to the payer is for the payment's clock.
    """
    return _judge(at, found)


def _absent(at: _Claimed, shown: psp.Snapshot) -> bool:
    """Neither the charge nor the fence: the payment waits as it did before."""
    if not isinstance(shown, psp.PaymentSnapshot):
        return False
    waits = shown.status in _UNTRIED
    return waits and shown.charge_reference in (None, at.charge_before)


CONFIRM_PAYMENT = Operation(
    name="payment.confirm",
    takes=ConfirmPayment,
    gives=PaymentView,
    start=_start,
    execute_within=_EXECUTE_WITHIN,
    legs=(
        Leg(
            at=_CLAIMED,
            ask=_ask,
            record=_record,
            read=_read,
            judge=_judge,
            late=_late,
        ),
        Leg(
            at=_FENCING,
            ask=_fence,
            record=_record,
            read=_read,
            judge=lambda at, evidence: judge_cancel(evidence),
            more=(Evidence(read=lambda at, shown: _read(at), judge=_judge_unfenced),),
            absent=_absent,
        ),
    ),
)
