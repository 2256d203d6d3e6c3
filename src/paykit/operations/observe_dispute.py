"""
Taking in what the PSP shows of a dispute. They all begin there, so each is adopted.

The rules are those of `observe`, but for two things. No status proves anything about
an earlier or a later one, so what we know already is changed by a fresh reading only.
And the money is not told by the status: it moves when a dispute is opened, nothing
moves when it is lost, and some comes back in ways that no status tells (Stripe:
``funds_reinstated`` on a lost dispute). So the books follow the balance transactions
that stand in the dispute, each once, in whatever order they are seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paykit.errors import PaymentDisputed
from paykit.lifecycle import (
    DISPUTE,
    DISPUTE_CLOSED,
    DISPUTE_FUNDS_GONE,
    DisputeEvent,
    fire,
)
from paykit.money import Money
from paykit.psp import BalanceTransaction, DisputeSnapshot, DisputeStatus
from paykit.psp.facts import balance_fact
from paykit.store import breaks, disputes, ledger, payments
from paykit.store.chart import PostingKind
from paykit.store.disputes import DisputeRow
from paykit.store.events import NewEvent
from paykit.store.ledger import Posting
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = ["observe_dispute", "refuse_if_disputed", "says_nothing_new"]

_EVENTS: Final = {
    DisputeStatus.WARNING_NEEDS_RESPONSE: DisputeEvent.INQUIRE,
    DisputeStatus.WARNING_UNDER_REVIEW: DisputeEvent.REVIEW_INQUIRY,
    DisputeStatus.WARNING_CLOSED: DisputeEvent.CLOSE_INQUIRY,
    DisputeStatus.NEEDS_RESPONSE: DisputeEvent.NEED_RESPONSE,
    DisputeStatus.UNDER_REVIEW: DisputeEvent.REVIEW,
    DisputeStatus.APPEAL_NEEDS_RESPONSE: DisputeEvent.APPEAL,
    DisputeStatus.APPEAL_UNDER_REVIEW: DisputeEvent.REVIEW_APPEAL,
    DisputeStatus.WON: DisputeEvent.WIN,
    DisputeStatus.LOST: DisputeEvent.LOSE,
    DisputeStatus.PREVENTED: DisputeEvent.PREVENT,
}

_SHOWN: Final = (
    "raw_status",
    "reason",
    "amount",
    "currency",
    "evidence_due_by",
    "submissions",
    "charge_refundable",
)
"""What a snapshot and a row call by the same name."""

_WORDS: Final = {"raw_status": 64, "reason": 64}
"""Open words of the PSP, and how much of them a column holds."""


def refuse_if_disputed(tx: Tx, row: PaymentRow) -> None:
    """
    Raise `PaymentDisputed` while a dispute says that the charge cannot be refunded.

    Otherwise the payer would get the money twice: from us, and from the bank. `row` is
    locked, so no dispute comes in between. An inquiry may be settled by a refund.
    """
    for dispute in disputes.of_payment(tx, row.id):
        if not dispute.charge_refundable:
            raise PaymentDisputed(
                f"payment {row.id} is disputed ({dispute.psp_reference}, "
                f"{dispute.raw_status}): the PSP does not let it be refunded"
            )


def says_nothing_new(row: DisputeRow, seen: DisputeSnapshot) -> bool:
    """Whether `row` has all that `seen` shows, so that nothing need be read."""
    moved = {movement.reference for movement in seen.movements}
    return not _changed(row, seen) and moved <= set(row.movements)


def observe_dispute(
    tx: Tx, row: PaymentRow, seen: DisputeSnapshot, *, cause: str, fresh: bool
) -> DisputeRow:
    """
    Take in a snapshot of a dispute of `row`, whose database row is locked.

    What has moved is booked in any case; the rest of a dispute that we know already
    changes only if `seen` is `fresh`: read just now, with no other change in between.
    """
    before = disputes.find(tx, binding=row.binding, psp_reference=seen.reference)
    first = before is None
    known = _adopt(tx, row, seen) if before is None else before
    changes = _changed(known, seen) if fresh or first else {}
    moved = [m for m in seen.movements if m.reference not in known.movements]
    if moved:
        references = [*known.movements, *(m.reference for m in moved)]
        changes["movements"] = references
    after = disputes.save(tx, known, changes) if changes else known
    happened = _happened(known, after, first=first)
    happened += [_moved(after, movement) for movement in moved]
    if not happened:
        return after
    disputed = _disputed(tx, row)
    total = {"disputed": disputed} if disputed != row.disputed else {}
    now = payments.save(tx, row, total, cause=cause, happened=happened)
    _compare(tx, now, after)
    _post(tx, now, moved)
    return after


def _adopt(tx: Tx, row: PaymentRow, seen: DisputeSnapshot) -> DisputeRow:
    """Record a dispute in its first state; what `seen` shows of it comes after that."""
    return disputes.insert_dispute(
        tx,
        {
            "id": f"dp_{tx.new_uuid().hex}",
            "merchant_id": row.merchant_id,
            "payment_id": row.id,
            "binding": row.binding,
            "psp_reference": seen.reference,
            "charge_reference": seen.charge,
            "state": DISPUTE.initial.value,
            "movements": [],
            "created_at": tx.now,
            "updated_at": tx.now,
            **_shown(seen),
        },
    )


def _shown(seen: DisputeSnapshot) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(seen, name) for name in _SHOWN}
    return {
        name: value[: _WORDS[name]]
        if name in _WORDS and isinstance(value, str)
        else value
        for name, value in values.items()
    }


def _changed(row: DisputeRow, seen: DisputeSnapshot) -> dict[str, object]:
    """Return the columns that `seen` changes; an unknown status keeps the state."""
    changes = {
        name: value
        for name, value in _shown(seen).items()
        if getattr(row, name) != value
    }
    event = _EVENTS.get(seen.status)
    if event is not None and str(row.state) != seen.status.value:
        changes["state"] = fire(DISPUTE, row.state, event).value
    return changes


def _happened(before: DisputeRow, after: DisputeRow, *, first: bool) -> list[NewEvent]:
    """Return what to tell: that it was opened, that it changed, how it was closed."""
    closed = after.state in DISPUTE_CLOSED and after.state is not before.state
    same = replace(after, version=before.version, updated_at=before.updated_at)
    changed = replace(same, movements=before.movements) != before
    state, data = after.state.value, _data(after)
    told: list[NewEvent] = []
    if first:
        told.append(NewEvent(type="dispute.opened", to_state=state, data=data))
    moves = {"from_state": before.state.value, "to_state": state}
    if changed and not first and not closed:
        told.append(NewEvent(type="dispute.updated", **moves, data=data))
    if closed:
        told.append(NewEvent(type="dispute.closed", **moves, data=data))
    return told


def _data(row: DisputeRow) -> dict[str, object]:
    due_by = row.evidence_due_by
    return {
        "dispute_id": row.id,
        "amount": row.amount,
        "currency": row.currency,
        "status": row.raw_status,
        "reason": row.reason,
        "evidence_due_by": None if due_by is None else due_by.isoformat(),
    }


def _moved(row: DisputeRow, movement: BalanceTransaction) -> NewEvent:
    data: dict[str, object] = {
        "dispute_id": row.id,
        "amount": abs(movement.amount),
        "fee": movement.fee,
        "currency": movement.currency,
    }
    if movement.amount > 0 or (not movement.amount and movement.fee < 0):
        return NewEvent(type="dispute.funds_reinstated", data=data)
    return NewEvent(type="dispute.funds_withdrawn", data=data)


def _disputed(tx: Tx, row: PaymentRow) -> int:
    """Return what payers' banks hold of the payment; other currencies do not add up."""
    return sum(
        dispute.amount
        for dispute in disputes.of_payment(tx, row.id)
        if dispute.state in DISPUTE_FUNDS_GONE and dispute.currency == row.currency
    )


def _compare(tx: Tx, row: PaymentRow, dispute: DisputeRow) -> None:
    """Show a person what cannot be right, or what no total of the payment counts."""
    about = row.aggregate
    detail = {"dispute": dispute.psp_reference, "amount": dispute.amount}
    if dispute.currency != row.currency:
        detail["currency"] = dispute.currency
        kind, item = "disputed_in_another_currency", dispute.psp_reference
        breaks.open_break(tx, about, kind, detail, item=item)
    elif row.disputed > row.captured:
        breaks.open_break(
            tx, row.aggregate, breaks.DISPUTED_TOO_MUCH, detail, again=True
        )


def _post(tx: Tx, row: PaymentRow, moved: list[BalanceTransaction]) -> None:
    postings = [
        Posting(
            kind=kind,
            fact_key=balance_fact(row.binding, movement.reference),
            merchant_id=row.merchant_id,
            payment_id=row.id,
            amount=Money(abs(minor), movement.currency),
            effective_at=movement.created or tx.now,
        )
        for movement in moved
        for minor, kinds in (
            (movement.amount, (PostingKind.DISPUTE, PostingKind.DISPUTE_REINSTATEMENT)),
            (
                -movement.fee,
                (PostingKind.DISPUTE_FEE, PostingKind.DISPUTE_FEE_REFUND),
            ),
        )
        if minor
        for kind in (kinds[minor > 0],)
    ]
    if postings:
        ledger.post_later(tx, postings)
