"""What a database says about its tables, to compare two ways of making them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

__all__ = ["Catalog", "catalog"]

Catalog = dict[str, object]
"""From the name of a thing to all that the database knows about it."""


def catalog(engine: Engine) -> Catalog:
    """Read tables, columns, constraints, indexes, triggers, functions and versions."""
    read = {"sqlite": _sqlite, "postgresql": _postgresql}[engine.dialect.name]
    with engine.connect() as connection:
        return dict(read(connection)) | dict(_versions(connection))


def _versions(connection: Connection) -> Iterator[tuple[str, object]]:
    found = connection.execute(
        text("SELECT version, compatible_from FROM paykit_schema_version ORDER BY 1")
    )
    yield "versions", [tuple(row) for row in found]


def _words(code: str) -> str:
    return " ".join(code.split())


def _sqlite(connection: Connection) -> Iterator[tuple[str, object]]:
    inspector = inspect(connection)
    for table in inspector.get_table_names():
        yield f"{table} primary key", inspector.get_pk_constraint(table)
        for column in inspector.get_columns(table):
            yield f"{table}.{column['name']}", repr(column)
        for key in inspector.get_foreign_keys(table):
            yield f"{table} foreign key {key['name']}", key
        for unique in inspector.get_unique_constraints(table):
            yield f"{table} unique {unique['name']}", unique
        for rule in inspector.get_check_constraints(table):
            yield f"{table} check {rule['name']}", _words(str(rule["sqltext"]))
        for index in inspector.get_indexes(table):
            options = index.pop("dialect_options", {})
            where = _words(str(options.get("sqlite_where", "")))
            yield f"{table} index {index['name']}", (index, where)
    kinds = connection.execute(
        text("SELECT name, type, wr, strict FROM pragma_table_list")
    )
    for name, *kind in kinds:
        if not name.startswith("sqlite_"):
            yield f"{name} kind", kind
    triggers = connection.execute(
        text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    )
    for name, table, sql in triggers:
        yield f"trigger {name}", (table, _words(sql))


_POSTGRESQL: Final = {
    "column": """
        SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
               a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = current_schema()::regnamespace
        AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped""",
    "relation": """
        SELECT relname, relkind, relpersistence, reloptions, relrowsecurity
        FROM pg_class WHERE relnamespace = current_schema()::regnamespace""",
    "constraint": """
        SELECT conrelid::regclass || ' ' || conname, contype, condeferrable,
               convalidated, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = current_schema()::regnamespace""",
    "index": """
        SELECT indexname, tablename, indexdef
        FROM pg_indexes WHERE schemaname = current_schema()""",
    "trigger": """
        SELECT tgname, tgrelid::regclass::text, tgenabled, pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal""",
    "function": """
        SELECT proname, pg_get_functiondef(oid)
        FROM pg_proc WHERE pronamespace = current_schema()::regnamespace""",
}


def _postgresql(connection: Connection) -> Iterator[tuple[str, object]]:
    for kind, query in _POSTGRESQL.items():
        for name, *facts in connection.execute(text(query.replace("::", r"\:\:"))):
            words = [_words(fact) if isinstance(fact, str) else fact for fact in facts]
            yield f"{kind} {name}", words
