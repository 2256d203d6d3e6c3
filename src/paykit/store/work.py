"""
Pending work: put, claim, fence, postpone, finish.

A lease is a token and a time. Whoever holds the token may go on; every advance names
it and checks the row count, so that a worker that was too slow advances nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from paykit.errors import LeaseLost
from paykit.store.schema.messages import work
from paykit.store.tx import Tx

__all__ = [
    "Claimed",
    "Queue",
    "attempts",
    "claim_next",
    "ensure",
    "fence",
    "finish",
    "hold",
    "pending",
    "postpone",
    "put",
]

Queue = Literal["operation", "inbox", "refresh", "delivery"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row of pending work, and the lease under which we hold it."""

    queue: Queue
    id: str
    lease: uuid.UUID
    attempts: int
    """How often it has been claimed, this time included."""


def _ms(delta: timedelta) -> int:
    return int(delta.total_seconds() * 1000)


def put(
    tx: Tx,
    queue: Queue,
    id_: str,
    *,
    delay: timedelta = timedelta(0),
    lease: uuid.UUID | None = None,
    group: str | None = None,
    position: int | None = None,
) -> None:
    """Insert work that is due after `delay`; held under `lease`, if one is given."""
    due = tx.database_now + _ms(delay)
    tx.connection.execute(
        insert(work).values(
            queue=queue,
            id=id_,
            due_ms=due,
            attempts=0,
            group_id=group,
            position=position,
            lease=lease,
            lease_until_ms=None if lease is None else due,
        )
    )


def ensure(tx: Tx, queue: Queue, id_: str, *, delay: timedelta) -> None:
    """Make sure that `id_` is looked at after `delay`, or earlier if it was due."""
    due = tx.database_now + _ms(delay)
    dialect = postgresql if tx.connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(work).values(queue=queue, id=id_, due_ms=due, attempts=0)
    sooner = case(
        (work.c.due_ms < statement.excluded.due_ms, work.c.due_ms),
        else_=statement.excluded.due_ms,
    )
    tx.connection.execute(
        # The lease is dropped: whoever works on it now has read too early.
        statement.on_conflict_do_update(
            index_elements=[work.c.queue, work.c.id],
            set_={"due_ms": sooner, "lease": None, "lease_until_ms": None},
        )
    )


def claim_next(
    tx: Tx, queue: Queue, *, lease_for: timedelta, skip: frozenset[str] = frozenset()
) -> Claimed | None:
    """
    Claim the work that has been due longest, and skip what others hold.

    `skip` names rows that this run has already had. Returns None when nothing is due.
    """
    now = tx.database_now
    earlier = work.alias("earlier")
    blocked = select(earlier.c.id).where(
        earlier.c.queue == work.c.queue,
        earlier.c.group_id == work.c.group_id,
        earlier.c.position < work.c.position,
    )
    candidate = (
        select(work.c.id)
        .where(work.c.queue == queue, work.c.due_ms <= now, _free(now))
        .where(work.c.id.not_in(skip) if skip else work.c.id.is_not(None))
        .order_by(work.c.due_ms, work.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if queue == "delivery":
        candidate = candidate.where(~blocked.exists())
    id_ = tx.connection.scalar(candidate)
    if id_ is None:
        return None
    lease = tx.new_uuid()
    attempts = hold(tx, queue, id_, lease, lease_for, count=True)
    return None if attempts is None else Claimed(queue, id_, lease, attempts)


def hold(
    tx: Tx,
    queue: Queue,
    id_: str,
    lease: uuid.UUID,
    lease_for: timedelta,
    *,
    count: bool = False,
) -> int | None:
    """
    Hold this row under `lease`, if nobody else does; None if it is held, or gone.

    Returns how often it was claimed; only with `count` is this time counted, so that
    an eager caller does not use up the schedule.
    """
    until = tx.database_now + _ms(lease_for)
    statement = (
        update(work)
        .where(work.c.queue == queue, work.c.id == id_)
        .where(_free(tx.database_now) | (work.c.lease == lease))
        .values(
            lease=lease,
            lease_until_ms=until,
            due_ms=until,
            attempts=work.c.attempts + int(count),
        )
        .returning(work.c.attempts)
    )
    count_now: int | None = tx.connection.scalar(statement)
    return count_now


def attempts(tx: Tx, queue: Queue, id_: str) -> int:
    """Return how often this row has been claimed by a worker."""
    statement = select(work.c.attempts).where(work.c.queue == queue, work.c.id == id_)
    return tx.connection.scalar(statement) or 0


def _free(now: ColumnElement[int]) -> ColumnElement[bool]:
    return or_(work.c.lease.is_(None), work.c.lease_until_ms <= now)


def fence(
    tx: Tx, queue: Queue, id_: str, lease: uuid.UUID, lease_for: timedelta
) -> None:
    """Prove that `lease` still holds, and prolong it; raises `LeaseLost`."""
    until = tx.database_now + _ms(lease_for)
    result = tx.connection.execute(
        update(work)
        .where(work.c.queue == queue, work.c.id == id_, work.c.lease == lease)
        .values(lease_until_ms=until, due_ms=until)
    )
    if result.rowcount != 1:
        raise LeaseLost(f"{queue} {id_}: another worker took over; repeat the call")


def finish(tx: Tx, queue: Queue, id_: str, lease: uuid.UUID) -> None:
    """Delete work that is done; raises `LeaseLost` if another worker took over."""
    result = tx.connection.execute(
        delete(work).where(
            work.c.queue == queue, work.c.id == id_, work.c.lease == lease
        )
    )
    if result.rowcount != 1:
        raise LeaseLost(f"{queue} {id_}: another worker took over; repeat the call")


def postpone(
    tx: Tx, queue: Queue, id_: str, lease: uuid.UUID, *, delay: timedelta
) -> None:
    """Give work back, to be claimed again after `delay`; raises `LeaseLost`."""
    result = tx.connection.execute(
        update(work)
        .where(work.c.queue == queue, work.c.id == id_, work.c.lease == lease)
        .values(lease=None, lease_until_ms=None, due_ms=tx.database_now + _ms(delay))
    )
    if result.rowcount != 1:
        raise LeaseLost(f"{queue} {id_}: another worker took over; repeat the call")


def pending(tx: Tx, queue: Queue) -> int:
    """Return how many rows of `queue` are pending, held or not."""
    count = select(func.count()).select_from(work).where(work.c.queue == queue)
    return tx.connection.scalar(count) or 0
