"""
Cancel a payment that has not succeeded; an authorization is released.

A cancel may take over from a confirmation whose outcome is unknown: it is the way to
make sure that nobody is charged. If the charge was faster, the result says so.
"""

from __future__ import annotations

from typing import Final

from paykit import psp
from paykit.engine import Context, Done, Leg, Operation, RecoveryPoint, Step
from paykit.lifecycle import PaymentEvent, PaymentState
from paykit.operations.commands import Command, PaymentId, Reason
from paykit.operations.payment_command import (
    claim_payment,
    known_reference,
    record_answer,
)
from paykit.operations.views import PaymentView, payment_view
from paykit.psp import PaymentStatus
from paykit.store import payments
from paykit.store.tx import Tx

__all__ = ["CANCEL_PAYMENT", "CancelPayment", "judge_cancel"]

_SUPERSEDES: Final = frozenset({PaymentEvent.START_CONFIRM})
_ENDED: Final = frozenset(
    {PaymentStatus.CANCELED, PaymentStatus.EXPIRED, PaymentStatus.SUCCEEDED}
)


class CancelPayment(Command, frozen=True):
    """
    End the payment; `reason` is any text.

    Stripe has words for four: ``abandoned``, ``duplicate``, ``fraudulent`` and
    ``requested_by_customer``. Others are kept here and not sent.
    """

    payment_id: PaymentId
    reason: Reason | None = None


class _Claimed(Command, frozen=True):
    """The payment is ours to cancel; the PSP has not answered."""

    payment_id: str
    reference: str
    reason: str | None
    version: int


_CLAIMED = RecoveryPoint("cancellation_claimed", _Claimed)


def _start(tx: Tx, ctx: Context, command: CancelPayment) -> Step[PaymentView]:
    row = claim_payment(
        tx,
        ctx,
        command.payment_id,
        PaymentEvent.START_CANCEL,
        supersedes=_SUPERSEDES,
    )
    return _CLAIMED.knowing(
        _Claimed(
            payment_id=row.id,
            reference=known_reference(row),
            reason=command.reason,
            version=row.version,
        )
    )


def _ask(at: _Claimed) -> psp.CancelPayment:
    return psp.CancelPayment(payment=at.reference, reason=at.reason)


def _record(
    tx: Tx, ctx: Context, at: _Claimed, answer: psp.Answer
) -> Step[PaymentView]:
    step = record_answer(tx, ctx, at.payment_id, at.version, answer)
    if isinstance(step, Done) and step.result.state is PaymentState.CANCELED:
        return _with_reason(tx, ctx, at, step)
    return step


def _with_reason(
    tx: Tx, ctx: Context, at: _Claimed, canceled: Done[PaymentView]
) -> Done[PaymentView]:
    if at.reason is None:
        return canceled
    row = payments.load(tx, at.payment_id, merchant=None, lock=True)
    changes = {"cancel_reason": at.reason}
    row = payments.save(tx, row, changes, cause=ctx.operation_id)
    return Done(payment_view(row))


def _read(at: _Claimed) -> psp.ReadPayment:
    return psp.ReadPayment(payment=at.reference)


def judge_cancel(evidence: psp.Snapshot) -> psp.Answer | None:
    """Say what a read proves about a cancel: only an ended payment proves anything."""
    if isinstance(evidence, psp.PaymentSnapshot) and evidence.status in _ENDED:
        return psp.Succeeded(snapshot=evidence)
    return None


def _absent(at: _Claimed, shown: psp.Snapshot) -> bool:
    return isinstance(shown, psp.PaymentSnapshot) and shown.status not in _ENDED


CANCEL_PAYMENT = Operation(
    name="payment.cancel",
    takes=CancelPayment,
    gives=PaymentView,
    start=_start,
    legs=(
        Leg(
            at=_CLAIMED,
            ask=_ask,
            record=_record,
            read=_read,
            judge=lambda at, evidence: judge_cancel(evidence),
            absent=_absent,
        ),
    ),
)
