"""
What the tables of followed aggregates (payouts, subscriptions) have in common.

A row is adopted once, changed in one step of its version together with its history, and
listed newest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Select, Table, update

from paykit.errors import InProgress
from paykit.store import events
from paykit.store.events import Aggregate, NewEvent
from paykit.store.ignoring import insert_or_ignore
from paykit.store.tx import Tx

__all__ = ["Followed", "adopt", "newest_first", "write"]


class Followed(Protocol):
    """A row of such a table."""

    @property
    def id(self) -> str:
        """Ours, not the PSP's."""
        ...

    @property
    def version(self) -> int:
        """Counts its changes."""
        ...

    @property
    def event_sequence(self) -> int:
        """The number of the last event of its history."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was adopted."""
        ...

    @property
    def aggregate(self) -> Aggregate:
        """Whose history it is that its events stand in."""
        ...


def adopt(tx: Tx, table: Table, first: Mapping[str, object]) -> bool:
    """
    Insert a row in its first state.

    False if somebody else was faster: no lock holds what is not there yet.
    """
    values = {"created_at": tx.now, "updated_at": tx.now, **first}
    insert = insert_or_ignore(table)[tx.connection.dialect.name]
    # Not rowcount: after an INSERT the driver need not keep it.
    adopted = tx.connection.execute(insert.returning(table.c.id), values)
    return adopted.first() is not None


def write(
    tx: Tx,
    table: Table,
    row: Followed,
    changes: Mapping[str, object],
    *,
    cause: str,
    happened: Sequence[NewEvent],
) -> None:
    """
    Write `changes` and log what `happened`, in one step of the version.

    Raises `InProgress` if somebody else has changed it since `row` was read, which its
    lock makes impossible unless the host bypasses paykit.
    """
    values: dict[str, Any] = {
        **changes,
        "event_sequence": row.event_sequence + len(happened),
        "version": row.version + 1,
        "updated_at": tx.now,
    }
    here = (table.c.id == row.id, table.c.version == row.version)
    done = tx.connection.execute(update(table).where(*here).values(**values))
    if done.rowcount != 1:
        about = f"{row.aggregate.kind} {row.id}"
        raise InProgress(f"{about} was changed meanwhile; repeat the call")
    events.append(
        tx,
        about=row.aggregate,
        first_sequence=row.event_sequence + 1,
        cause=cause,
        events=happened,
    )


def newest_first(
    statement: Select[Any], table: Table, *, after: Followed | None, limit: int
) -> Select[Any]:
    """Return `statement` for one page: the rows that are older than `after`."""
    created, id_ = table.c.created_at, table.c.id
    if after is not None:
        same_time = (created == after.created_at) & (id_ < after.id)
        statement = statement.where((created < after.created_at) | same_time)
    return statement.order_by(created.desc(), id_.desc()).limit(limit)
