"""
SQLite as the embedded default: what it needs so that a phase is atomic and durable.

SQLAlchemy drops FOR UPDATE there without a word, so every transaction takes the write
lock at its start (BEGIN IMMEDIATE). The file is in WAL mode (set once, when the tables
are made) and ``synchronous`` is FULL, so that a commit survives a power cut.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

__all__ = ["immediate", "join_transaction", "use_wal"]


def immediate(engine: Engine) -> Engine:
    """Return a view of `engine` whose transactions begin as writers on SQLite.

    The host's own engine is left as it is; both share one pool.
    """
    if engine.dialect.name != "sqlite":
        return engine
    view = engine.execution_options()
    event.listen(view, "begin", _begin)
    return view


def _begin(connection: Connection) -> None:
    if not connection.connection.dbapi_connection:
        return
    # Not through SQLAlchemy, whose way costs more than the pragma.
    connection.connection.cursor().execute("PRAGMA synchronous = FULL")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def join_transaction(connection: Connection) -> None:
    """
    Make sure that a transaction is open before a savepoint is set in it.

    Python's driver begins one only at the first INSERT, UPDATE or DELETE. Until then a
    savepoint is the transaction itself, and its release a commit: what stood in it
    would stay when the host rolls back.
    """
    driver = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and not getattr(
        driver, "in_transaction", True
    ):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def use_wal(engine: Engine) -> None:
    """
    Put a file database into WAL mode, so that readers do not block the writer.

    SQLite does not wait for a lock here, whatever the connection's timeout says: of
    several processes that start at once all but one would fail.
    """
    if engine.dialect.name == "sqlite":
        for attempt in Retrying(**_WHILE_LOCKED):
            with attempt, engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and "is locked" in str(error.orig)


_WHILE_LOCKED: Final[dict[str, Any]] = {
    "retry": retry_if_exception(_is_locked),
    "stop": stop_after_delay(10),
    "wait": wait_random(0.01, 0.05),
    "reraise": True,
}
