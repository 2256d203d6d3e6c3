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

from paykit.store.clock import database_clock
from paykit.store.schema.messages import inbox, work

__all__ = ["ATTEMPTS", "FINISH", "FINISH_ALL", "TIMED", "Timed"]

_DELAY: Final = bindparam("delay_ms", type_=BigInteger)
_THIS: Final = (work.c.queue == bindparam("at_queue"), work.c.id == bindparam("at_id"))
_HELD: Final = (*_THIS, work.c.lease == bindparam("at_lease", type_=work.c.lease.type))

FINISH: Final[Delete] = delete(work).where(*_HELD)
"""Row ``at_queue``, ``at_id``, if it is held under ``at_lease``."""

FINISH_ALL: Final[Delete] = delete(work).where(
    work.c.queue == bindparam("at_queue"),
    work.c.id.in_(bindparam("ids", expanding=True)),
)

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
    due_inbox: Select[Any]
    """As many webhooks as ``at_most``, whole, with their work locked."""
    hold: Update
    hold_all: Update
    fence: Update
    postpone: Update


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
        fence=update(work).where(*_HELD).values(**until),
        postpone=update(work)
        .where(*_HELD)
        .values(lease=None, lease_until_ms=None, due_ms=now + _DELAY),
    )


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


def _due(now: ColumnElement[int], free: ColumnElement[bool]) -> Select[Any]:
    return (
        select(work.c.id)
        .where(work.c.queue == bindparam("at_queue"), work.c.due_ms <= now, free)
        .order_by(work.c.due_ms, work.c.id)
        .limit(1)
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
        select(inbox)
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
