"""The raw inbox: every verified webhook, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paykit.store.clock import clock_values
from paykit.store.schema.messages import inbox, work
from paykit.store.tx import Tx, Write, many
from paykit.store.work_statements import TIMED

__all__ = ["InboxRow", "count_by_status", "due", "finish", "load", "receive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One webhook as it was received."""

    id: str
    binding: str
    event_id: str
    event_type: str
    account: str | None
    body: bytes
    status: str
    """``received``, ``applied``, ``ignored`` or ``dead``."""
    reason: str | None
    payment_id: str | None
    received_at: datetime
    finished_at: datetime | None


_COLUMNS = ("id", "binding", "event_id", "event_type", "account", "body")
_VALUES: dict[str, BindParameter[Any]] = {
    name: bindparam(name) for name in (*_COLUMNS, "status", "received_at")
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
_FINISH: Final = Write(
    inbox, 70, many(update(inbox).where(inbox.c.id == bindparam("inbox_id")))
)


def receive(
    tx: Tx,
    *,
    binding: str,
    event_id: str,
    event_type: str,
    account: str | None,
    body: bytes,
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
        "received_at": tx.now,
    }
    insert = _RECEIVE[tx.connection.dialect.name]
    # Not rowcount: after an INSERT the driver need not keep it.
    return tx.on(inbox).execute(insert, row).first() is not None


def load(tx: Tx, inbox_id: str) -> InboxRow:
    """Return one webhook; it must exist."""
    row = tx.on(inbox).execute(_LOAD, {"inbox_id": inbox_id}).one()
    return InboxRow(**row._mapping)


def due(tx: Tx, at_most: int) -> list[InboxRow]:
    """
    Return the webhooks that have been due longest, their work locked.

    What others hold or have locked is skipped. The lock ends with the transaction:
    delete the work in it, or hold it under a lease.
    """
    given = {"at_most": at_most, **clock_values(tx.world)}
    rows = tx.on(work, inbox).execute(TIMED[tx.world.simulated].due_inbox, given)
    return [InboxRow(**row._mapping) for row in rows]


def finish(
    tx: Tx,
    inbox_id: str,
    status: str,
    *,
    reason: str | None = None,
    payment_id: str | None = None,
) -> None:
    """Write what became of a webhook; it is kept, whatever it was."""
    row = {"inbox_id": inbox_id, "status": status, "reason": reason}
    tx.later(_FINISH, {**row, "payment_id": payment_id, "finished_at": tx.now})


def count_by_status(tx: Tx) -> dict[str, int]:
    """Return how many webhooks have come to which end."""
    statement = select(inbox.c.status, func.count()).group_by(inbox.c.status)
    return {status: count for status, count in tx.connection.execute(statement)}
