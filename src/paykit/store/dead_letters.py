"""Webhooks that wait for a person, what a person does with them, and old bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import bindparam, insert, select, update

from paykit.store.inbox import InboxRow
from paykit.store.schema.messages import inbox, inbox_action
from paykit.store.tx import Tx

__all__ = [
    "ActionRow",
    "actions_of",
    "discard",
    "erase_bodies",
    "find",
    "page",
    "replay",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """What a person did with a webhook."""

    action: Literal["replay", "discard"]
    actor: str
    reason: str | None
    """Why, in the actor's words."""
    status_before: str
    reason_before: str | None
    """Why the webhook had that status."""
    occurred_at: datetime


_ENDED: Final = ("dead", "ignored")
"""What may be tried again; all else is pending, or has had its effect."""

_FRESH: Final[Mapping[str, object]] = {
    "status": "received",
    "reason": None,
    "finished_at": None,
    "dead_at": None,
    "first_failed_at": None,
    "deferrals": 0,
    "unread": 0,
    "failures": 0,
}
"""A trigger puts a row that becomes this among the pending work."""

_FIND: Final = select(inbox).where(inbox.c.id == bindparam("inbox_id"))
_HOLD: Final = (
    select(inbox)
    .where(
        inbox.c.id.in_(bindparam("ids", expanding=True)),
        inbox.c.status.in_(bindparam("statuses", expanding=True)),
        inbox.c.body.is_not(None),
    )
    .order_by(inbox.c.id)
    .with_for_update()
)
_CHANGE: Final = update(inbox).where(inbox.c.id.in_(bindparam("ids", expanding=True)))
_ACTIONS: Final = (
    select(*(inbox_action.c[name] for name in ActionRow.__dataclass_fields__))
    .where(inbox_action.c.inbox_id == bindparam("inbox_id"))
    .order_by(inbox_action.c.occurred_at, inbox_action.c.id)
)
_ERASABLE: Final = (
    inbox.c.body.is_not(None),
    inbox.c.status.in_(("applied", "ignored")),
    inbox.c.received_at < bindparam("before", type_=inbox.c.received_at.type),
)
_ERASE: Final = (
    update(inbox)
    .where(
        inbox.c.id.in_(
            select(inbox.c.id)
            .where(*_ERASABLE)
            .order_by(inbox.c.received_at)
            .limit(bindparam("at_most"))
        ),
        # Once more: it may have been put back since it was found.
        *_ERASABLE,
    )
    .values(body=None)
)


def page(
    tx: Tx,
    *,
    limit: int,
    after: str | None,
    event_type: str | None,
    reason: str | None,
) -> tuple[InboxRow, ...]:
    """Return dead webhooks in the order of their ids; `reason` may stand in theirs."""
    statement = select(inbox).where(inbox.c.dead_at.is_not(None))
    if after is not None:
        statement = statement.where(inbox.c.id > after)
    if event_type is not None:
        statement = statement.where(inbox.c.event_type == event_type)
    if reason is not None:
        statement = statement.where(inbox.c.reason.contains(reason, autoescape=True))
    rows = tx.connection.execute(statement.order_by(inbox.c.id).limit(limit))
    return tuple(InboxRow(**row._mapping) for row in rows)


def find(tx: Tx, inbox_id: str) -> InboxRow | None:
    """Return one webhook of any status, if there is one."""
    row = tx.connection.execute(_FIND, {"inbox_id": inbox_id}).one_or_none()
    return None if row is None else InboxRow(**row._mapping)


def actions_of(tx: Tx, inbox_id: str) -> tuple[ActionRow, ...]:
    """Return what people did with a webhook, oldest first."""
    rows = tx.connection.execute(_ACTIONS, {"inbox_id": inbox_id})
    return tuple(ActionRow(**row._mapping) for row in rows)


def replay(tx: Tx, ids: Sequence[str], *, actor: str) -> None:
    """Put dead and ignored webhooks back, with fresh counts; others stay as is."""
    rows = _held(tx, ids, _ENDED)
    _act(tx, rows, _FRESH, action="replay", actor=actor, reason=None)


def discard(tx: Tx, inbox_id: str, *, actor: str, reason: str) -> None:
    """Give a dead webhook up; one that is not dead stays as it is."""
    changes = {"status": "ignored", "dead_at": None, "finished_at": tx.now}
    changes["reason"] = f"discarded by {actor}: {reason}"
    rows = _held(tx, [inbox_id], ("dead",))
    _act(tx, rows, changes, action="discard", actor=actor, reason=reason)


def _held(tx: Tx, ids: Sequence[str], statuses: Sequence[str]) -> list[InboxRow]:
    given = {"ids": list(ids), "statuses": list(statuses)}
    rows = tx.connection.execute(_HOLD, given)
    return [InboxRow(**row._mapping) for row in rows]


def _act(
    tx: Tx, rows: Sequence[InboxRow], changes: Mapping[str, object], **what: str | None
) -> None:
    """Change `rows`, which are held, and write down who did it."""
    if not rows:
        return
    ids = [row.id for row in rows]
    tx.connection.execute(_CHANGE.values(**changes), {"ids": ids})
    written = [
        {
            "id": tx.new_uuid(),
            "inbox_id": row.id,
            "status_before": row.status,
            "reason_before": row.reason,
            "occurred_at": tx.now,
            **what,
        }
        for row in rows
    ]
    tx.connection.execute(insert(inbox_action), written)


def erase_bodies(tx: Tx, *, before: datetime, at_most: int) -> int:
    """
    Erase the bodies of webhooks that came `before` and are done; return how many.

    The rows stay: their ids tell what is a repetition.
    """
    given = {"before": before, "at_most": at_most}
    return tx.connection.execute(_ERASE, given).rowcount
