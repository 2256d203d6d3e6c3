"""The raw inbox: every verified webhook, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from paykit.store.schema.messages import inbox
from paykit.store.tx import Tx

__all__ = ["InboxRow", "count_by_status", "finish", "load", "receive"]


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
    return tx.connection.execute(insert, row).first() is not None


def load(tx: Tx, inbox_id: str) -> InboxRow:
    """Return one webhook; it must exist."""
    row = tx.connection.execute(select(inbox).where(inbox.c.id == inbox_id)).one()
    return InboxRow(**row._mapping)


def finish(
    tx: Tx,
    inbox_id: str,
    status: str,
    *,
    reason: str | None = None,
    payment_id: str | None = None,
) -> None:
    """Write what became of a webhook; it is kept, whatever it was."""
    tx.connection.execute(
        update(inbox)
        .where(inbox.c.id == inbox_id)
        .values(status=status, reason=reason, payment_id=payment_id, finished_at=tx.now)
    )


def count_by_status(tx: Tx) -> dict[str, int]:
    """Return how many webhooks have come to which end."""
    statement = select(inbox.c.status, func.count()).group_by(inbox.c.status)
    return {status: count for status, count in tx.connection.execute(statement)}
