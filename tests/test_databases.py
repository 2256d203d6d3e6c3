"""The tests' own databases: each test has its own, and a missing server is told."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests import databases
from tests.databases import Database, PostgresServer, find_postgres, postgres_url


def test_a_database_starts_empty(database: Database) -> None:
    assert inspect(database.engine()).get_table_names() == []


def test_both_kinds_of_engines_see_the_same_database(database: Database) -> None:
    with database.engine().begin() as connection:
        connection.execute(text("CREATE TABLE seen (id integer)"))
        connection.execute(text("INSERT INTO seen VALUES (7)"))

    engine = database.async_engine()

    assert asyncio.run(_ids(engine)) == [7]
    assert asyncio.run(_ids(engine)) == [7], "a second event loop"


async def _ids(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return list(await connection.scalars(text("SELECT id FROM seen")))


def test_an_installed_database_has_tables_and_is_not_shared(
    installed: Database,
) -> None:
    with installed.engine().begin() as connection:
        connection.execute(text("CREATE TABLE mine (id integer)"))

    tables = inspect(installed.engine()).get_table_names()

    assert [name for name in tables if not name.startswith("paykit_")] == ["mine"]
    assert len(tables) > 1


def test_a_dropped_database_is_gone_also_while_somebody_is_connected(
    postgres: PostgresServer,
) -> None:
    database = postgres.create()
    admin = postgres.create()
    listed = text("SELECT count(*) FROM pg_database WHERE datname = :name")
    busy = database.engine().connect()

    postgres.drop(database)
    postgres.settle()

    busy.invalidate()
    with admin.engine().connect() as connection:
        name = postgres.name(database)
        assert connection.scalar(listed, {"name": name}) == 0
    postgres.drop(admin)


def test_a_named_server_comes_first_and_gets_the_driver_that_can_both() -> None:
    environ = {"PAYKIT_TEST_POSTGRES_URL": "postgresql://me:pw@db.test:5433/x"}

    assert find_postgres(environ) == "postgresql+psycopg://me:pw@db.test:5433/x"


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_a_missing_server_fails_under_ci_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(databases, "find_postgres", lambda: None)

    with pytest.raises(outcome, match="no PostgreSQL for the tests"):
        postgres_url()
