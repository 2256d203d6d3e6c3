"""Making the tables in one go, for tests and first steps; else see `migrations`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from paykit.store import version
from paykit.store.schema import metadata, schema_version
from paykit.store.sqlite import immediate, use_wal

__all__ = ["LOCK", "create_all", "installing", "installed_version"]

LOCK: Final = int.from_bytes(b"paykit")
"""The key of PostgreSQL's advisory lock: who changes tables holds it, one at a time."""


@contextmanager
def installing(engine: Engine) -> Generator[Connection]:
    """
    Open a transaction that changes tables, in which nobody else does so.

    Without it, of six processes that migrate at once most fail. The isolation level is
    set because a snapshot taken before the wait for the lock would show the tables as
    they were then.
    """
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    with immediate(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        yield connection


def installed_version(connection: Connection) -> int:
    """Return the version that was applied last, 0 without tables; breaks nothing."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    found = version.installed(connection)
    return 0 if found is None else found.version


def create_all(engine: Engine) -> None:
    """
    Create every table, trigger and function that is missing, at the newest version.

    Tables of an older version are left alone and `SchemaOutOfDate` is raised: only
    ``paykit migrate`` can change tables. A test proves that both give the same result.
    """
    use_wal(engine)
    with installing(engine) as connection:
        fresh = installed_version(connection) == 0
        if not fresh:
            version.check(connection)
        metadata.create_all(connection)
        for number in range(1, version.LATEST + 1) if fresh else ():
            connection.execute(text(version.stamp(number)))
