"""
A table of followed aggregates: payouts, subscriptions.

A row is adopted once, changed in one step of its version together with its history, and
listed newest first. Each has a lock and a history of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Row, Table, select, update

from paykit.errors import InProgress, NotFound
from paykit.store import events
from paykit.store.events import Aggregate, NewEvent
from paykit.store.ignoring import insert_or_ignore
from paykit.store.tx import Tx

__all__ = ["Followed", "FollowedTable"]


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


R = TypeVar("R", bound=Followed)


@dataclass(frozen=True, slots=True)
class FollowedTable(Generic[R]):
    """Reading and changing the rows of one table."""

    name: str
    """What one of them is called, as in `paykit.store.events.Aggregate.kind`."""
    table: Table
    row: Callable[[Row[Any]], R]
    """Makes a row of what was read."""
    first: Mapping[str, object]
    """What stands in a row that nothing is known of yet."""

    def find(self, tx: Tx, *, binding: str, psp_reference: str) -> R | None:
        """Find and lock the row with this id at the PSP; None if there is none."""
        columns = self.table.c
        here = (columns.binding == binding, columns.psp_reference == psp_reference)
        found = tx.connection.execute(select(self.table).where(*here).with_for_update())
        row = found.one_or_none()
        return None if row is None else self.row(row)

    def load(self, tx: Tx, id_: str, *, merchant: str | None, lock: bool) -> R:
        """
        Return one row, locked on demand.

        Raises `NotFound` if there is none, or if it is another merchant's.
        """
        statement = select(self.table).where(self.table.c.id == id_)
        if lock:
            statement = statement.with_for_update()
        found = tx.connection.execute(statement).one_or_none()
        if found is None or (merchant is not None and found.merchant_id != merchant):
            raise NotFound(f"no {self.name} {id_!r} of this merchant")
        return self.row(found)

    def adopt(self, tx: Tx, values: Mapping[str, object]) -> R | None:
        """
        Insert a row in its first state, and lock it.

        None if somebody else was faster: no lock holds what is not there yet.
        """
        known = {"created_at": tx.now, "updated_at": tx.now, **self.first, **values}
        insert = insert_or_ignore(self.table)[tx.connection.dialect.name]
        # Not rowcount: after an INSERT the driver need not keep it.
        adopted = tx.connection.execute(insert.returning(self.table.c.id), known)
        if adopted.first() is None:
            return None
        return self.load(tx, str(values["id"]), merchant=None, lock=True)

    def save(
        self,
        tx: Tx,
        row: R,
        changes: Mapping[str, object],
        *,
        cause: str,
        happened: Sequence[NewEvent] = (),
    ) -> R:
        """
        Write `changes` and log what `happened`, in one step of the version.

        Raises `InProgress` if somebody else has changed it since `row` was read, which
        its lock makes impossible unless the host bypasses paykit.
        """
        table = self.table
        values: dict[str, Any] = {
            **changes,
            "event_sequence": row.event_sequence + len(happened),
            "version": row.version + 1,
            "updated_at": tx.now,
        }
        here = (table.c.id == row.id, table.c.version == row.version)
        done = tx.connection.execute(update(table).where(*here).values(**values))
        if done.rowcount != 1:
            raise InProgress(
                f"{self.name} {row.id} was changed meanwhile; repeat the call"
            )
        events.append(
            tx,
            about=row.aggregate,
            first_sequence=row.event_sequence + 1,
            cause=cause,
            events=happened,
        )
        return self.load(tx, row.id, merchant=None, lock=True)

    def page(
        self,
        tx: Tx,
        *,
        merchant: str,
        limit: int,
        after: str | None,
        where: Mapping[str, object],
    ) -> tuple[R, ...]:
        """
        Return rows of a merchant, newest first, after the id `after`.

        `where` says what columns hold; one whose value is None may hold anything.
        """
        columns = self.table.c
        asked = {"merchant_id": merchant, **where}
        conditions = [columns[k] == v for k, v in asked.items() if v is not None]
        statement = select(self.table).where(*conditions)
        if after is not None:
            last = self.load(tx, after, merchant=merchant, lock=False)
            statement = statement.where(self._older_than(last))
        order = (columns.created_at.desc(), columns.id.desc())
        page = tx.connection.execute(statement.order_by(*order).limit(limit))
        return tuple(self.row(row) for row in page)

    def _older_than(self, last: R) -> ColumnElement[bool]:
        created, id_ = self.table.c.created_at, self.table.c.id
        same_time = (created == last.created_at) & (id_ < last.id)
        return (created < last.created_at) | same_time
