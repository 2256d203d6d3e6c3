"""
A database for many seeds: made here, emptied between two of them, removed at the end.

A server that is given stays as it is: on PostgreSQL everything happens in a database
of our own, called ``paykit_sim_...``. SQLite is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from paykit.clock import SYSTEM
from paykit.store import create_all
from paykit.store.schema import metadata, schema_version

__all__ = ["Emptied", "database", "fresh"]

Emptied = Callable[[], Engine]
"""Returns an engine whose tables are there and empty."""

_KEPT: Final = frozenset({schema_version.name})
"""Tables whose rows belong to the installation, not to a story."""


@contextmanager
def database(url: str = "sqlite://") -> Iterator[Emptied]:
    """
    Yield what gives an empty database again and again, on the server at `url`.

    Raises ``ValueError`` for a kind of database that the simulation does not know.
    """
    kind = make_url(url).get_backend_name()
    if kind not in _KINDS:
        raise ValueError(f"the simulation runs on {sorted(_KINDS)}, not on {kind}")
    with _KINDS[kind](url) as emptied:
        yield emptied


@contextmanager
def fresh(url: str = "sqlite://") -> Iterator[Engine]:
    """Yield an engine on one empty database."""
    with database(url) as emptied:
        yield emptied()


@contextmanager
def _sqlite(url: str) -> Iterator[Emptied]:
    """In memory; an empty one is a copy of bytes, which is quicker than its DDL."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", _quick)
    create_all(engine)
    empty = _raw(engine).serialize()

    def emptied() -> Engine:
        _raw(engine).deserialize(empty)
        return engine

    try:
        yield emptied
    finally:
        engine.dispose()


def _raw(engine: Engine) -> Any:
    connection = engine.raw_connection()
    try:
        return connection.driver_connection
    finally:
        connection.close()


def _quick(connection: Any, _: ConnectionPoolEntry) -> None:
    """Nothing here has to survive a power cut."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.close()


@contextmanager
def _postgresql(url: str) -> Iterator[Emptied]:
    """In a database of our own: the one in `url` is only where we say so."""
    name = f"paykit_sim_{SYSTEM.new_uuid().hex}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    _run(admin, f'CREATE DATABASE "{name}" TEMPLATE template0')
    given = make_url(url)
    # Nothing here has to survive a power cut.
    query = {**given.query, "options": "-csynchronous_commit=off"}
    engine = create_engine(given.set(database=name, query=query))
    try:
        create_all(engine)
        yield lambda: _cleared(engine)
    finally:
        engine.dispose()
        _run(admin, f'DROP DATABASE "{name}" WITH (FORCE)')
        admin.dispose()


def _cleared(engine: Engine) -> Engine:
    """Delete every row; the triggers that forbid it are ours, and so are the tables."""
    tables = [table for table in metadata.sorted_tables if table.name not in _KEPT]
    names = [f'"{table.name}"' for table in tables]
    off = [f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in names]
    gone = [f"DELETE FROM {name}" for name in reversed(names)]
    on = [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in names]
    with engine.begin() as connection:
        connection.exec_driver_sql("; ".join([*off, *gone, *on]))
    return engine


def _run(admin: Engine, statement: str) -> None:
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)


_KINDS: Final = {"sqlite": _sqlite, "postgresql": _postgresql}
