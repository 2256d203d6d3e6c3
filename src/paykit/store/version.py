"""
Whether the tables are those that this code was written for.

Starting a service changes nothing in the database: it compares one number, once, before
its first transaction, and says which command to run (DESIGN 10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from paykit.errors import SchemaOutOfDate, UsageError
from paykit.store.schema.version import schema_version

__all__ = [
    "COMPATIBLE_FROM",
    "Installed",
    "LATEST",
    "SchemaGuard",
    "check",
    "installed",
    "stamp",
]

LATEST: Final = 1
"""The version of the schema that this code was written for."""

COMPATIBLE_FROM: Final[Mapping[int, int]] = {}
"""By version, the oldest code that can run on it; a version that is missing here breaks
all code before it. Put one in only if it adds what older code need not know."""

_COMMAND: Final = "run `paykit migrate`"


class Installed(NamedTuple):
    """What a database says about its tables."""

    version: int
    compatible_from: int


class SchemaGuard:
    """
    `check`, once: for whoever opens transactions for as long as a process lives.

    It asks again after a refusal, so that a service need not start anew when the
    missing migration has run.
    """

    __slots__ = ("_passed",)

    def __init__(self) -> None:
        self._passed = False

    def __call__(self, connection: Connection) -> None:
        """
        Let `connection` pass, or raise `SchemaOutOfDate`.

        Raises `UsageError` for an engine that commits every statement.
        """
        if not self._passed:
            _refuse_autocommit(connection)
            check(connection)
            self._passed = True


def _refuse_autocommit(connection: Connection) -> None:
    """A phase must be atomic: half of it may never be committed."""
    driver = connection.connection.dbapi_connection
    # On SQLite every phase begins with an explicit BEGIN IMMEDIATE.
    if connection.dialect.name == "sqlite" or driver is None:
        return
    # SQLAlchemy 2.0.40 cannot tell; psycopg's connections can, asyncio's as well.
    detect = getattr(connection.dialect, "detect_autocommit_setting", None)
    if detect(driver) if detect else getattr(driver, "autocommit", False) is True:
        raise UsageError(
            "paykit needs transactions, and this engine commits every statement: "
            "give it an engine without isolation_level='AUTOCOMMIT'"
        )


def check(connection: Connection) -> None:
    """
    Raise `SchemaOutOfDate` if this code cannot run on the tables; one query.

    On PostgreSQL a missing table ends the transaction, so roll back after a refusal.
    """
    found = installed(connection)
    if found is None:
        raise SchemaOutOfDate(f"paykit's tables are missing: {_COMMAND}")
    if found.version < LATEST:
        raise SchemaOutOfDate(
            f"paykit's tables have version {found.version}, and this code needs "
            f"version {LATEST}: {_COMMAND}"
        )
    if found.compatible_from > LATEST:
        raise SchemaOutOfDate(
            f"paykit's tables have version {found.version}, and this code knows only "
            f"version {LATEST}: run `pip install --upgrade paykit-engine`"
        )


def installed(connection: Connection) -> Installed | None:
    """Return what the database says, or None if it has no tables of paykit."""
    newest = (
        select(schema_version.c.version, schema_version.c.compatible_from)
        .order_by(schema_version.c.version.desc())
        .limit(1)
    )
    try:
        row = connection.execute(newest).one_or_none()
    except DBAPIError as error:
        if _is_missing_table(error):
            return None
        raise
    return None if row is None else Installed(row.version, row.compatible_from)


def _is_missing_table(error: DBAPIError) -> bool:
    undefined_table = "42P01"
    return getattr(
        error.orig, "sqlstate", None
    ) == undefined_table or f"no such table: {schema_version.name}" in str(error.orig)


def stamp(version: int) -> str:
    """Return the SQL that writes down that `version` was applied."""
    compatible_from = COMPATIBLE_FROM.get(version, version)
    return (
        f"INSERT INTO {schema_version.name} (version, compatible_from) "
        f"VALUES ({int(version)}, {int(compatible_from)})"
    )
