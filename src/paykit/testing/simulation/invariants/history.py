"""History: nothing is left to do, nothing was lost, and nothing was made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from paykit.lifecycle import UNFINISHED, PaymentState, RefundState
from paykit.store.alarms import AlarmKind
from paykit.store.cursors import KEPT
from paykit.store.schema import (
    alarm,
    claim,
    event,
    inbox,
    operation,
    payment,
    reconciliation_break,
    refund,
    work,
)
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.host import DELIVERED

__all__ = [
    "delivered_once_in_order",
    "history_is_what_happened",
    "history_without_gaps",
    "no_event_lost",
    "nothing_left_to_do",
    "published_in_order",
]

_OURS: Final = {"requires_capture": "authorized"}
"""Our words for the PSP's statuses, where they differ."""

_SAME: Final = {"expired": "canceled"}
"""What the PSP calls the same: an authorization that has run out is canceled there."""

_ENDS: Final = frozenset({"applied", "ignored"})

_FOREVER: Final = frozenset({"periodic"})


def nothing_left_to_do(cast: Cast, db: Connection) -> Iterator[str]:
    """No work, no claim, no open operation and no break is left."""
    waiting = _waiting(db)
    for row in db.execute(select(work.c.queue, work.c.id, work.c.attempts)):
        if row.queue not in _FOREVER and (row.queue, row.id) not in waiting:
            yield f"work {row.queue} {row.id} after {row.attempts} attempts"
    for row in db.execute(select(claim)):
        yield f"claim {row.command} of {row.operation_id}"
    for row in db.execute(select(operation)):
        if row.status not in ("done", "failed"):
            yield f"{row.name} {row.id} is {row.status}"
    is_open = reconciliation_break.c.resolved_at.is_(None)
    for row in db.execute(select(reconciliation_break).where(is_open)):
        yield f"break {row.id} {row.detail}"


def _waiting(db: Connection) -> set[tuple[str, str]]:
    """Return the clocks that may go on: of what the PSP or the payer has not ended."""
    payments = select(payment.c.id).where(payment.c.state.in_(UNFINISHED))
    refunds = select(refund.c.id).where(
        refund.c.state.in_((RefundState.PENDING, RefundState.REQUIRES_ACTION))
    )
    return {
        ("clock", id_) for chosen in (payments, refunds) for id_ in db.scalars(chosen)
    }


def history_without_gaps(cast: Cast, db: Connection) -> Iterator[str]:
    """Events are numbered without gaps, and each state follows from the one before."""
    for row in db.execute(select(payment.c.id, payment.c.state)):
        rows = db.execute(
            select(event)
            .where(event.c.aggregateid == row.id)
            .order_by(event.c.sequence)
        ).all()
        if [e.sequence for e in rows] != list(range(1, len(rows) + 1)):
            yield f"{row.id}: {[e.sequence for e in rows]}"
        moves = [e for e in rows if e.type.startswith("payment.") and e.to_state]
        states = [e.to_state for e in moves]
        if states[-1:] != [row.state]:
            yield f"{row.id} is {row.state}, its history ends with {states[-1:]}"
        if [e.from_state for e in moves[1:]] != states[:-1]:
            yield f"{row.id}: the history jumps"


def history_is_what_happened(cast: Cast, db: Connection) -> Iterator[str]:
    """The states in our history came in that order at the PSP: none was undone."""
    for row in db.execute(select(payment.c.id, payment.c.psp_reference)):
        moves = select(event.c.to_state).where(
            event.c.aggregateid == row.id,
            event.c.type.like("payment.%"),
            event.c.to_state.is_not(None),
        )
        found = db.scalars(moves.order_by(event.c.sequence))
        ours = [str(state) for state in found][1:]
        shown = cast.sim.statuses_of(str(row.psp_reference))
        if ours[-1:] == [PaymentState.FAILED]:
            # A debit that came back; the PSP's payment stays as it was.
            ours.pop()
        theirs = iter([_OURS.get(status, status) for status in shown])
        if not all(_SAME.get(state, state) in theirs for state in ours):
            yield f"{row.id} went {ours}, at the PSP {shown}"


def no_event_lost(cast: Cast, db: Connection) -> Iterator[str]:
    """
    Each event of the PSP came, pushed or listed, and was dealt with.

    Only what it does not push again, and did not list when it was asked, may be
    missing; then the states are right all the same.
    """
    known = {row.event_id: row for row in db.execute(select(inbox))}
    for happened in cast.sim.events():
        row = known.get(happened.id)
        if row is None and _was_listed(cast, db, happened.created):
            yield f"{happened.id} {happened.type} never came"
        if row is not None and row.status not in _ENDS:
            yield f"{happened.id} {happened.type} is {row.status}: {row.reason}"


def _was_listed(cast: Cast, db: Connection, created: datetime) -> bool:
    """Whether somebody could see an event in the list, and nobody tells of a gap."""
    asked = [at for at, verb in cast.stage.disasters.asked if verb == "list_events"]
    seen = any(created < at < created + KEPT for at in asked)
    told = select(alarm.c.opened_at).where(alarm.c.kind == AlarmKind.GAP)
    return seen and all(created > at - KEPT for at in db.scalars(told))


def delivered_once_in_order(cast: Cast, db: Connection) -> Iterator[str]:
    """What the host's handler wrote is each history: all, once, in order."""
    for id_, events in _histories(db).items():
        chosen = DELIVERED.c.aggregate_id == id_
        told = select(DELIVERED.c.event_id).where(chosen).order_by(DELIVERED.c.number)
        if list(db.scalars(told)) != events:
            yield f"{id_}: the handler was not told what happened, in order and once"


def published_in_order(cast: Cast, db: Connection) -> Iterator[str]:
    """The broker has every event at least once; the first time in order."""
    got: dict[str, dict[str, None]] = defaultdict(dict)
    for message in cast.broker.messages:
        got[message.key].setdefault(message.id)
    for id_, events in _histories(db).items():
        if list(got[id_]) != events:
            yield f"{id_}: {len(got[id_])} of {len(events)} events reached the broker"


def _histories(db: Connection) -> dict[str, list[str]]:
    """Return the ids of the events of each payment, payout and so on, in order."""
    found: dict[str, list[str]] = {id_: [] for id_ in db.scalars(select(payment.c.id))}
    for row in db.execute(select(event).order_by(event.c.sequence)):
        found.setdefault(row.aggregateid, []).append(str(row.id))
    return found
