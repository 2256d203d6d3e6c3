"""
Breaks, as a person sees them: where the PSP and we disagree, and closing one.

Whoever closes a break says that it is understood: nothing is booked, sent or released
by it. The decision is written into the history of what the break is about, with its
actor and reason, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from paykit.engine import Flow, commit
from paykit.errors import InvalidRequest, NotAllowed, NotFound
from paykit.operations.commands import Actor, Command, Text, build
from paykit.operations.histories import lock, tell
from paykit.store import breaks
from paykit.store.breaks import BreakRow
from paykit.store.events import NewEvent
from paykit.store.tx import Tx

__all__ = ["BreakPage", "BreakView", "close_break", "list_breaks", "show_break"]

_PAGE_MAX: Final = 500

_BreakId = Annotated[str, StringConstraints(min_length=1, max_length=160)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakView:
    """One disagreement between what the PSP shows and what was asked; times are UTC."""

    id: str
    kind: str
    """Such as ``second_object``: see the guide on breaks."""
    aggregate: str
    """What it is about: ``payment``, ``payout`` or ``subscription``."""
    aggregate_id: str
    merchant: str
    detail: Mapping[str, object]
    """What the PSP shows: ids, states and amounts in minor units."""
    opened_at: datetime
    """When it was opened, last if more than once."""
    closed_at: datetime | None
    """None while it is open."""
    closed_by: str | None
    """Who has closed it; None if the PSP has shown that it is over."""
    reason: str | None
    """Why, in the words of who has closed it."""


@dataclass(frozen=True, slots=True)
class BreakPage:
    """Some breaks, oldest first."""

    items: tuple[BreakView, ...]
    next: str | None
    """Pass it as `after` to get the following page; None on the last one."""


class _PageOf(Command, frozen=True):
    limit: int = Field(ge=1, le=_PAGE_MAX)


class _BreakOnly(Command, frozen=True):
    break_id: _BreakId


class _Close(_BreakOnly, frozen=True):
    actor: Actor
    reason: Text


def list_breaks(limit: int, after: str | None, closed: bool, tx: Tx) -> BreakPage:
    """Return a page of the open breaks, or of all; raises `InvalidRequest`."""
    wanted = build(_PageOf, {"limit": limit}).limit
    rows = breaks.page(tx, limit=wanted + 1, after=_place(after), closed=closed)
    items = tuple(_view(row) for row in rows[:wanted])
    more = len(rows) > wanted
    return BreakPage(items, _cursor(rows[wanted - 1]) if more else None)


def _cursor(row: BreakRow) -> str:
    return f"{row.opened_at.isoformat()} {row.id}"


def _place(after: str | None) -> tuple[datetime, str] | None:
    """Return the place behind which a page begins."""
    if after is None:
        return None
    opened_at, _, id_ = after.partition(" ")
    wrong = InvalidRequest("after: not the end of a page", field="after")
    try:
        found = datetime.fromisoformat(opened_at)
    except ValueError:
        raise wrong from None
    if found.tzinfo is None or not id_:
        raise wrong
    return found, id_


def show_break(break_id: str, tx: Tx) -> BreakView:
    """Return one break, open or closed; raises `NotFound`."""
    return _view(_row(tx, build(_BreakOnly, {"break_id": break_id}).break_id))


def close_break(break_id: str, actor: str, reason: str) -> Flow[BreakView]:
    """
    Close a break by a person's decision; repeating the same one changes nothing.

    Raises `InvalidRequest`, `NotFound`, and `NotAllowed` if it is closed already.
    """
    fields = {"break_id": break_id, "actor": actor, "reason": reason}
    return (yield from commit(partial(_close, build(_Close, fields))))


# -- phases ----------------------------------------------------------------------------


def _close(asked: _Close, tx: Tx) -> BreakView:
    found = _row(tx, asked.break_id)
    # Before the break itself: who opens or closes one holds this lock.
    lock(tx, found.aggregatetype, found.aggregateid)
    if breaks.resolve(tx, found.id, by=asked.actor, why=asked.reason):
        data: dict[str, object] = {
            "break_id": found.id,
            "kind": found.kind,
            "detail": found.detail,
            "actor": asked.actor,
            "reason": asked.reason,
        }
        told = NewEvent(type="break.closed", data=data)
        cause = f"person {asked.actor}"
        tell(tx, found.aggregatetype, found.aggregateid, told, cause=cause)
    closed = _row(tx, asked.break_id)
    if (closed.resolved_by, closed.resolution) != (asked.actor, asked.reason):
        raise NotAllowed(f"break {closed.id} was closed before: look at it again")
    return _view(closed)


def _row(tx: Tx, break_id: str) -> BreakRow:
    row = breaks.find(tx, break_id)
    if row is None:
        raise NotFound(f"no break {break_id!r}")
    return row


def _view(row: BreakRow) -> BreakView:
    return BreakView(
        id=row.id,
        kind=row.kind,
        aggregate=row.aggregatetype,
        aggregate_id=row.aggregateid,
        merchant=row.merchant_id,
        detail=row.detail,
        opened_at=row.opened_at,
        closed_at=row.resolved_at,
        closed_by=row.resolved_by,
        reason=row.resolution,
    )
