"""The raw inbox: every verified webhook, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import BindParameter, bindparam, func, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from paykit.store.clock import clock_values
from paykit.store.schema.messages import inbox, work
from paykit.store.schema.payments import payment
from paykit.store.schema.subscriptions import subscription
from paykit.store.tx import Tx, Write, many
from paykit.store.work import Claimed, hold_all
from paykit.store.work_statements import TIMED

__all__ = [
    "Backlog",
    "InboxRow",
    "Origin",
    "backlog",
    "claim",
    "count_by_status",
    "defer",
    "finish",
    "is_ours_now",
    "load",
    "note_failure",
    "note_unread",
    "receive",
]

Origin = Literal["push", "list"]
"""Who has told of an event: the PSP by itself, or its list when it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One webhook as it was received."""

    id: str
    binding: str
    event_id: str
    event_type: str
    account: str | None
    body: bytes | None
    """None once it was erased."""
    status: str
    """``received``, ``applied``, ``ignored`` or ``dead``."""
    reason: str | None
    payment_id: str | None
    subject_reference: str | None
    """The PSP's payment or subscription that it is about, if that was none of ours."""
    deferrals: int
    """How often its payment was looked for in vain."""
    unread: int
    """How often in a row the PSP could not be read."""
    failures: int
    """How often our code failed on it."""
    first_failed_at: datetime | None
    dead_at: datetime | None
    origin: str | None
    """How it came: ``push``, or ``list`` for what the PSP's list has told first."""
    received_at: datetime
    finished_at: datetime | None

    @property
    def raw(self) -> bytes:
        """The body; raises `LookupError` if it was erased."""
        if self.body is None:
            raise LookupError(f"the body of webhook {self.id} was erased")
        return self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much of the inbox is not done; ages in seconds, 0 where there is nothing."""

    pending: int
    oldest_seconds: float
    """How long the oldest of them has been here."""
    deferred: int
    """Those of `pending` whose payment was looked for in vain."""
    unread: int
    """Those of `pending` that wait for the PSP to be read; they wait without an end."""
    oldest_unread_seconds: float
    dead: int
    """Those that wait for a person."""
    oldest_dead_seconds: float


_NAMES: Final = tuple(column.name for column in fields(InboxRow))
_COLUMNS = ("id", "binding", "event_id", "event_type", "account", "body")
_VALUES: dict[str, BindParameter[Any]] = {
    name: bindparam(name) for name in (*_COLUMNS, "status", "origin", "received_at")
}
_RECEIVE = {
    dialect.__name__.rpartition(".")[2]: dialect.insert(inbox)
    .values(_VALUES)
    .on_conflict_do_nothing()
    .returning(inbox.c.id)
    for dialect in (postgresql, sqlite)
}
"""Built once: building a statement costs more than running it."""

_LOAD: Final = select(inbox).where(inbox.c.id == bindparam("inbox_id"))
_CHANGE: Final = update(inbox).where(inbox.c.id == bindparam("inbox_id"))
_FINISH: Final = Write(inbox, 70, many(_CHANGE))
_HOLD: Final = (
    select(inbox.c.id).where(inbox.c.id == bindparam("inbox_id")).with_for_update()
)
_LINKED: Final = union_all(
    *(
        select(table.c.id).where(
            table.c.binding == bindparam("at_binding"),
            table.c.psp_reference == bindparam("reference"),
        )
        for table in (payment, subscription)
    )
)
_UNREAD: Final = inbox.c.unread > 0
_WAITING: Final = (
    select(
        func.count().label("pending"),
        func.min(inbox.c.received_at).label("oldest"),
        func.count().filter(inbox.c.deferrals > 0).label("deferred"),
        func.count().filter(_UNREAD).label("unread"),
        func.min(inbox.c.received_at).filter(_UNREAD).label("oldest_unread"),
    )
    .join_from(work, inbox, inbox.c.id == work.c.id)
    .where(work.c.queue == "inbox")
)
_DEAD: Final = select(
    func.count().label("dead"), func.min(inbox.c.dead_at).label("oldest")
).where(inbox.c.dead_at.is_not(None))


def receive(
    tx: Tx,
    *,
    binding: str,
    event_id: str,
    event_type: str,
    account: str | None,
    body: bytes,
    origin: Origin = "push",
) -> bool:
    """Store a webhook, once; False if it is a repetition. One statement."""
    row = {
        "id": f"{binding}/{event_id}",
        "binding": binding,
        "event_id": event_id,
        "event_type": event_type,
        "account": account,
        "body": body,
        "status": "received",
        "origin": origin,
        "received_at": tx.now,
    }
    insert = _RECEIVE[tx.connection.dialect.name]
    # Not rowcount: after an INSERT the driver need not keep it.
    return tx.on(inbox).execute(insert, row).first() is not None


def load(tx: Tx, inbox_id: str) -> InboxRow:
    """Return one webhook; it must exist."""
    row = tx.on(inbox).execute(_LOAD, {"inbox_id": inbox_id}).one()
    return InboxRow(**row._mapping)


def claim(
    tx: Tx, at_most: int, *, lease_for: timedelta
) -> list[tuple[InboxRow, Claimed]]:
    """
    Claim the webhooks that have been due longest, under one lease.

    What others hold is skipped. One whose last claim had no end comes alone: a worker
    may have died of it, and would take the others with it.
    """
    given = {"at_most": at_most, **clock_values(tx.world)}
    due = tx.on(work, inbox).execute(TIMED[tx.world.simulated].due_inbox, given).all()
    rows = due[:1] if due and due[0].attempts else [r for r in due if not r.attempts]
    if not rows:
        return []
    held = hold_all(tx, "inbox", [row.id for row in rows], lease_for)
    return [
        (InboxRow(**{name: row._mapping[name] for name in _NAMES}), claimed)
        for row, claimed in zip(rows, held, strict=True)
    ]


def finish(
    tx: Tx,
    inbox_id: str,
    status: str,
    *,
    reason: str | None = None,
    payment_id: str | None = None,
) -> None:
    """Write that a webhook was applied or ignored; it is kept, whatever it was."""
    row = {"inbox_id": inbox_id, "status": status, "reason": reason}
    tx.later(_FINISH, {**row, "payment_id": payment_id, "finished_at": tx.now})


def defer(tx: Tx, row: InboxRow, *, reason: str, reference: str | None) -> None:
    """
    Count a look at `row` that could not apply it yet.

    `reference` is the PSP's payment or subscription that would be its own, if it is
    none of ours: when it becomes one, the database puts the row back
    (`schema.linking`).
    """
    changes = {"deferrals": row.deferrals + 1, "unread": 0, "reason": reason}
    _change(tx, row, {**changes, "subject_reference": reference})


def note_unread(tx: Tx, row: InboxRow, *, reason: str) -> None:
    """Count a look for which the PSP could not be read."""
    _change(tx, row, {"unread": row.unread + 1, "reason": reason})


def note_failure(
    tx: Tx, row: InboxRow, failures: int, *, reason: str, dead: bool
) -> None:
    """Write that our code has failed on `row` so often; `dead` waits for a person."""
    changes = {
        "failures": failures,
        "first_failed_at": row.first_failed_at or tx.now,
        "reason": reason,
    }
    ends = {"status": "dead", "dead_at": tx.now, "finished_at": tx.now} if dead else {}
    _change(tx, row, {**changes, **ends})


def _change(tx: Tx, row: InboxRow, changes: Mapping[str, object]) -> None:
    tx.on(inbox).execute(_CHANGE, {"inbox_id": row.id, **changes})


def is_ours_now(tx: Tx, row: InboxRow) -> bool:
    """
    Whether what `row` waits for has become ours; its row stays held.

    Whoever links that at this moment has to wait, and then puts `row` back.
    """
    if row.subject_reference is None:
        return False
    tx.on(inbox).execute(_HOLD, {"inbox_id": row.id})
    given = {"at_binding": row.binding, "reference": row.subject_reference}
    found = tx.on(payment, subscription).execute(_LINKED, given)
    return found.first() is not None


def count_by_status(tx: Tx) -> dict[str, int]:
    """Return how many webhooks have come to which end."""
    statement = select(inbox.c.status, func.count()).group_by(inbox.c.status)
    return {status: count for status, count in tx.connection.execute(statement)}


def backlog(tx: Tx) -> Backlog:
    """Return what is pending and what is dead, and for how long; two statements."""
    waiting = tx.connection.execute(_WAITING).one()
    dead = tx.connection.execute(_DEAD).one()
    return Backlog(
        pending=waiting.pending,
        oldest_seconds=_age(tx, waiting.oldest),
        deferred=waiting.deferred,
        unread=waiting.unread,
        oldest_unread_seconds=_age(tx, waiting.oldest_unread),
        dead=dead.dead,
        oldest_dead_seconds=_age(tx, dead.oldest),
    )


def _age(tx: Tx, since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (tx.now - since).total_seconds())
