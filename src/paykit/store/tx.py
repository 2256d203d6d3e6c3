"""One open transaction: everything that an atomic phase may touch."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Executable, Table

from paykit.clock import World

__all__ = ["Params", "Tx", "Write", "many"]

Params = Mapping[str, object]
"""The values of one row, by column or parameter."""


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """
    One kind of change to a table, which may wait until the phase ends.

    Those that wait are sent together, all rows of a kind at once: a round trip costs
    more than a row. Kinds go in the order of `rank`, which is what the triggers need
    to see first (a refund before the payment that gives back its reservation) and what
    may be locked last (the ledger).
    """

    table: Table
    rank: int
    run: Callable[[Connection, Sequence[Params]], None]
    """Sends the rows; checks row counts, and raises if one is not as expected."""


@dataclass(frozen=True, slots=True)
class Tx:
    """
    An open transaction and the moment it happens in.

    A phase sees the database through it and nothing else: no network, no clock and no
    chance of its own. It never commits; the driver does. Whoever needs several locks
    takes them in this order: work, operation, payment, refund, dispute, payout,
    subscription, claim, ledger.

    Inside `deferring` writes wait for the end of the phase. Whoever asks for the
    `connection` sees them all; only who names the tables of a statement, with `on`,
    may get ahead of writes to other tables.
    """

    _connection: Connection
    world: World
    rows: dict[tuple[str, str], object] = field(default_factory=dict)
    """Rows by table and id that this transaction has locked, as they are now."""
    _waiting: dict[Write, list[Params]] | None = None

    @classmethod
    @contextmanager
    def deferring(cls, connection: Connection, world: World) -> Generator[Tx]:
        """Open a `Tx` whose writes may wait; what waits is sent at the end."""
        tx = cls(connection, world, {}, {})
        yield tx
        tx.flush()

    @property
    def connection(self) -> Connection:
        """The connection, with everything written that was waiting."""
        self.flush()
        return self._connection

    def on(self, *tables: Table) -> Connection:
        """Return the connection for a statement that touches only `tables`."""
        if any(write.table in tables for write in self._waiting or ()):
            self.flush()
        return self._connection

    def later(self, write: Write, row: Params) -> None:
        """Write `row` before the phase ends; at once outside of `deferring`."""
        if self._waiting is None:
            write.run(self._connection, (row,))
        else:
            self._waiting.setdefault(write, []).append(row)

    def flush(self) -> None:
        """Send everything that waits."""
        if self._waiting:
            waiting = sorted(self._waiting.items(), key=lambda item: item[0].rank)
            self._waiting.clear()
            for write, rows in waiting:
                write.run(self._connection, rows)

    @property
    def now(self) -> datetime:
        """The current time in UTC, for what is written down."""
        return self.world.now()

    def new_uuid(self) -> uuid.UUID:
        """Return a fresh UUIDv7."""
        return self.world.new_uuid()


def many(
    statement: Executable,
    *,
    stale: Callable[[Sequence[Params]], Exception] | None = None,
) -> Callable[[Connection, Sequence[Params]], None]:
    """
    Return what runs `statement` for any number of rows, for `Write.run`.

    With `stale` each row must change one row of the table; else what `stale` makes of
    the rows is raised (DESIGN law 6).
    """

    def run(connection: Connection, rows: Sequence[Params]) -> None:
        # One row by itself: the driver's way for many costs more.
        given: Any = rows if len(rows) > 1 else rows[0]
        done = connection.execute(statement, given)
        if stale is not None and done.rowcount != len(rows):
            raise stale(rows)

    return run
