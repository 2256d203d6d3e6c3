"""Reconciliation breaks: where the PSP and we disagree, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, func, select, update

from paykit.store.events import Aggregate
from paykit.store.ignoring import insert_or_ignore
from paykit.store.schema.breaks import reconciliation_break
from paykit.store.tx import Params, Tx, Write, many

__all__ = ["DISPUTED_TOO_MUCH", "close_break", "open_break", "open_breaks"]

DISPUTED_TOO_MUCH: Final = "disputed_too_much"
"""More is disputed than was captured, as far as anybody has told."""

_ITEM: Final = 64
"""How much of an item's name fits into the id of a break."""

_BREAK: Final = insert_or_ignore(reconciliation_break)


def _break_all(connection: Connection, rows: Sequence[Params]) -> None:
    many(_BREAK[connection.dialect.name])(connection, rows)


_THIS: Final = reconciliation_break.c.id == bindparam("at_id")
_IS_OPEN: Final = reconciliation_break.c.resolved_at.is_(None)

_OPEN_BREAK: Final = Write(reconciliation_break, 43, _break_all)
_REOPEN: Final = Write(
    reconciliation_break,
    44,
    many(
        update(reconciliation_break)
        .where(_THIS, ~_IS_OPEN)
        .values(opened_at=bindparam("now"), detail=bindparam("shown"), resolved_at=None)
    ),
)
_CLOSE: Final = Write(
    reconciliation_break,
    45,
    many(
        update(reconciliation_break)
        .where(_THIS, _IS_OPEN)
        .values(resolved_at=bindparam("now"))
    ),
)


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
    again. With `again` it is opened: it was over, and is back.
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
    """Close a break, if it is open, because the PSP shows that it is over."""
    tx.later(_CLOSE, {"at_id": _id(aggregate_id, kind), "now": tx.now})


def open_breaks(tx: Tx) -> int:
    """Return how many reconciliation breaks are not resolved yet."""
    return tx.connection.scalar(select(func.count()).where(_IS_OPEN)) or 0


def _id(aggregate_id: str, kind: str) -> str:
    return f"{aggregate_id}/{kind}"
