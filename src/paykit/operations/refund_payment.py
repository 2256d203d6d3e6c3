"""
Refund a payment, in full or in part, as often as something is left.

The amount is reserved before the PSP is asked, by one conditional UPDATE that counts
the pending refunds, so refunds in parallel cannot exceed what was captured.
"""

from __future__ import annotations

from typing import Final, Literal, assert_never

from pydantic import Field

from paykit import psp
from paykit.engine import (
    Context,
    Done,
    Failed,
    Leg,
    Operation,
    RecoveryPoint,
    Step,
    derived_id,
)
from paykit.errors import NotAllowed, PspRejected, RefundExceedsCaptured
from paykit.lifecycle import PAYMENT, REFUND, PaymentEvent, RefundState, fire
from paykit.money import Money
from paykit.operations.capture_payment import money_of
from paykit.operations.commands import Command, CurrencyCode, Metadata, PaymentId
from paykit.operations.links import operation_metadata, tag
from paykit.operations.observe_dispute import refuse_if_disputed
from paykit.operations.observe_refund import (
    REASON_MAX,
    observe_refund,
    release_reservation,
)
from paykit.operations.payment_command import known_reference
from paykit.operations.record import definite
from paykit.operations.views import RefundView, refund_view
from paykit.store import payments, refunds
from paykit.store.events import NewEvent
from paykit.store.payments import PaymentRow
from paykit.store.refunds import RefundRow
from paykit.store.tx import Tx

__all__ = ["REFUND_PAYMENT", "RefundPayment"]

_EXTERNAL: Final = "external"


class RefundPayment(Command, frozen=True):
    """Give `amount` minor units back, or all that is left if it is not given."""

    payment_id: PaymentId
    amount: int | None = None
    currency: CurrencyCode | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: Metadata = Field(default_factory=dict)


class _Reserved(Command, frozen=True):
    """The amount is reserved and our row committed; the PSP has not answered."""

    payment_id: str
    refund_id: str
    reference: str
    amount: int
    currency: str
    reason: str | None
    metadata: dict[str, str]
    operation_id: str


_RESERVED = RecoveryPoint("refund_reserved", _Reserved)


def _start(tx: Tx, ctx: Context, command: RefundPayment) -> Step[RefundView]:
    row = payments.load(tx, command.payment_id, merchant=ctx.merchant, lock=True)
    fire(PAYMENT, row.state, PaymentEvent.START_REFUND)
    if row.binding != ctx.binding:
        raise NotAllowed(f"payment {row.id} belongs to {row.binding}")
    refund_id = derived_id("re", ctx.operation_id)
    refund = _reserve(tx, ctx, command, row, refund_id)
    return _RESERVED.knowing(
        _Reserved(
            payment_id=row.id,
            refund_id=refund_id,
            reference=known_reference(row),
            amount=refund.amount,
            currency=refund.currency,
            reason=command.reason,
            metadata=tag(ctx, command.metadata, payment_id=row.id, refund_id=refund_id),
            operation_id=ctx.operation_id,
        )
    )


def _reserve(
    tx: Tx, ctx: Context, command: RefundPayment, row: PaymentRow, refund_id: str
) -> RefundRow:
    """Reserve and record, unless the refund came back from the PSP before its row."""
    known = refunds.peek(tx, refund_id)
    if known is not None:
        return known
    refuse_if_disputed(tx, row)
    if command.amount is None and not row.refundable:
        raise RefundExceedsCaptured(f"payment {row.id}: nothing is left to refund")
    money = money_of(row, command.amount, command.currency, otherwise=row.refundable)
    row = payments.reserve_refund(tx, row, money)
    refund = refunds.insert_refund(
        tx,
        {
            "id": refund_id,
            "merchant_id": ctx.merchant,
            "payment_id": row.id,
            "operation_id": ctx.operation_id,
            "origin": "paykit",
            "binding": ctx.binding,
            "state": REFUND.initial.value,
            "amount": money.minor,
            "currency": money.currency,
            "reason": command.reason,
            "metadata": command.metadata,
            "created_at": tx.now,
            "updated_at": tx.now,
        },
    )
    started = NewEvent(
        type="refund.created",
        to_state=refund.state.value,
        data={
            "refund_id": refund_id,
            "amount": money.minor,
            "currency": money.currency,
        },
    )
    payments.save(tx, row, {}, cause=ctx.operation_id, happened=[started])
    return refund


def _ask(at: _Reserved) -> psp.CreateRefund:
    return psp.CreateRefund(
        payment=at.reference,
        amount=Money(at.amount, at.currency),
        reason=at.reason,
        metadata=at.metadata,
    )


def _record(
    tx: Tx, ctx: Context, at: _Reserved, answer: psp.Answer
) -> Step[RefundView]:
    row = payments.load(tx, at.payment_id, merchant=None, lock=True)
    heard = definite(answer)
    match heard:
        case psp.Rejected(code=code, message=message):
            return _refused(tx, ctx, row, at.refund_id, code, message)
        case psp.Declined(decline=decline):
            message = decline.message or "the refund was declined"
            return _refused(tx, ctx, row, at.refund_id, decline.code, message)
        case psp.Succeeded(snapshot=seen) | psp.Pending(snapshot=seen):
            assert isinstance(seen, psp.RefundSnapshot)
            cause = ctx.operation_id
            return Done(
                refund_view(observe_refund(tx, row, seen, cause=cause, fresh=True))
            )
        case psp.ActionRequired():
            raise AssertionError("a refund was answered with a payment")
        case _:
            assert_never(heard)


def _refused(
    tx: Tx,
    ctx: Context,
    row: PaymentRow,
    refund_id: str,
    code: str | None,
    message: str,
) -> Failed:
    """End a refund that the PSP would not make, and give its reservation back."""
    refund = refunds.load(tx, refund_id)
    if refund.state is RefundState.CREATING and refund.origin != _EXTERNAL:
        word = code and code[:REASON_MAX]
        changes = {"state": RefundState.FAILED.value, "failure_reason": word}
        failed = refunds.save(tx, refund, changes)
        event = NewEvent(
            type="refund.failed",
            from_state=refund.state.value,
            to_state=failed.state.value,
            data={
                "refund_id": refund.id,
                "amount": refund.amount,
                "currency": refund.currency,
                "failure_reason": word,
            },
        )
        released = release_reservation(row, refund)
        payments.save(tx, row, released, cause=ctx.operation_id, happened=[event])
    return Failed(PspRejected(message, code=code))


def _read(at: _Reserved) -> psp.FindRefund:
    return psp.FindRefund(
        payment=at.reference, metadata=operation_metadata(at.operation_id)
    )


def _judge(at: _Reserved, evidence: psp.Snapshot) -> psp.Answer | None:
    if isinstance(evidence, psp.RefundSnapshot):
        return psp.Succeeded(snapshot=evidence)
    # Not found proves nothing: the request may still be on its way.
    return None


def _absent(at: _Reserved, shown: psp.Snapshot) -> bool:
    return shown is None


REFUND_PAYMENT = Operation(
    name="payment.refund",
    takes=RefundPayment,
    gives=RefundView,
    start=_start,
    legs=(
        Leg(
            at=_RESERVED,
            ask=_ask,
            record=_record,
            read=_read,
            judge=_judge,
            absent=_absent,
        ),
    ),
)
