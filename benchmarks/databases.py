"""Empty databases for the benchmarks: a copy of one template for every round."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text

from paykit import create_all

__all__ = ["POOL", "Database", "postgres", "sqlite"]

POOL = 16
"""How many connections either side may use at once."""


@dataclass(frozen=True, slots=True)
class Database:
    """One empty database with paykit's tables."""

    kind: str
    url: str
    async_url: str
    raw_url: str
    """What the raw driver connects to: a file, or a libpq URL."""
    connect: Callable[[], Any]
    """Open a connection of the raw driver."""
    server_cpu: Callable[[], float]
    """Seconds of CPU that the database's processes have used so far, if it has any."""

    def engine(self) -> Engine:
        """Return a new engine, with a pool of the same size as the raw side's."""
        return create_engine(self.url, pool_size=POOL, max_overflow=0)


Opener = Callable[[], Any]
"""Opens a context manager of a fresh `Database`."""


@contextmanager
def sqlite() -> Iterator[Opener]:
    """Make a template file, and return what copies it."""
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.db"
        engine = create_engine(f"sqlite:///{template}")
        create_all(engine)
        engine.dispose()
        yield lambda: _sqlite_copy(template)


@contextmanager
def _sqlite_copy(template: Path) -> Iterator[Database]:
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        path = Path(folder) / "bench.db"
        shutil.copy(template, path)
        yield Database(
            kind="sqlite",
            url=f"sqlite:///{path}",
            async_url=f"sqlite+aiosqlite:///{path}",
            raw_url=str(path),
            connect=lambda: sqlite3.connect(path, isolation_level=None),
            server_cpu=lambda: 0.0,
        )


@contextmanager
def postgres(url: str) -> Iterator[Opener]:
    """Make a template database on the server at `url`, and return what copies it."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    template = f"paykit_bench_{os.getpid()}"
    _run(admin, f"CREATE DATABASE {template}")
    try:
        engine = create_engine(admin.url.set(database=template))
        create_all(engine)
        engine.dispose()
        yield lambda: _postgres_copy(admin, template)
    finally:
        _run(admin, f"DROP DATABASE IF EXISTS {template} WITH (FORCE)")
        admin.dispose()


def _run(admin: Engine, statement: str) -> None:
    with admin.connect() as connection:
        connection.execute(text(statement))


@contextmanager
def _postgres_copy(admin: Engine, template: str) -> Iterator[Database]:
    import psycopg

    name = f"{template}_copy"
    _run(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    _run(admin, f"CREATE DATABASE {name} TEMPLATE {template}")
    target = admin.url.set(database=name)
    plain = target.set(drivername="postgresql").render_as_string(hide_password=False)
    driver = target.set(drivername="postgresql+psycopg")
    full = make_url(driver).render_as_string(hide_password=False)
    try:
        yield Database(
            kind="postgresql",
            url=full,
            async_url=full,
            raw_url=plain,
            connect=lambda: psycopg.connect(plain),
            server_cpu=lambda: _backends_cpu(admin, name),
        )
    finally:
        _run(admin, f"DROP DATABASE {name} WITH (FORCE)")


def _backends_cpu(admin: Engine, name: str) -> float:
    """Add up what the backends of one database have used; 0 on another machine."""
    query = text("SELECT pid FROM pg_stat_activity WHERE datname = :name")
    with admin.connect() as connection:
        pids = list(connection.scalars(query, {"name": name}))
    return sum(_cpu_of(pid) for pid in pids)


def _cpu_of(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
