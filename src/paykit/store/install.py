"""Making the tables in one go, for tests and first steps; else see `migrations`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from paykit.store import version
from paykit.store.schema import metadata, schema_version
from paykit.store.sqlite import immediate, use_wal

__all__ = ["LOCK", "create_all", "installed_version", "installing"]

LOCK: Final = int.from_bytes(b"paykit")
"""The key of PostgreSQL's advisory lock: who changes tables holds it, one at a time."""


@contextmanager
def installing(engine: Engine) -> Generator[Connection]:
    """
    Open a transaction that changes tables, in which nobody else does so.

    Without it, of six processes that migrate at once most fail. The isolation level is
    set because the host's may be one that commits each statement, or one that shows the
    tables as they were before the wait for the lock.
    """
    with immediate(engine).connect() as connection:
        if engine.dialect.name == "sqlite":
            with connection.begin():
                yield connection
            return
        connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            yield connection


def installed_version(connection: Connection) -> int:
    """Return the version that was applied last, 0 without tables; breaks nothing."""
    found = version.installed(connection) if _has_versions(connection) else None
    return 0 if found is None else found.version


def _has_versions(connection: Connection) -> bool:
    return inspect(connection).has_table(schema_version.name)


def create_all(engine: Engine) -> None:
    """
    Create every table, trigger and function that is missing, at the newest version.

    Tables of an older version are left alone and `SchemaOutOfDate` is raised: only
    ``paykit migrate`` can change tables. A test proves that both give the same result.
    """
    use_wal(engine)
    with installing(engine) as connection:
        fresh = not _has_versions(connection)
        if not fresh:
            version.check(connection)
        metadata.create_all(connection)
        for number in range(1, version.LATEST + 1) if fresh else ():
            connection.execute(text(version.stamp(number)))
