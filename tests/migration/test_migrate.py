"""Migrating: step by step, all or nothing, and everybody at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

import pytest
from sqlalchemy import Engine, StaticPool, create_engine, inspect, text

from paykit import SchemaOutOfDate, UsageError
from paykit.store import create_all
from paykit.store.migrations import Op, check, migrate, sql
from paykit.store.migrations.steps import STEPS, v001, verbatim
from paykit.store.version import LATEST, stamp
from tests.databases import Database

AT_ONCE: Final = 6


def v002(op: Op) -> None:
    """A version that this paykit does not know."""
    op.execute("CREATE TABLE paykit_next (id INTEGER)")


def v003_broken(op: Op) -> None:
    op.execute("CREATE TABLE paykit_half (id INTEGER)")
    op.execute("INSERT INTO paykit_nowhere VALUES (1)")


def _tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def _versions(engine: Engine) -> list[int]:
    query = text("SELECT version FROM paykit_schema_version ORDER BY version")
    with engine.connect() as connection:
        return list(connection.scalars(query))


def test_the_newest_version_is_that_of_the_last_migration() -> None:
    assert len(STEPS) == LATEST


def test_migrating_again_changes_nothing(database: Database) -> None:
    engine = database.engine()
    assert migrate(engine) == (0, LATEST)
    assert migrate(engine) == (LATEST, LATEST)
    assert _versions(engine) == list(range(1, LATEST + 1))


def test_only_what_is_missing_is_applied(database: Database) -> None:
    engine = database.engine()
    assert migrate(engine, 1, steps=(v001, v002)) == (0, 1)
    assert "paykit_next" not in _tables(engine)
    assert migrate(engine, 2, steps=(v001, v002)) == (1, 2)
    assert "paykit_next" in _tables(engine)
    assert _versions(engine) == [1, 2]


def test_tables_that_are_newer_are_left_alone(database: Database) -> None:
    engine = database.engine()
    migrate(engine, 2, steps=(v001, v002))
    assert migrate(engine, 1) == (2, 2)
    assert _versions(engine) == [1, 2]


@pytest.mark.parametrize("isolation", [None, "AUTOCOMMIT"])
def test_a_version_that_fails_leaves_the_one_before(
    database: Database, isolation: str | None
) -> None:
    engine = database.engine()
    if isolation:
        engine = engine.execution_options(isolation_level=isolation)
    with pytest.raises(Exception, match="paykit_nowhere"):
        migrate(engine, 3, steps=(v001, v002, v003_broken))
    assert _versions(engine) == [1, 2]
    assert "paykit_half" not in _tables(engine)


@pytest.mark.parametrize("make", [migrate, create_all])
@pytest.mark.parametrize("isolation", [None, "SERIALIZABLE"])
def test_several_may_make_the_tables_at_once(
    database: Database, make: Callable[[Engine], object], isolation: str | None
) -> None:
    engines = [database.engine() for _ in range(AT_ONCE)]
    barrier = Barrier(AT_ONCE)

    def start(engine: Engine) -> None:
        if isolation:
            engine = engine.execution_options(isolation_level=isolation)
        with engine.connect():
            barrier.wait(30)
        make(engine)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for done in [threads.submit(start, engine) for engine in engines]:
            done.result()
    check(engines[0])
    assert _versions(engines[0]) == list(range(1, LATEST + 1))


@pytest.mark.parametrize("to", [-1, LATEST + 1])
def test_a_version_that_does_not_exist_is_refused(database: Database, to: int) -> None:
    with pytest.raises(UsageError, match="no migration leads from version 0"):
        migrate(database.engine(), to)
    assert _tables(database.engine()) == set()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_is_put_into_wal_mode(database: Database) -> None:
    migrate(database.engine())
    with database.engine().connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_database_in_memory_can_be_migrated() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    migrate(engine)
    check(engine)
    engine.dispose()


def test_the_text_of_a_migration_has_no_parameters(database: Database) -> None:
    statement = r"INSERT INTO paykit_note VALUES (':name 100% \:x a::b')"

    def note(op: Op) -> None:
        op.execute("CREATE TABLE paykit_note (note TEXT)")
        op.execute(verbatim(statement))

    engine = database.engine()
    migrate(engine, 2, steps=(v001, note))
    with engine.connect() as connection:
        written = connection.scalar(text("SELECT note FROM paykit_note"))
    assert written == r":name 100% \:x a::b"
    assert f"{statement};" in sql(database.kind, to=2, steps=(v001, note))


# --- create_all -----------------------------------------------------------------------


def test_create_all_makes_tables_that_pass_the_check(database: Database) -> None:
    engine = database.engine()
    create_all(engine)
    create_all(engine)
    check(engine)
    assert migrate(engine) == (LATEST, LATEST)


def test_create_all_does_not_call_older_tables_new(database: Database) -> None:
    engine = database.engine()
    create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE paykit_schema_version SET version = 0"))
    with pytest.raises(SchemaOutOfDate, match="version 0"):
        create_all(engine)
    assert _versions(engine) == [0]


# --- check ----------------------------------------------------------------------------


def test_missing_tables_name_the_command_to_run(database: Database) -> None:
    with pytest.raises(SchemaOutOfDate, match="missing: run `paykit migrate`"):
        check(database.engine())


def test_older_tables_name_the_command_to_run(installed: Database) -> None:
    engine = installed.engine()
    with engine.begin() as connection:
        connection.execute(text("UPDATE paykit_schema_version SET version = 0"))
    with pytest.raises(SchemaOutOfDate, match=r"version 0.* run `paykit migrate`"):
        check(engine)


def test_tables_without_a_version_are_out_of_date(installed: Database) -> None:
    engine = installed.engine()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM paykit_schema_version"))
    with pytest.raises(SchemaOutOfDate, match="missing"):
        check(engine)


def test_newer_tables_are_refused_by_code_that_cannot_know_them(
    installed: Database,
) -> None:
    engine = installed.engine()
    with engine.begin() as connection:
        connection.execute(text(stamp(LATEST + 1)))
    with pytest.raises(SchemaOutOfDate, match=r"knows only .*pip install --upgrade"):
        check(engine)


def test_newer_tables_that_older_code_may_use_pass(installed: Database) -> None:
    engine = installed.engine()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO paykit_schema_version (version, compatible_from) "
                f"VALUES ({LATEST + 1}, {LATEST})"
            )
        )
    check(engine)


# --- the script -----------------------------------------------------------------------


def test_the_script_has_one_transaction_a_version() -> None:
    script = sql("postgresql", from_=0, to=2, steps=(v001, v002))
    assert script.count("BEGIN;\n") == script.count("COMMIT;\n") == 2
    assert script.count("SELECT pg_advisory_xact_lock") == 2
    assert script.index(stamp(1)) < script.index("CREATE TABLE paykit_next")


def test_the_script_can_begin_at_a_version() -> None:
    script = sql("sqlite", from_=1, to=2, steps=(v001, v002))
    assert "paykit_payment" not in script
    database = sqlite3.connect(":memory:")
    database.executescript(sql("sqlite"))
    database.executescript(script)
    assert database.execute("SELECT max(version) FROM paykit_schema_version").fetchall()
    database.close()


@pytest.mark.parametrize(("from_", "to"), [(1, 0), (-1, 1), (0, LATEST + 1)])
def test_there_is_no_script_where_there_is_no_way(from_: int, to: int) -> None:
    with pytest.raises(UsageError, match="no migration leads"):
        sql("sqlite", from_=from_, to=to)


def test_an_unknown_database_is_refused() -> None:
    with pytest.raises(UsageError, match="'mysql'"):
        sql("mysql")
