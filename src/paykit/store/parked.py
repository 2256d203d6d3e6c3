"""Events that failed too often and wait for a person, their payments behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Integer, String, bindparam, delete, select, update

from paykit.store.clock import clock_values
from paykit.store.events import EventRow, by_ids
from paykit.store.schema.messages import work
from paykit.store.tx import Tx
from paykit.store.work_statements import PARKED, TIMED

__all__ = ["ParkedRow", "page", "release", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRow:
    """One event that is parked."""

    queue: str
    """``delivery``: a handler failed; ``relay``: the broker refused it."""
    event: EventRow
    tries: int
    reason: str
    parked_at: datetime
    """By the database's clock."""


_PAGE: Final = (
    select(work.c.id, work.c.queue, work.c.attempts, work.c.reason, work.c.parked_ms)
    .where(*PARKED, work.c.id > bindparam("after", type_=String))
    .order_by(work.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_THIS: Final = (work.c.queue == bindparam("at_queue"), work.c.id == bindparam("at_id"))
_REMOVE: Final = delete(work).where(*_THIS)
_TO_RELAY: Final = update(work).where(*_THIS).values(queue="relay")


def page(tx: Tx, limit: int, after: str) -> list[ParkedRow]:
    """Return what is parked, by the age of the events; those behind `after`."""
    found = tx.on(work).execute(_PAGE, {"after": after, "at_most": limit}).all()
    told = by_ids(tx, [UUID(row.id) for row in found])
    return [
        ParkedRow(
            queue=row.queue,
            event=told[UUID(row.id)],
            tries=row.attempts,
            reason=row.reason or "",
            parked_at=datetime.fromtimestamp(row.parked_ms / 1000, UTC),
        )
        for row in found
    ]


def release(tx: Tx, event_id: str) -> str | None:
    """
    Make a parked event due now, with a fresh schedule.

    Returns the queue in which it stands, locked; None if it is not parked.
    """
    given = {"at_id": event_id, **clock_values(tx.world)}
    queue: str | None = tx.on(work).scalar(TIMED[tx.world.simulated].release, given)
    return queue


def remove(tx: Tx, queue: str, event_id: str, *, relay: bool) -> None:
    """End what was just released; with `relay` the broker gets what handlers miss."""
    statement = _TO_RELAY if relay and queue == "delivery" else _REMOVE
    tx.on(work).execute(statement, {"at_queue": queue, "at_id": event_id})
