"""
SQLite as the embedded default: what it needs so that a phase is atomic and durable.

SQLAlchemy drops FOR UPDATE there without a word, so every transaction takes the write
lock at its start (BEGIN IMMEDIATE). The file is in WAL mode (set once, when the tables
are made) and ``synchronous`` is FULL, so that a commit survives a power cut.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, event

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
    connection.exec_driver_sql("PRAGMA synchronous = FULL")
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
    """Put a file database into WAL mode, so that readers do not block the writer."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
