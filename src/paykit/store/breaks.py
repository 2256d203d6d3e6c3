"""Reconciliation breaks: where the PSP and we disagree, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from paykit.store.events import Aggregate
from paykit.store.ignoring import insert_or_ignore
from paykit.store.schema.breaks import reconciliation_break
from paykit.store.tx import Params, Tx, Write, many

__all__ = [
    "DISPUTED_TOO_MUCH",
    "BreakRow",
    "OpenBreaks",
    "close_break",
    "find",
    "open_break",
    "open_breaks",
    "page",
    "resolve",
]

DISPUTED_TOO_MUCH: Final = "disputed_too_much"
"""More is disputed than was captured, as far as anybody has told."""

_ITEM: Final = 64
"""How much of an item's name fits into the id of a break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakRow:
    """One break; `aggregatetype` and `aggregateid` say what it is about."""

    id: str
    merchant_id: str
    aggregatetype: str
    aggregateid: str
    kind: str
    detail: dict[str, object]
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBreaks:
    """The breaks that nobody has closed."""

    count: int
    oldest: datetime | None
    """When the first of them was opened."""


_table: Final = reconciliation_break
_BREAK: Final = insert_or_ignore(_table)


def _break_all(connection: Connection, rows: Sequence[Params]) -> None:
    many(_BREAK[connection.dialect.name])(connection, rows)


_THIS: Final = _table.c.id == bindparam("at_id")
_IS_OPEN: Final = _table.c.resolved_at.is_(None)
_BY_PERSON: Final = _table.c.resolved_by.is_not(None)
_SHOWN: Final = bindparam("shown", type_=_table.c.detail.type)
_OPENED: Final = {"resolved_at": None, "resolved_by": None, "resolution": None}

_OPEN_BREAK: Final = Write(_table, 43, _break_all)
_REOPEN: Final = Write(
    _table,
    44,
    many(
        update(_table)
        .where(_THIS, ~_IS_OPEN, or_(~_BY_PERSON, _table.c.detail != _SHOWN))
        .values(opened_at=bindparam("now"), detail=_SHOWN, **_OPENED)
    ),
)
_CLOSE: Final = Write(
    _table,
    45,
    many(
        update(_table)
        .where(_THIS, or_(_IS_OPEN, _BY_PERSON))
        .values(resolved_at=bindparam("now"), resolved_by=None, resolution=None)
    ),
)
_RESOLVE: Final = (
    update(_table)
    .where(_THIS, _IS_OPEN)
    .values(
        resolved_at=bindparam("now"),
        resolved_by=bindparam("by"),
        resolution=bindparam("why"),
    )
)
_OPEN_ONES: Final = select(
    func.count().label("found"), func.min(_table.c.opened_at).label("oldest")
).where(_IS_OPEN)


def open_break(
    tx: Tx,
    about: Aggregate,
    kind: str,
    detail: Mapping[str, object],
    *,
    item: str | None = None,
    again: bool = False,
) -> None:
    """
    Open a reconciliation break for a person to look at; once per kind, or once for each
    `item` of a kind that there may be many of.

    One that was closed stays closed, because every look at the PSP shows the same
    again: so what may come a second time needs an `item`, or closing the first would
    hide it. With `again` it is opened: it was over, and is back. One that a person has
    closed is over in so far as it shows the same `detail`.
    """
    values = {
        "id": _id(about.id, kind if item is None else f"{kind}/{item[:_ITEM]}"),
        "merchant_id": about.merchant_id,
        "aggregatetype": about.kind,
        "aggregateid": about.id,
        "kind": kind,
        "detail": dict(detail),
        "opened_at": tx.now,
    }
    tx.later(_OPEN_BREAK, values)
    if again:
        tx.later(_REOPEN, {"at_id": values["id"], "now": tx.now, "shown": dict(detail)})


def close_break(tx: Tx, aggregate_id: str, kind: str) -> None:
    """
    Close a break, because the PSP shows that it is over.

    One that a person has closed is over for good by that: when it is back, it is new.
    """
    tx.later(_CLOSE, {"at_id": _id(aggregate_id, kind), "now": tx.now})


def resolve(tx: Tx, break_id: str, *, by: str, why: str) -> bool:
    """Close a break as a person says; False if it is not open."""
    given = {"at_id": break_id, "now": tx.now, "by": by, "why": why}
    return tx.on(_table).execute(_RESOLVE, given).rowcount == 1


def find(tx: Tx, break_id: str) -> BreakRow | None:
    """Return a break, open or closed."""
    statement = select(_table).where(_THIS)
    row = tx.on(_table).execute(statement, {"at_id": break_id}).one_or_none()
    return None if row is None else BreakRow(**row._mapping)


def page(
    tx: Tx, *, limit: int, after: tuple[datetime, str] | None, closed: bool
) -> Sequence[BreakRow]:
    """Return up to `limit` breaks by the time and the id, those behind `after`."""
    statement = select(_table).order_by(_table.c.opened_at, _table.c.id).limit(limit)
    if not closed:
        statement = statement.where(_IS_OPEN)
    if after is not None:
        opened_at, id_ = after
        same = and_(_table.c.opened_at == opened_at, _table.c.id > id_)
        statement = statement.where(or_(_table.c.opened_at > opened_at, same))
    return [BreakRow(**row._mapping) for row in tx.on(_table).execute(statement)]


def open_breaks(tx: Tx) -> OpenBreaks:
    """Return how many reconciliation breaks nobody has closed, and since when."""
    row = tx.on(_table).execute(_OPEN_ONES).one()
    return OpenBreaks(count=row.found, oldest=row.oldest)


def _id(aggregate_id: str, kind: str) -> str:
    return f"{aggregate_id}/{kind}"
