"""Running the migrations, printing them, and asking whether they are needed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine

from paykit.errors import UsageError
from paykit.store import version
from paykit.store.install import installed_version, installing
from paykit.store.migrations.steps import STEPS, Step, check_range, upgrade
from paykit.store.sqlite import use_wal
from paykit.store.version import LATEST

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["check", "migrate", "sql"]

_NO_ALEMBIC: Final = (
    "migrations need Alembic: run `pip install 'paykit-engine[migrate]'`"
)

_PREAMBLE: Final = {"postgresql": "", "sqlite": "PRAGMA journal_mode = WAL;\n\n"}
_BEGIN: Final = {"postgresql": "BEGIN;\n\n", "sqlite": "BEGIN IMMEDIATE;\n\n"}
_COMMIT: Final = "COMMIT;\n\n"


def migrate(
    engine: Engine, to: int = LATEST, *, steps: Sequence[Step] = STEPS
) -> tuple[int, int]:
    """
    Bring the tables up to version `to`; return the versions before and after.

    Each version is one transaction: what fails half-way leaves the version before it.
    Any number of processes may call it at once; one works and the others wait. A
    database that is newer already is left as it is. On SQLite the file is put into WAL
    mode.

    Raises `UsageError` without Alembic or for a version that does not exist. `steps`
    is for tests.
    """
    check_range(0, to, steps)
    use_wal(engine)
    before = applied = _advance(engine, to, steps)
    while applied < to:
        applied = _advance(engine, to, steps)
    return before, applied


def _advance(engine: Engine, to: int, steps: Sequence[Step]) -> int:
    """Apply the next version if one is missing; return the version before that."""
    with installing(engine) as connection:
        applied = installed_version(connection)
        if applied < to:
            op = _operations(connection=connection)
            upgrade(op, from_=applied, to=applied + 1, steps=steps)
        return applied


def check(engine: Engine) -> None:
    """Raise `SchemaOutOfDate`, which names the command to run, if one is needed."""
    with engine.connect() as connection:
        version.check(connection)


def sql(
    dialect_name: str,
    *,
    from_: int = 0,
    to: int = LATEST,
    steps: Sequence[Step] = STEPS,
) -> str:
    """
    Return a script that does what `migrate` does, for who may not run our code.

    `dialect_name` is ``postgresql`` or ``sqlite``. Each version is one transaction; let
    the client stop at the first error (``psql -v ON_ERROR_STOP=1``, ``sqlite3 -bail``).
    """
    if dialect_name not in _BEGIN:
        raise UsageError(f"paykit has no tables for the database {dialect_name!r}")
    check_range(from_, to, steps)
    out = io.StringIO(_PREAMBLE[dialect_name])
    out.seek(0, io.SEEK_END)
    op = _operations(
        dialect_name=dialect_name,
        # Any other style of parameters doubles each percent sign.
        dialect_opts={"paramstyle": "named"},
        opts={"as_sql": True, "output_buffer": out},
    )
    for number in range(from_, to):
        out.write(_BEGIN[dialect_name])
        upgrade(op, from_=number, to=number + 1, steps=steps)
        out.write(_COMMIT)
    return out.getvalue()


def _operations(**configuration: Any) -> Operations:
    """Return Alembic's operations, as ``MigrationContext.configure`` takes them."""
    try:
        from alembic.operations import Operations
        from alembic.runtime.migration import MigrationContext
    except ModuleNotFoundError as error:
        raise UsageError(_NO_ALEMBIC) from error
    return Operations(MigrationContext.configure(**configuration))
