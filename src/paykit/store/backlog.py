"""How much is still to do, and for how long: the numbers behind `service.health`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Executable,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
)

from paykit.store.clock import clock_values, database_clock
from paykit.store.schema.messages import event, work
from paykit.store.schema.operations import attempt
from paykit.store.tx import Tx

__all__ = ["Backlog", "InDoubt", "in_doubt", "queues"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """One queue of pending work, by the database's clock."""

    pending: int
    """All rows: those that are due, held, parked and not due yet."""
    due: int
    """Rows that a worker could take now, or once an earlier one of its payment is
    done."""
    held: int
    """Rows that a worker is busy with."""
    parked: int
    """Rows that failed too often, and wait for a person."""
    oldest_due_seconds: float | None
    """For how long the first of those that are due has been due: how far the workers
    are behind. None if nothing is due. A webhook that was never looked at has no due
    time: see `paykit.store.inbox.Backlog`."""
    oldest_seconds: float | None = None
    """Of events (``delivery`` and ``relay``), for how long the oldest has waited since
    it happened, due or not: what failed is put off, and then nothing is late. Those
    that are parked do not count. None if no event waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """Open operations that have sent a call, and do not know what came of it."""

    count: int
    """Those that are on their way right now are among them."""
    since: datetime | None
    """When the first call of the oldest one was sent."""


_WAITS: Final = and_(
    work.c.queue.in_(("delivery", "relay")), work.c.parked_ms.is_(None)
)


def _queues(now: ColumnElement[int]) -> Executable:
    held = and_(work.c.lease.is_not(None), work.c.lease_until_ms > now)
    free = or_(work.c.lease.is_(None), work.c.lease_until_ms <= now)
    due = and_(work.c.due_ms <= now, free)
    # A webhook's row is put by a trigger, which knows no clock: it is due from zero.
    dated = and_(due, work.c.due_ms > 0)
    return select(
        work.c.queue,
        func.count().label("pending"),
        func.count(case((due, 1))).label("due"),
        func.count(case((held, 1))).label("held"),
        func.count(work.c.parked_ms).label("parked"),
        func.max(now - case((dated, work.c.due_ms))).label("oldest_ms"),
        # Ids of events are in the order of time, as texts as well.
        func.min(case((_WAITS, work.c.id))).label("oldest_event"),
    ).group_by(work.c.queue)


_QUEUES: Final = {
    simulated: _queues(database_clock(simulated=simulated))
    for simulated in (False, True)
}
_OCCURRED: Final = select(event.c.id, event.c.occurred_at).where(
    event.c.id.in_(bindparam("ids", expanding=True))
)
_IN_DOUBT: Final = (
    select(
        func.count(attempt.c.operation_id.distinct()).label("found"),
        func.min(attempt.c.first_sent_at).label("since"),
    )
    .join_from(work, attempt, attempt.c.operation_id == work.c.id)
    .where(work.c.queue == "operation", attempt.c.outcome.is_(None))
)


def queues(tx: Tx) -> Mapping[str, Backlog]:
    """Return every queue in which there is something; two statements."""
    statement = _QUEUES[tx.world.simulated]
    rows = tx.connection.execute(statement, clock_values(tx.world)).all()
    ids = [UUID(row.oldest_event) for row in rows if row.oldest_event is not None]
    since = {
        str(found.id): found.occurred_at
        for found in tx.connection.execute(_OCCURRED, {"ids": ids})
    }
    return {
        row.queue: Backlog(
            pending=row.pending,
            due=row.due,
            held=row.held,
            parked=row.parked,
            oldest_due_seconds=None if row.oldest_ms is None else row.oldest_ms / 1000,
            oldest_seconds=_age(tx, since.get(row.oldest_event)),
        )
        for row in rows
    }


def _age(tx: Tx, since: datetime | None) -> float | None:
    """Return the seconds since then, and none below zero if two clocks differ."""
    return None if since is None else max(0.0, (tx.now - since).total_seconds())


def in_doubt(tx: Tx) -> InDoubt:
    """Return what has been asked and not heard; one statement."""
    row = tx.connection.execute(_IN_DOUBT).one()
    return InDoubt(count=row.found, since=row.since)
