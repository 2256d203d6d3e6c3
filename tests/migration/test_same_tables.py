"""However the tables are made, they are the same."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine, text

import paykit.store.migrations
from paykit.store import create_all
from paykit.store.migrations import check, migrate, sql
from paykit.store.schema import metadata
from tests.databases import Database
from tests.migration.catalog import Catalog, catalog


def _by_script(engine: Engine) -> None:
    """Run what `sql` prints as a person would, without paykit."""
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    script = sql(engine.dialect.name)
    if engine.dialect.name == "sqlite":
        driver.executescript(script)
    else:
        driver.autocommit = True
        driver.execute(script)
        driver.autocommit = False
    pooled.close()


WAYS: Final[dict[str, Callable[[Engine], object]]] = {
    "migrate": migrate,
    "script": _by_script,
}


ADVICE: Final = (
    "the tables and their migrations differ: write the next version, or, as long as "
    "nobody has run the newest one, `python -m tests.migration.freeze`"
)


def difference(one: Catalog, other: Catalog) -> dict[str, tuple[object, object]]:
    """Return what the two say differently, by name."""
    return {
        name: (one.get(name), other.get(name))
        for name in one.keys() | other.keys()
        if one.get(name) != other.get(name)
    }


@pytest.mark.parametrize("way", WAYS)
def test_migrating_makes_what_create_all_makes(
    database: Database, twin: Database, way: str
) -> None:
    create_all(database.engine())
    WAYS[way](twin.engine())
    check(twin.engine())
    created = catalog(database.engine())
    assert difference(created, catalog(twin.engine())) == {}, ADVICE
    for table in metadata.tables.values():
        for column in table.columns:
            assert any(f"{table.name}.{column.name}" in name for name in created)


SABOTAGE: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": (
        "DROP TRIGGER paykit_payment_state_moves",
        "DROP INDEX ix_paykit_attempt_operation_id",
        "ALTER TABLE paykit_payment ADD COLUMN extra TEXT",
        "CREATE TABLE paykit_extra (id TEXT)",
        "CREATE TRIGGER extra AFTER INSERT ON paykit_work BEGIN SELECT 1; END",
        "DELETE FROM paykit_schema_version",
    ),
    "postgresql": (
        "DROP TRIGGER paykit_payment_state_guard ON paykit_payment",
        "DROP INDEX ix_paykit_attempt_operation_id",
        "ALTER TABLE paykit_payment ADD COLUMN extra text",
        "ALTER TABLE paykit_payment ALTER COLUMN amount DROP NOT NULL",
        "ALTER TABLE paykit_payment ALTER COLUMN capture SET DEFAULT 'x'",
        "ALTER TABLE paykit_payment ALTER COLUMN capture TYPE varchar(17)",
        "ALTER TABLE paykit_payment DROP CONSTRAINT ck_paykit_payment_refund_ceiling",
        "ALTER TABLE paykit_payment DISABLE TRIGGER paykit_payment_state_guard",
        "ALTER TABLE paykit_payment ENABLE TRIGGER paykit_payment_deny",
        "ALTER FUNCTION paykit_ledger_transfer_apply() SECURITY INVOKER",
        "CREATE OR REPLACE FUNCTION paykit_payment_deny() RETURNS trigger "
        "LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TABLE paykit_extra (id text)",
        "DELETE FROM paykit_schema_version",
    ),
}


@pytest.mark.parametrize(
    ("installed", "change"),
    [(kind, change) for kind, changes in SABOTAGE.items() for change in changes],
    indirect=["installed"],
)
def test_every_change_of_the_tables_is_seen(installed: Database, change: str) -> None:
    engine = installed.engine()
    before = catalog(engine)
    with engine.begin() as connection:
        connection.execute(text(change))
    assert difference(before, catalog(engine))


MIGRATIONS: Final = Path(str(paykit.store.migrations.__file__)).parent

MOVING: Final = ("paykit.store.schema", "paykit.store.ddl", "paykit.lifecycle")
"""What tells how the tables are today, which no migration may ask."""


@pytest.mark.parametrize(
    "path", sorted(MIGRATIONS.glob("*.py")), ids=lambda path: path.name
)
def test_a_migration_does_not_know_how_the_tables_are_today(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not str(node.module).startswith(MOVING)
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith(MOVING) for name in node.names)


def test_the_tables_of_the_migrations_are_text() -> None:
    for path in MIGRATIONS.glob("v*.sql"):
        assert "CREATE TABLE" in path.read_text("utf-8")
    assert {path.name for path in MIGRATIONS.glob("v001.*")} == {
        "v001.postgresql.sql",
        "v001.sqlite.sql",
    }
