"""
Taking in what the PSP shows of a payout. They all begin there, so each is adopted.

The statuses of a payout have an order, so an event that is late takes nothing back. The
status moves no money: the books follow the balance transactions of the payout, each
once, in whatever order they are seen. An event only names these, so whatever has moved
and is not in the books yet is read before anything is taken in. A payout that fails
after it was paid brings its money back in this way.
"""

from __future__ import annotations

from typing import Final

from paykit.lifecycle import PAYOUT, PayoutEvent, PayoutState, fire
from paykit.money import Money
from paykit.operations.verdicts import Heard, Needs, Verdict
from paykit.psp import (
    BalanceTransaction,
    PayoutSnapshot,
    PayoutStatus,
    ReadPayout,
    Subject,
)
from paykit.psp.facts import balance_fact
from paykit.store import breaks, ledger
from paykit.store.chart import PostingKind
from paykit.store.events import NewEvent
from paykit.store.ledger import Posting
from paykit.store.payouts import PAYOUTS, PayoutRow
from paykit.store.tx import Tx

__all__ = ["MONEY_NOT_SHOWN", "follow_payout"]

MONEY_NOT_SHOWN: Final = "payout_money_not_shown"
"""Its status says that money has left or come back, and the PSP shows no movement."""

_EVENTS: Final = {
    PayoutStatus.IN_TRANSIT: PayoutEvent.SEND,
    PayoutStatus.PAID: PayoutEvent.PAY,
    PayoutStatus.FAILED: PayoutEvent.FAIL,
    PayoutStatus.CANCELED: PayoutEvent.CANCEL,
}

_ORDER: Final = {
    PayoutStatus.PENDING: 0,
    PayoutStatus.IN_TRANSIT: 1,
    PayoutStatus.PAID: 2,
    PayoutStatus.FAILED: 3,
    PayoutStatus.CANCELED: 3,
}
"""What is later has the higher number; of the two ends, the one that is known stays."""

_KINDS: Final = {
    (False, False): PostingKind.PAYOUT,
    (False, True): PostingKind.PAYOUT_FAILURE,
    (True, False): PostingKind.BANK_DEBIT,
    (True, True): PostingKind.BANK_DEBIT_RETURN,
}
"""By whether the payout is negative, and whether the movement undoes it."""

_SHOWN: Final = (
    "raw_status",
    "amount",
    "currency",
    "automatic",
    "arrival",
    "failure_code",
)
"""What a snapshot and a row call by the same name."""

_LONGEST_WORD: Final = 64
"""How much of the PSP's words a column holds."""


def follow_payout(tx: Tx, heard: Heard, subject: Subject) -> Verdict | Needs:
    """
    Take in what an event proves of a payout, or say that it must be read.

    Raises `LookupError` if the PSP does not know the payout of its own event, or does
    not show what it has moved.
    """
    if subject is None:
        raise TypeError("no event about nothing is followed")
    request = ReadPayout(payout=subject.reference)
    row = PAYOUTS.find(tx, binding=heard.binding, psp_reference=subject.reference)
    read = heard.reads.get(request)
    version = None if row is None else row.version
    fresh = read is not None and read.version == version
    seen = _read(read.subject) if read is not None and fresh else subject
    if not isinstance(seen, PayoutSnapshot) or not (fresh or _proves(row, seen)):
        return Needs(request, version)
    known = row or _adopt(tx, heard, seen)
    if known is None:
        # Another worker has heard of it first: look at what it has written.
        return follow_payout(tx, heard, subject)
    _observe(tx, known, seen, cause=heard.cause, first=row is None, fresh=fresh)
    return Verdict("applied")


def _read(subject: Subject) -> PayoutSnapshot:
    """Return the payout that was read, with everything that it has moved."""
    if not isinstance(subject, PayoutSnapshot):
        raise LookupError("the PSP does not know the object of its own event")
    if subject.named:
        raise LookupError("the payout was read without what it has moved")
    return subject


def _proves(row: PayoutRow | None, seen: PayoutSnapshot) -> bool:
    """
    Whether the payload is enough: nothing of it is older than what we have.

    Words that we do not know have no order, and neither have two looks at the same
    status. What is older than the row is proven too, for it changes nothing.
    """
    known = () if row is None else row.movements
    if not set(seen.named) <= set(known):
        return False
    if row is not None and not _changed(row, seen):
        return True
    if seen.status is PayoutStatus.UNRECOGNIZED or _lacks_money(seen):
        return False
    if row is None:
        return True
    return row.raw_status == row.state.value and _later(row, seen) != 0


def _later(row: PayoutRow, seen: PayoutSnapshot) -> int:
    """Return how much later `seen` is: below zero it is old; a new word is no later."""
    here = _ORDER[PayoutStatus(row.state.value)]
    return _ORDER.get(seen.status, here) - here


def _lacks_money(seen: PayoutSnapshot) -> bool:
    """Whether a movement is missing of what the status says has happened."""
    moved = len(seen.movements) + len(seen.named)
    if seen.status in (PayoutStatus.FAILED, PayoutStatus.CANCELED):
        # None at all is enough: then nothing had left.
        return moved == 1
    return seen.status is PayoutStatus.PAID and moved == 0


def _adopt(tx: Tx, heard: Heard, seen: PayoutSnapshot) -> PayoutRow | None:
    """Record a payout in its first state; what `seen` shows of it comes after that."""
    return PAYOUTS.adopt(
        tx,
        {
            "id": f"po_{tx.new_uuid().hex}",
            "merchant_id": heard.owner,
            "binding": heard.binding,
            "psp_reference": seen.reference,
            **_shown(seen),
        },
    )


def _observe(
    tx: Tx,
    row: PayoutRow,
    seen: PayoutSnapshot,
    *,
    cause: str,
    first: bool,
    fresh: bool,
) -> None:
    """
    Write down, tell and book what `seen` shows and `row`, which is locked, lacks.

    A look that shows nothing new counts as well: what somebody else has read before it,
    and is about to write, may be older.
    """
    later = first or fresh or _later(row, seen) > 0
    changes = _changed(row, seen) if later else {}
    moved = [one for one in seen.movements if one.reference not in row.movements]
    if moved:
        references = [*row.movements, *(one.reference for one in moved)]
        changes["movements"] = references
    told = _told(row, seen, changes, first=first) if changes or first else ()
    row = PAYOUTS.save(tx, row, changes, cause=cause, happened=told)
    if fresh:
        _compare(tx, row, seen)
    _post(tx, row, seen, moved)


def _shown(seen: PayoutSnapshot) -> dict[str, object]:
    values = {name: getattr(seen, name) for name in _SHOWN}
    return {
        name: value[:_LONGEST_WORD] if isinstance(value, str) else value
        for name, value in values.items()
    }


def _changed(row: PayoutRow, seen: PayoutSnapshot) -> dict[str, object]:
    """Return the columns that `seen` changes; only a later status moves the state."""
    changes = {
        name: value
        for name, value in _shown(seen).items()
        if getattr(row, name) != value
    }
    if _later(row, seen) > 0:
        changes["state"] = fire(PAYOUT, row.state, _EVENTS[seen.status]).value
    return changes


def _told(
    before: PayoutRow,
    seen: PayoutSnapshot,
    changes: dict[str, object],
    *,
    first: bool,
) -> list[NewEvent]:
    """Return what to tell: that it is there, and where it has come to."""
    data, state = _data(seen), before.state.value
    told: list[NewEvent] = []
    if first:
        told.append(NewEvent(type="payout.created", to_state=state, data=data))
    if "state" in changes:
        come_to = PayoutState(str(changes["state"])).value
        told.append(
            NewEvent(
                type=f"payout.{come_to}", from_state=state, to_state=come_to, data=data
            )
        )
    elif not first:
        told.append(
            NewEvent(type="payout.updated", from_state=state, to_state=state, data=data)
        )
    return told


def _data(seen: PayoutSnapshot) -> dict[str, object]:
    arrival = seen.arrival
    shown = _shown(seen)
    return {
        "reference": seen.reference,
        "amount": seen.amount,
        "currency": seen.currency,
        "status": shown["raw_status"],
        "automatic": seen.automatic,
        "arrival": None if arrival is None else arrival.isoformat(),
        "failure_code": shown["failure_code"],
    }


def _compare(tx: Tx, row: PayoutRow, seen: PayoutSnapshot) -> None:
    """Show a person that the books cannot say what the status says."""
    if _lacks_money(seen):
        detail = {"payout": seen.reference, "status": row.raw_status}
        breaks.open_break(tx, row.aggregate, MONEY_NOT_SHOWN, detail, again=True)
    else:
        breaks.close_break(tx, row.id, MONEY_NOT_SHOWN)


def _post(
    tx: Tx, row: PayoutRow, seen: PayoutSnapshot, moved: list[BalanceTransaction]
) -> None:
    """Book each movement and its fee, for the owner of the account."""
    postings = [
        Posting(
            kind=kind,
            fact_key=balance_fact(row.binding, movement.reference),
            merchant_id=row.merchant_id,
            payment_id=None,
            amount=Money(abs(minor), movement.currency),
            effective_at=movement.created or tx.now,
        )
        for movement in moved
        for kind, minor in (
            (_kind(seen, movement), movement.amount),
            (_fee(movement), movement.fee),
        )
    ]
    if postings:
        ledger.post_later(tx, postings)


def _kind(seen: PayoutSnapshot, movement: BalanceTransaction) -> PostingKind:
    """Tell by the signs: money leaves the balance against the sign of its payout."""
    returned = (movement.amount > 0) == (seen.amount > 0)
    if returned and seen.amount > 0 and seen.status is PayoutStatus.CANCELED:
        return PostingKind.PAYOUT_CANCELLATION
    return _KINDS[seen.amount < 0, returned]


def _fee(movement: BalanceTransaction) -> PostingKind:
    return PostingKind.FEE if movement.fee > 0 else PostingKind.FEE_REFUND
