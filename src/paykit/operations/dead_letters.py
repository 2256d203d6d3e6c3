"""
Webhooks that paykit could not apply: what a person sees of them, and may do.

A dead letter blocks nobody and is never lost. When the reason is gone it is replayed:
put back with fresh counts, as if it had just come. What nobody can ever apply is
discarded. Either is written down with its actor, in a table that is only appended to:
most dead letters have no payment in whose history it could stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from paykit.engine import Flow, commit
from paykit.errors import NotAllowed, NotFound
from paykit.operations.commands import Actor, Command, Text, build
from paykit.operations.preview import preview
from paykit.store import dead_letters, inbox
from paykit.store.dead_letters import ActionRow
from paykit.store.inbox import InboxRow
from paykit.store.tx import Tx

__all__ = [
    "DeadLetterPage",
    "WebhookView",
    "discard",
    "list_dead_letters",
    "read_webhook",
    "replay",
    "replay_all",
]

_PAGE_MAX: Final = 500
_AT_ONCE: Final = 100
"""How many dead letters one transaction puts back."""

_InboxId = Annotated[str, StringConstraints(min_length=1, max_length=512)]
_Type = Annotated[str, StringConstraints(min_length=1, max_length=255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookView:
    """One webhook, as a person may see it."""

    id: str
    """What `replay` and `discard` want: the binding and the PSP's event id."""
    event_id: str
    event_type: str
    account: str | None
    binding: str
    status: str
    """``received``, ``applied``, ``ignored`` or ``dead``."""
    reason: str | None
    """Why it is ignored or dead, or not done yet; without values from its body."""
    payment_id: str | None
    received_at: datetime
    age_seconds: float
    """Since it was received."""
    first_failed_at: datetime | None
    dead_at: datetime | None
    """Of a dead letter: when it failed for the last time."""
    failures: int
    """How often our code failed on it."""
    deferrals: int
    """How often its payment was looked for in vain."""
    unread: int
    """How often in a row the PSP could not be read."""
    erased: bool
    """Whether its body was erased, so that it cannot be replayed any more."""
    preview: str | None
    """Known fields of the body, such as ids and states; None once it was erased."""
    actions: tuple[ActionRow, ...] = ()
    """What people did with it, oldest first; a page leaves this out."""


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Some dead letters, in the order of their ids."""

    items: tuple[WebhookView, ...]
    next: str | None
    """Pass it as `after` to get the following page; None on the last one."""


class _Filter(Command, frozen=True):
    event_type: _Type | None = None
    reason: Text | None = None


class _PageOf(_Filter, frozen=True):
    limit: int = Field(ge=1, le=_PAGE_MAX)
    after: _InboxId | None = None


class _One(Command, frozen=True):
    inbox_id: _InboxId


class _Replay(_One, frozen=True):
    actor: Actor


class _ReplayAll(_Filter, frozen=True):
    actor: Actor


class _Discard(_Replay, frozen=True):
    reason: Text


def list_dead_letters(
    limit: int, after: str | None, event_type: str | None, reason: str | None, tx: Tx
) -> DeadLetterPage:
    """Return a page; raises `InvalidRequest`, for example for a wrong limit."""
    wanted = {"event_type": event_type, "reason": reason}
    asked = build(_PageOf, {"limit": limit, "after": after, **wanted})
    rows = dead_letters.page(
        tx,
        limit=asked.limit + 1,
        after=asked.after,
        event_type=asked.event_type,
        reason=asked.reason,
    )
    items = tuple(_view(tx, row) for row in rows[: asked.limit])
    return DeadLetterPage(items, items[-1].id if len(rows) > asked.limit else None)


def read_webhook(inbox_id: str, tx: Tx) -> WebhookView:
    """Return one webhook of any status, with what people did; raises `NotFound`."""
    return _whole(tx, build(_One, {"inbox_id": inbox_id}).inbox_id)


def replay(inbox_id: str, actor: str) -> Flow[WebhookView]:
    """
    Put a dead or ignored webhook back; one that is pending already stays as it is.

    Raises `NotFound`, or `NotAllowed` if it was applied or its body was erased.
    """
    asked = build(_Replay, {"inbox_id": inbox_id, "actor": actor})
    return (yield from commit(partial(_replay, asked)))


def replay_all(actor: str, event_type: str | None, reason: str | None) -> Flow[int]:
    """Put all dead letters back that fit, some at a time; return how many."""
    fields = {"actor": actor, "event_type": event_type, "reason": reason}
    asked = build(_ReplayAll, fields)
    count, after = 0, None
    while True:
        ids = yield from commit(partial(_fitting, asked, after))
        if not ids:
            return count
        count += yield from commit(partial(_replay_some, asked, ids))
        after = ids[-1]


def discard(inbox_id: str, actor: str, reason: str) -> Flow[WebhookView]:
    """
    Give a dead letter up for good reasons; one that is ignored stays as it is.

    Raises `NotFound`, or `NotAllowed` if it is pending or was applied.
    """
    fields = {"inbox_id": inbox_id, "actor": actor, "reason": reason}
    return (yield from commit(partial(_discard, build(_Discard, fields))))


# -- phases ----------------------------------------------------------------------------


def _replay(asked: _Replay, tx: Tx) -> WebhookView:
    found = _whole(tx, asked.inbox_id)
    if found.erased:
        raise NotAllowed(f"webhook {found.id}: its body was erased, nothing is left")
    if found.status == "applied":
        raise NotAllowed(f"webhook {found.id} was applied, and needs no replay")
    dead_letters.replay(tx, [found.id], actor=asked.actor)
    return _whole(tx, found.id)


def _fitting(asked: _ReplayAll, after: str | None, tx: Tx) -> list[str]:
    rows = dead_letters.page(
        tx,
        limit=_AT_ONCE,
        after=after,
        event_type=asked.event_type,
        reason=asked.reason,
    )
    return [row.id for row in rows]


def _replay_some(asked: _ReplayAll, ids: list[str], tx: Tx) -> int:
    dead_letters.replay(tx, ids, actor=asked.actor)
    # Not how many this phase has changed: it may have been committed before.
    return sum(inbox.load(tx, id_).status != "dead" for id_ in ids)


def _discard(asked: _Discard, tx: Tx) -> WebhookView:
    found = _whole(tx, asked.inbox_id)
    if found.status not in {"dead", "ignored"}:
        raise NotAllowed(f"webhook {found.id} is {found.status}, and no dead letter")
    dead_letters.discard(tx, found.id, actor=asked.actor, reason=asked.reason)
    return _whole(tx, found.id)


def _whole(tx: Tx, inbox_id: str) -> WebhookView:
    row = dead_letters.find(tx, inbox_id)
    if row is None:
        raise NotFound("no webhook with this id")
    return _view(tx, row, dead_letters.actions_of(tx, inbox_id))


def _view(tx: Tx, row: InboxRow, actions: tuple[ActionRow, ...] = ()) -> WebhookView:
    return WebhookView(
        id=row.id,
        event_id=row.event_id,
        event_type=row.event_type,
        account=row.account,
        binding=row.binding,
        status=row.status,
        reason=row.reason,
        payment_id=row.payment_id,
        received_at=row.received_at,
        age_seconds=max(0.0, (tx.now - row.received_at).total_seconds()),
        first_failed_at=row.first_failed_at,
        dead_at=row.dead_at,
        failures=row.failures,
        deferrals=row.deferrals,
        unread=row.unread,
        erased=row.body is None,
        preview=None if row.body is None else preview(row.body),
        actions=actions,
    )
