"""
The statements about pending work, built once: building one costs more than running it.

What reads the clock exists twice: for the database's own, and for a simulated one,
whose time comes as the parameter ``now_ms`` (see `paykit.store.clock`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Delete,
    Insert,
    Integer,
    Select,
    Update,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from paykit.store.clock import database_clock
from paykit.store.schema.messages import inbox, work

__all__ = [
    "ATTEMPTS",
    "FINISH",
    "FINISH_HELD",
    "NEVER_MS",
    "PARKED",
    "TIMED",
    "Timed",
]

_DELAY: Final = bindparam("delay_ms", type_=BigInteger)
_THIS: Final = (work.c.queue == bindparam("at_queue"), work.c.id == bindparam("at_id"))
_HELD: Final = (*_THIS, work.c.lease == bindparam("at_lease", type_=work.c.lease.type))

FINISH: Final[Delete] = delete(work).where(*_HELD)
"""Row ``at_queue``, ``at_id``, if it is held under ``at_lease``."""

FINISH_HELD: Final[ReturningDelete[Any]] = (
    delete(work)
    .where(
        work.c.queue == bindparam("at_queue"),
        work.c.id.in_(bindparam("ids", expanding=True)),
        _HELD[-1],
    )
    .returning(work.c.id)
)
"""Of the rows ``ids`` those that are held under ``at_lease``."""

NEVER_MS: Final = 253_402_300_799_000
"""The last second of the year 9999: when parked work is due."""

PARKED: Final = (
    work.c.queue.in_(("delivery", "relay")),
    work.c.due_ms == NEVER_MS,
    work.c.parked_ms.is_not(None),
)
"""Rows that wait for a person; the due time is there for the index."""

_FREE: Final[Mapping[str, None]] = {"lease": None, "lease_until_ms": None}

ATTEMPTS: Final[Select[Any]] = select(work.c.attempts).where(*_THIS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timed:
    """The statements that know what time it is; see `paykit.store.work`."""

    put: Insert
    ensure: Mapping[str, Insert]
    """By dialect."""
    due: Select[Any]
    due_in_order: Select[Any]
    """Rows of a group only when nothing earlier of it is left."""
    due_heads: Select[Any]
    """As many as ``at_most``, the first one of its group each."""
    due_inbox: Select[Any]
    """As many webhooks as ``at_most``, whole, and ``attempts``; their work locked."""
    hold: Update
    hold_all: Update
    is_held: Select[Any]
    hasten: Update
    """What nobody holds is due now."""
    fence: Update
    postpone: Update
    park: Update
    hand_over: Update
    """To another queue: due at once, and with a schedule of its own."""
    release: ReturningUpdate[Any]
    """What is parked, for a person; the queue in which it was."""


def _timed(now: ColumnElement[int]) -> Timed:
    free = or_(work.c.lease.is_(None), work.c.lease_until_ms <= now)
    until = {"lease_until_ms": now + _DELAY, "due_ms": now + _DELAY}
    lease = bindparam("lease", type_=work.c.lease.type)
    taken = {"lease": lease, **until}
    counted = work.c.attempts + bindparam("counted", type_=Integer)
    return Timed(
        put=_put(now),
        ensure={
            "postgresql": _ensure(postgresql.insert(work), now),
            "sqlite": _ensure(sqlite.insert(work), now),
        },
        due=_due(now, free),
        due_in_order=_due(now, free).where(~_blocked().exists()),
        due_heads=_due(now, free, bindparam("at_most", type_=Integer)).where(
            ~_blocked().exists()
        ),
        due_inbox=_due_inbox(now, free),
        hold=update(work)
        .where(*_THIS, free | (work.c.lease == lease))
        .values(**taken, attempts=counted)
        .returning(work.c.attempts),
        hold_all=update(work)
        .where(
            work.c.queue == bindparam("at_queue"),
            work.c.id.in_(bindparam("ids", expanding=True)),
        )
        .values(**taken, attempts=work.c.attempts + 1)
        .returning(work.c.id, work.c.attempts),
        is_held=select(work.c.id).where(*_THIS, work.c.lease_until_ms > now),
        hasten=update(work).where(*_THIS, work.c.lease.is_(None)).values(due_ms=now),
        fence=update(work).where(*_HELD).values(**until),
        postpone=_postpone(now),
        park=_park(now),
        hand_over=update(work)
        .where(*_HELD)
        .values(**_FREE, queue=bindparam("to_queue"), due_ms=now, attempts=0),
        release=update(work)
        .where(work.c.id == bindparam("at_id"), *PARKED)
        .values(due_ms=now, attempts=0, parked_ms=None, reason=None)
        .returning(work.c.queue),
    )


def _postpone(now: ColumnElement[int]) -> Update:
    counted = work.c.attempts - bindparam("uncounted", type_=Integer)
    later = {**_FREE, "due_ms": now + _DELAY, "attempts": counted}
    return update(work).where(*_HELD).values(**later)


def _park(now: ColumnElement[int]) -> Update:
    parked = {**_FREE, "due_ms": NEVER_MS, "parked_ms": now}
    return update(work).where(*_HELD).values(**parked, reason=bindparam("why"))


def _put(now: ColumnElement[int]) -> Insert:
    """Return the INSERT of new work; ``hold_ms`` is NULL unless it is held."""
    plain = ("queue", "id", "group_id", "position", "lease")
    return insert(work).values(
        **{name: bindparam(name) for name in plain},
        attempts=0,
        due_ms=now + _DELAY,
        lease_until_ms=now + bindparam("hold_ms", type_=BigInteger),
    )


def _ensure(
    put: postgresql.Insert | sqlite.Insert, now: ColumnElement[int]
) -> postgresql.Insert | sqlite.Insert:
    """Return the INSERT that moves an existing row forward, and frees it."""
    statement = put.values(
        queue=bindparam("queue"), id=bindparam("id"), due_ms=now + _DELAY, attempts=0
    )
    sooner = case(
        (work.c.due_ms < statement.excluded.due_ms, work.c.due_ms),
        else_=statement.excluded.due_ms,
    )
    # The lease is dropped: whoever works on it now has read too early.
    return statement.on_conflict_do_update(
        index_elements=[work.c.queue, work.c.id],
        set_={"due_ms": sooner, "lease": None, "lease_until_ms": None},
    )


def _due(
    now: ColumnElement[int],
    free: ColumnElement[bool],
    at_most: int | BindParameter[int] = 1,
) -> Select[Any]:
    return (
        select(work.c.id)
        .where(work.c.queue == bindparam("at_queue"), work.c.due_ms <= now, free)
        .order_by(work.c.due_ms, work.c.id)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )


def _blocked() -> Select[Any]:
    earlier = work.alias("earlier")
    return select(earlier.c.id).where(
        earlier.c.queue == work.c.queue,
        earlier.c.group_id == work.c.group_id,
        earlier.c.position < work.c.position,
    )


def _due_inbox(now: ColumnElement[int], free: ColumnElement[bool]) -> Select[Any]:
    return (
        select(inbox, work.c.attempts)
        .join_from(work, inbox, inbox.c.id == work.c.id)
        .where(work.c.queue == "inbox", work.c.due_ms <= now, free)
        .order_by(work.c.due_ms, work.c.id)
        .limit(bindparam("at_most", type_=Integer))
        .with_for_update(of=work, skip_locked=True)
    )


TIMED: Final[Mapping[bool, Timed]] = {
    simulated: _timed(database_clock(simulated=simulated))
    for simulated in (False, True)
}
"""By whether the clock is a simulated one."""
