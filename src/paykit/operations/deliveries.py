"""
Events that nobody could deliver: what a person sees of them, and may do.

A parked event holds up the later ones of its payment or payout. A person releases it
when the handler is mended, or skips it. Either is written into that one's history with
its actor, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from paykit.engine import Environment, Flow, commit
from paykit.errors import NotFound
from paykit.operations.commands import Actor, Command, Text, build
from paykit.operations.histories import tell
from paykit.operations.views import EventView
from paykit.store import events, parked
from paykit.store.events import NewEvent
from paykit.store.parked import ParkedRow
from paykit.store.tx import Tx

__all__ = ["ParkedPage", "ParkedView", "list_parked", "release", "skip"]

_PAGE_MAX: Final = 500

_EventId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_WHERE: Final[dict[str, Literal["handlers", "broker"]]] = {
    "delivery": "handlers",
    "relay": "broker",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedView:
    """One event that is not delivered, and will not be without a person."""

    event: EventView
    at: Literal["handlers", "broker"]
    """Whether a handler fails, or the message broker refuses it."""
    reason: str
    """The kind of the last error and where it was raised, without its text."""
    tries: int
    parked_at: datetime
    """By the database's clock, in UTC."""


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """Some parked events, oldest first."""

    items: tuple[ParkedView, ...]
    next: str | None
    """Pass it as `after` to get the following page; None on the last one."""


class _PageOf(Command, frozen=True):
    limit: int = Field(ge=1, le=_PAGE_MAX)
    after: _EventId | None = None


class _Release(Command, frozen=True):
    event_id: _EventId
    actor: Actor


class _Skip(_Release, frozen=True):
    reason: Text


def list_parked(limit: int, after: str | None, tx: Tx) -> ParkedPage:
    """Return a page of parked events; raises `InvalidRequest` for a wrong limit."""
    asked = build(_PageOf, {"limit": limit, "after": after})
    rows = parked.page(tx, asked.limit + 1, asked.after or "")
    items = tuple(_view(row) for row in rows[: asked.limit])
    return ParkedPage(items, items[-1].event.id if len(rows) > asked.limit else None)


def _view(row: ParkedRow) -> ParkedView:
    return ParkedView(
        event=EventView.of(row.event),
        at=_WHERE[row.queue],
        reason=row.reason,
        tries=row.tries,
        parked_at=row.parked_at,
    )


def release(env: Environment, event_id: str, actor: str) -> Flow[None]:
    """Try a parked event again, from the start of its schedule; raises `NotFound`."""
    asked = build(_Release, {"event_id": event_id, "actor": actor})
    token = str(env.world.new_uuid())
    yield from commit(partial(_release, asked, token))


def skip(env: Environment, event_id: str, actor: str, reason: str) -> Flow[None]:
    """
    Give a parked event up, so that the next one of its payment has its turn.

    What the handlers miss the broker still gets, if there is one. Raises `NotFound`.
    """
    fields = {"event_id": event_id, "actor": actor, "reason": reason}
    asked = build(_Skip, fields)
    token = str(env.world.new_uuid())
    yield from commit(partial(_skip, asked, token, env.publisher is not None))


# -- phases ----------------------------------------------------------------------------


def _release(asked: _Release, token: str, tx: Tx) -> None:
    queue = _take(asked, token, tx)
    if queue is not None:
        data = _facts(asked, queue, token)
        _tell(tx, asked, NewEvent(type="delivery.released", data=data))


def _skip(asked: _Skip, token: str, relay: bool, tx: Tx) -> None:
    queue = _take(asked, token, tx)
    if queue is not None:
        parked.remove(tx, queue, asked.event_id, relay=relay)
        data = {**_facts(asked, queue, token), "reason": asked.reason}
        _tell(tx, asked, NewEvent(type="delivery.skipped", data=data))


def _take(asked: _Release, token: str, tx: Tx) -> str | None:
    """Return the queue of the event, its row locked; None if we did this before."""
    queue = parked.release(tx, asked.event_id)
    if queue is None and not _done_before(asked.event_id, token, tx):
        raise NotFound(f"event {asked.event_id} is not parked")
    return queue


def _done_before(event_id: str, token: str, tx: Tx) -> bool:
    """Whether the reply to our own COMMIT was lost, and the driver asks again."""
    try:
        found = events.by_ids(tx, [UUID(event_id)])
    except ValueError:
        return False
    return any(
        told.payload.get("request") == token
        for row in found.values()
        for told in events.of_aggregate(tx, row.aggregate_id)
    )


def _facts(asked: _Release, queue: str, token: str) -> dict[str, object]:
    facts = {"event_id": asked.event_id, "at": _WHERE[queue], "actor": asked.actor}
    return {**facts, "request": token}


def _tell(tx: Tx, asked: _Release, told: NewEvent) -> None:
    row = events.by_id(tx, UUID(asked.event_id))
    tell(tx, row.aggregate, row.aggregate_id, told, cause=f"person {asked.actor}")
