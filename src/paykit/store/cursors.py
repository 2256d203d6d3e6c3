"""
How far the PSP's list of events has been read.

A walk goes from the newest event back to `since`, a page at a time, and may be stopped
and taken up again between two pages. Only its end moves `since`, and then a little less
far than the newest event: events of one second have no order, and some are shown late.
Times are the PSP's own, so that no host's clock can make a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, insert, select, update

from paykit.store.schema.payments import payment
from paykit.store.schema.version import schema_version
from paykit.store.schema.watching import event_cursor
from paykit.store.tx import Tx

__all__ = [
    "KEPT",
    "MARGIN",
    "OVERLAP",
    "Cursor",
    "advance",
    "begin_anew",
    "find",
    "load",
    "skip_gap",
]

OVERLAP: Final = timedelta(minutes=5)
"""How much of what is known is read again; the inbox knows what it has."""

MARGIN: Final = timedelta(hours=1)
"""How long before the installation a first walk begins."""

KEPT: Final = timedelta(days=30)
"""How long PSPs show events; Stripe: https://docs.stripe.com/api/events/list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the reading of one binding's events stands."""

    binding: str
    since: datetime
    newest: datetime | None
    position: str | None
    listed_at: datetime


_AT: Final = event_cursor.c.binding == bindparam("at_binding")
_LOAD: Final = select(event_cursor).where(_AT)
_MOVE: Final = update(event_cursor).where(_AT)


def find(tx: Tx, binding: str) -> Cursor | None:
    """Return the cursor of `binding`, if its events were ever to be read."""
    row = tx.on(event_cursor).execute(_LOAD, {"at_binding": binding}).one_or_none()
    return None if row is None else Cursor(**row._mapping)


def load(tx: Tx, binding: str) -> Cursor:
    """
    Return the cursor of `binding`; the first time it begins at the installation.

    Until then nothing was listed since the first payment: if that is too long ago, what
    happened meanwhile is a gap like any other.
    """
    found = find(tx, binding)
    if found is not None:
        return found
    installed = tx.connection.scalar(select(func.min(schema_version.c.applied_at)))
    paid = select(func.min(payment.c.created_at)).where(payment.c.binding == binding)
    first = Cursor(
        binding=binding,
        since=(installed or tx.now) - MARGIN,
        newest=None,
        position=None,
        listed_at=tx.connection.scalar(paid) or tx.now,
    )
    # The lease of the job keeps others from doing the same.
    tx.on(event_cursor).execute(insert(event_cursor), _values(first))
    return first


def advance(
    tx: Tx, cursor: Cursor, *, newest: datetime | None, position: str | None
) -> Cursor:
    """
    Note that a page was kept, in the transaction that keeps it.

    `newest` is that of the page, which counts if it is the first one of the walk;
    without a `position` the walk is over.
    """
    newest = newest if cursor.position is None else cursor.newest
    if position is not None:
        return _write(tx, replace(cursor, newest=newest, position=position))
    since = cursor.since if newest is None else max(cursor.since, newest - OVERLAP)
    over = replace(cursor, since=since, newest=None, position=None, listed_at=tx.now)
    return _write(tx, over)


def begin_anew(tx: Tx, cursor: Cursor) -> Cursor:
    """Give up a walk whose position the PSP does not know any more."""
    return _write(tx, replace(cursor, newest=None, position=None))


def skip_gap(tx: Tx, cursor: Cursor) -> Cursor:
    """
    Begin a walk, which ends with the oldest event that the PSP still shows.

    `since` stays where it is: a clock of ours that runs ahead makes a gap that is none,
    and must not make a real one.
    """
    now = replace(cursor, newest=None, position=None, listed_at=tx.now)
    return _write(tx, now)


def _write(tx: Tx, after: Cursor) -> Cursor:
    given = {"at_binding": after.binding, **_values(after)}
    tx.on(event_cursor).execute(_MOVE, given)
    return after


def _values(cursor: Cursor) -> dict[str, object]:
    columns = event_cursor.columns.keys()
    return {name: getattr(cursor, name) for name in columns}
