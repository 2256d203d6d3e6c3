"""
What tables need beyond columns, per dialect: triggers, and nothing else.

The one place that knows how a database refuses something. Statements are kept with
their table, so that ``create_all`` and the migrations install the very same text.
SQLite's ``INSERT OR REPLACE`` walks around UPDATE and DELETE triggers (DELETE triggers
fire for it only under ``PRAGMA recursive_triggers``); BEFORE INSERT triggers that know
the existing keys close that door, and one that knows the hidden rowid closes the other.
``UPDATE OR REPLACE`` deletes whoever has the new key in the same way, so keys are kept
from updates too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import DDL, Table, event

__all__ = ["append_only", "deny", "install", "keep_keys", "statements"]

_INFO = "paykit_ddl"


def install(table: Table, by_dialect: Mapping[str, Sequence[str]]) -> None:
    """Run the statements of the dialect in use whenever `table` has been created."""
    kept = cast("dict[str, list[str]]", table.info.setdefault(_INFO, {}))
    for dialect, texts in by_dialect.items():
        kept.setdefault(dialect, []).extend(texts)
        for text in texts:
            ddl = DDL(text.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


def statements(table: Table, dialect: str) -> tuple[str, ...]:
    """
    Return what `install` runs for `table` on `dialect`, in order, as plain SQL.

    Run them as ``text(statement)``, which hides percent signs from the driver.
    """
    kept = cast("dict[str, list[str]]", table.info.get(_INFO, {}))
    return tuple(kept.get(dialect, ()))


def deny(table: Table, *verbs: str) -> None:
    """Refuse `verbs` (UPDATE, DELETE, TRUNCATE) on `table`, whoever asks."""
    name = table.name
    text = f"{name}: rows are never changed or deleted"
    function = f"{name}_deny"
    install(
        table,
        {
            "sqlite": [
                f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
                f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
                for verb in verbs
                if verb != "TRUNCATE"
            ],
            "postgresql": [
                f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger "
                f"LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{text}' "
                f"USING ERRCODE = 'integrity_constraint_violation'; END $$",
                f"CREATE TRIGGER {function} BEFORE {' OR '.join(verbs)} ON {name} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
                # Also when a superuser switches triggers off for replication.
                f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {function}",
            ],
        },
    )


def keep_keys(table: Table, *keys: Sequence[str], quietly: bool = False) -> None:
    """
    Let no INSERT and no UPDATE replace a row that has one of `keys` already (SQLite).

    `quietly` skips such an INSERT, as ``ON CONFLICT DO NOTHING`` means it, instead of
    refusing the statement; without it that clause raises on SQLite. PostgreSQL has no
    REPLACE and needs nothing.
    """
    _keep_from_inserts(table, keys, quietly=quietly)
    _keep_from_updates(table, keys)


def _keep_from_inserts(
    table: Table, keys: Sequence[Sequence[str]], *, quietly: bool
) -> None:
    """Let no INSERT OR REPLACE delete a row with one of `keys`."""
    _keep_rowids(table)
    action = "IGNORE" if quietly else f"ABORT, '{table.name}: the row exists'"
    install(
        table,
        {
            "sqlite": [
                f"CREATE TRIGGER {table.name}_keep_{'_'.join(key)} "
                f"BEFORE INSERT ON {table.name} WHEN EXISTS "
                f"(SELECT 1 FROM {table.name} existing WHERE "
                + " AND ".join(f"existing.{column} = NEW.{column}" for column in key)
                + f") BEGIN SELECT RAISE({action}); END"
                for key in keys
            ]
        },
    )


def _keep_from_updates(table: Table, keys: Sequence[Sequence[str]]) -> None:
    """Let no UPDATE OR REPLACE delete another row, and no row take another rowid."""
    name = table.name
    taken = {
        "_".join(key): "("
        + " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in key)
        + f") AND EXISTS (SELECT 1 FROM {name} existing WHERE "
        + " AND ".join(f"existing.{column} = NEW.{column}" for column in key)
        + ")"
        for key in keys
    }
    if table.dialect_options["sqlite"]["with_rowid"]:
        taken["rowid"] = "OLD.rowid <> NEW.rowid"
    install(
        table,
        {
            "sqlite": [
                f"CREATE TRIGGER {name}_leave_{key} BEFORE UPDATE ON {name} "
                f"WHEN {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{name}: the row exists'); END"
                for key, condition in taken.items()
            ]
        },
    )


def _keep_rowids(table: Table) -> None:
    """Let no INSERT replace a row by naming its rowid, SQLite's unwritten key."""
    name = table.name
    before = f"{name}_keep_rowid"
    known = any(before in text for text in statements(table, "sqlite"))
    if known or not table.dialect_options["sqlite"]["with_rowid"]:
        return
    # Before the INSERT an unnamed rowid reads as -1, so no row may really have one
    # below zero: that is what the second trigger refuses.
    install(
        table,
        {
            "sqlite": [
                f"CREATE TRIGGER {before} BEFORE INSERT ON {name} WHEN "
                f"NEW.rowid >= 0 AND EXISTS "
                f"(SELECT 1 FROM {name} existing WHERE existing.rowid = NEW.rowid) "
                f"BEGIN SELECT RAISE(ABORT, '{name}: the row exists'); END",
                f"CREATE TRIGGER {name}_positive_rowid AFTER INSERT ON {name} "
                f"WHEN NEW.rowid < 0 "
                f"BEGIN SELECT RAISE(ABORT, '{name}: a rowid below zero'); END",
            ]
        },
    )


def append_only(table: Table, *keys: Sequence[str], quietly: bool = False) -> None:
    """
    Refuse every UPDATE, DELETE and TRUNCATE; keep the primary key and `keys`.

    A correction is a new row (DESIGN law 5).
    """
    deny(table, "UPDATE", "DELETE", "TRUNCATE")
    primary = tuple(column.name for column in table.primary_key)
    _keep_from_inserts(table, [primary, *keys], quietly=quietly)
