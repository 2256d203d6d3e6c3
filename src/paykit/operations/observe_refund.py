"""
Taking in what the PSP shows of a refund: ours, or one that began over there.

The rules are those of `observe`. A refund counts as money returned from its success
on, and no longer once it has failed after that; each of the two is a fact of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paykit.errors import IllegalTransition
from paykit.lifecycle import REFUND, RefundEvent, RefundState, fire
from paykit.money import Money
from paykit.operations.links import refund_of
from paykit.operations.observe import read_again
from paykit.psp import RefundSnapshot, RefundStatus
from paykit.psp.facts import refund_fact
from paykit.store import breaks, ledger, payments, refunds
from paykit.store.chart import PostingKind
from paykit.store.events import NewEvent
from paykit.store.ledger import Posting
from paykit.store.payments import PaymentRow
from paykit.store.refunds import RefundRow
from paykit.store.tx import Tx

__all__ = ["REASON_MAX", "observe_refund", "release_reservation"]

REASON_MAX: Final = 64
"""How much is kept of the PSP's word for why a refund was made, or failed."""

_EVENTS: Final = {
    RefundStatus.PENDING: RefundEvent.PEND,
    RefundStatus.REQUIRES_ACTION: RefundEvent.NEED_ACTION,
    RefundStatus.SUCCEEDED: RefundEvent.SUCCEED,
    RefundStatus.FAILED: RefundEvent.FAIL,
    RefundStatus.CANCELED: RefundEvent.CANCEL,
}
_PROVEN: Final = frozenset(
    {RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.CANCELED}
)
_OVER: Final = frozenset({RefundState.FAILED, RefundState.CANCELED})


def observe_refund(
    tx: Tx, row: PaymentRow, seen: RefundSnapshot, *, cause: str, fresh: bool
) -> RefundRow:
    """Take in a snapshot of a refund of `row`, whose database row is locked."""
    seen = _fitting(seen)
    refund = refunds.find(
        tx,
        binding=row.binding,
        psp_reference=seen.reference,
        refund_id=refund_of(seen.metadata),
    )
    if refund is None or _was_given_up(refund):
        refund, row = _adopt(tx, row, seen, cause)
    return _follow(tx, row, refund, seen, cause, fresh)


def _fitting(seen: RefundSnapshot) -> RefundSnapshot:
    """Cut the PSP's open words to what a column holds: no word is refused."""
    reason, failure = seen.reason, seen.failure_reason
    return replace(
        seen,
        reason=reason and reason[:REASON_MAX],
        failure_reason=failure and failure[:REASON_MAX],
    )


def _was_given_up(refund: RefundRow) -> bool:
    """
    Whether we held it for never made, and gave its reservation back.

    It was made after all, so the money is counted as what began at the PSP.
    """
    return refund.psp_reference is None and refund.state in _OVER


def _adopt(
    tx: Tx, row: PaymentRow, seen: RefundSnapshot, cause: str
) -> tuple[RefundRow, PaymentRow]:
    """Take over a refund that we did not start, or whose row was lost."""
    ours = refund_of(seen.metadata)
    second = ours is not None and refunds.peek(tx, ours) is not None
    refund = refunds.insert_refund(
        tx,
        {
            "id": f"re_{tx.new_uuid().hex}" if ours is None or second else ours,
            "merchant_id": row.merchant_id,
            "payment_id": row.id,
            "origin": "external",
            "binding": row.binding,
            "psp_reference": seen.reference,
            "state": REFUND.initial.value,
            "amount": seen.amount,
            "currency": seen.currency,
            "reason": seen.reason,
            "metadata": seen.metadata,
            "created_at": tx.now,
            "updated_at": tx.now,
        },
    )
    adopted = NewEvent(type="refund.adopted", data=_data(refund))
    columns = {"refunded_external": row.refunded_external + seen.amount}
    now = payments.save(tx, row, columns, cause=cause, happened=[adopted])
    if second:
        both = {"refund": seen.reference, "ours": ours}
        item = seen.reference
        breaks.open_break(tx, now.aggregate, "second_object", both, item=item)
    if now.refund_reserved + now.refunded_external > now.captured:
        detail = {"refund": seen.reference, "amount": seen.amount}
        about, kind = now.aggregate, "refunded_too_much"
        breaks.open_break(tx, about, kind, detail, item=seen.reference)
        read_again(tx, row.id)
    return refund, now


def _data(refund: RefundRow) -> dict[str, object]:
    return {
        "refund_id": refund.id,
        "amount": refund.amount,
        "currency": refund.currency,
        "origin": refund.origin,
    }


def _follow(
    tx: Tx,
    row: PaymentRow,
    refund: RefundRow,
    seen: RefundSnapshot,
    cause: str,
    fresh: bool,
) -> RefundRow:
    changes: dict[str, object] = {}
    if refund.psp_reference is None:
        changes["psp_reference"] = seen.reference
    if seen.failure_reason and refund.failure_reason != seen.failure_reason:
        changes["failure_reason"] = seen.failure_reason
    state = _next(refund, seen, fresh)
    if state is not refund.state:
        changes["state"] = state.value
    if not changes:
        return refund
    after = refunds.save(tx, refund, changes)
    if state is not refund.state:
        _account(tx, row, refund, after, cause)
    return after


def _next(refund: RefundRow, seen: RefundSnapshot, fresh: bool) -> RefundState:
    """Return the state after `seen`; what the lifecycle does not have is outdated."""
    event = _EVENTS.get(seen.status)
    first = refund.state is REFUND.initial
    if event is None or (seen.status not in _PROVEN and not (fresh or first)):
        return refund.state
    try:
        return fire(REFUND, refund.state, event)
    except IllegalTransition:
        return refund.state


def _account(
    tx: Tx, row: PaymentRow, before: RefundRow, after: RefundRow, cause: str
) -> None:
    """Let the payment's totals, its history and the ledger follow the refund."""
    columns: dict[str, object] = {}
    if after.state is RefundState.SUCCEEDED:
        columns["refunded"] = row.refunded + after.amount
        _post(tx, row, after, PostingKind.REFUND, "succeeded")
    if after.state in _OVER:
        columns |= release_reservation(row, after)
    if before.state is RefundState.SUCCEEDED:
        columns["refunded"] = row.refunded - after.amount
        _post(tx, row, after, PostingKind.REFUND_FAILURE, "failed")
    event = NewEvent(
        type=f"refund.{after.state}",
        from_state=before.state.value,
        to_state=after.state.value,
        data={**_data(after), "failure_reason": after.failure_reason},
    )
    payments.save(tx, row, columns, cause=cause, happened=[event])


def release_reservation(row: PaymentRow, refund: RefundRow) -> dict[str, object]:
    """Return the change that gives back what `refund` had reserved on its payment."""
    column = "refund_reserved" if refund.origin == "paykit" else "refunded_external"
    return {column: getattr(row, column) - refund.amount}


def _post(
    tx: Tx, row: PaymentRow, refund: RefundRow, kind: PostingKind, outcome: str
) -> None:
    posting = Posting(
        kind=kind,
        fact_key=refund_fact(row.binding, refund.psp_reference or refund.id, outcome),
        merchant_id=row.merchant_id,
        payment_id=row.id,
        amount=Money(refund.amount, refund.currency),
        effective_at=tx.now,
    )
    ledger.post_later(tx, [posting])
    read_again(tx, row.id)
