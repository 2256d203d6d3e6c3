"""
The versions of the schema, in order: one function each, which takes Alembic's ``op``.

A new version is a function here, its number in `paykit.store.version.LATEST`, and
nothing changed in those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from sqlalchemy import Connection, Executable, text

from paykit.errors import SchemaOutOfDate, UsageError
from paykit.store.install import LOCK, installed_version
from paykit.store.migrations.frozen import frozen
from paykit.store.version import LATEST, stamp

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["Op", "STEPS", "Step", "check_range", "upgrade", "v001", "verbatim"]


class Op(Protocol):
    """What a migration needs: ``alembic.op``, or Alembic's ``Operations``."""

    def execute(self, sqltext: Executable | str) -> None:
        """Run a statement, or print it."""

    def get_bind(self) -> Connection:
        """Return the connection, if statements are run."""
        ...

    def get_context(self) -> MigrationContext:
        """Return what tells the dialect, and whether statements are printed."""
        ...


Step: TypeAlias = Callable[[Op], None]


def v001(op: Op) -> None:
    """Create the tables as they were when paykit began to keep versions."""
    for statement in frozen("v001", op.get_context().dialect.name):
        op.execute(verbatim(statement))


STEPS: Final[Sequence[Step]] = (v001,)
"""What brings the schema from each version to the next; the first one makes 1 of 0."""


def upgrade(
    op: Op, *, from_: int = 0, to: int = LATEST, steps: Sequence[Step] = STEPS
) -> None:
    """
    Bring the tables from version `from_` to version `to`, in the caller's transaction.

    In a revision of your own name both numbers, so that it does tomorrow what it did
    today. What has been applied already is passed over, so a database that ``paykit
    migrate`` has changed can be handed over to Alembic. There is no way back:
    restore a backup.

    Raises `UsageError` for versions that do not exist, and `SchemaOutOfDate` if the
    tables are older than `from_`. `steps` is for tests.
    """
    check_range(from_, to, steps)
    applied = _prepare(op, from_)
    for number in range(applied + 1, to + 1):
        steps[number - 1](op)
        op.execute(stamp(number))


def check_range(from_: int, to: int, steps: Sequence[Step]) -> None:
    """Raise `UsageError` unless there is a way up from `from_` to `to`."""
    if not 0 <= from_ <= to <= len(steps):
        raise UsageError(
            f"no migration leads from version {from_} to {to}; "
            f"there are 0 to {len(steps)}, and they only go up"
        )


def _prepare(op: Op, from_: int) -> int:
    """Take the lock and return the version that the tables have, if that is known."""
    context = op.get_context()
    if context.dialect.name == "postgresql":
        op.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
    if context.as_sql:
        return from_
    applied = installed_version(op.get_bind())
    if applied < from_:
        raise SchemaOutOfDate(
            f"paykit's tables have version {applied}, not {from_}: "
            "run the earlier migrations first"
        )
    return applied


def verbatim(statement: str) -> Executable:
    """Return SQL in which a colon begins no parameter."""
    return text(statement.replace(":", r"\:"))
