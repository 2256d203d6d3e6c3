"""An INSERT that leaves an existing row with the same key alone, by dialect."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

__all__ = ["insert_or_ignore"]


def insert_or_ignore(table: Table) -> Mapping[str, PostgresqlInsert | SqliteInsert]:
    """Return the statement for each dialect; build it once, at import."""
    return {
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
    }
