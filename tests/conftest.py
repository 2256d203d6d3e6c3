"""Fixtures that every test may use: databases, empty or with paykit's tables."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import (
    KINDS,
    NO_POSTGRES,
    Database,
    PostgresServer,
    postgres_url,
    sqlite_database,
)

# A shared machine is sometimes slow; an example is wrong or right, not late.
settings.register_profile(
    "paykit", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("paykit")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL server of this worker's tests; skips loudly if there is none."""
    server = PostgresServer(postgres_url())
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a PostgreSQL database with paykit's tables, to make copies of."""
    template = postgres.create()
    _create_tables(template)
    return postgres.name(template)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with paykit's tables, to make copies of."""
    path = tmp_path_factory.mktemp("template") / "paykit.db"
    _create_tables(sqlite_database(path))
    return path


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield from _opened(sqlite_database(tmp_path / "paykit.db"))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        yield from _on_server(server, template="template0")


@pytest.fixture(params=KINDS)
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind with paykit's tables and nothing in them."""
    if request.param == "sqlite":
        prepared: Path = request.getfixturevalue("sqlite_template")
        path = tmp_path / "paykit.db"
        shutil.copy(prepared, path)
        yield from _opened(sqlite_database(path))
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        template: str = request.getfixturevalue("postgres_template")
        yield from _on_server(server, template=template)


def _opened(database: Database) -> Iterator[Database]:
    try:
        yield database
    finally:
        database.dispose()


def _on_server(server: PostgresServer, *, template: str) -> Iterator[Database]:
    database = server.take(template=template)
    try:
        yield database
    finally:
        server.drop(database)


def _create_tables(database: Database) -> None:
    from paykit.store import create_all  # tests without tables need no store

    create_all(database.engine())
    database.dispose()


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a PostgreSQL server, for ``-m postgres`` and its opposite."""
    for item in items:
        if isinstance(item, pytest.Function) and _needs_postgres(item):
            item.add_marker("postgres")


def _needs_postgres(item: pytest.Function) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    chosen = {parameters.get("database"), parameters.get("installed")}
    return "postgresql" in chosen or "postgres" in item.fixturenames


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests did not run for want of a PostgreSQL server."""
    skipped = terminalreporter.stats.get("skipped", [])
    missed = [report for report in skipped if NO_POSTGRES in str(report.longrepr)]
    if missed:
        terminalreporter.section("PostgreSQL", red=True, bold=True)
        terminalreporter.line(f"{len(missed)} tests were NOT run: {_reason(missed[0])}")


def _reason(report: pytest.TestReport) -> str:
    longrepr = report.longrepr
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
