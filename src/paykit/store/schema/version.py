"""Which version of the schema the database has."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, func

from paykit.store.schema.base import UtcDateTime, metadata

__all__ = ["schema_version"]

schema_version = Table(
    "paykit_schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("compatible_from", Integer, nullable=False),
    Column("applied_at", UtcDateTime, nullable=False, server_default=func.now()),
)
"""One row per version that was applied; the newest one counts. Code that was written
for `compatible_from` or later may run on it, so that a deploy can roll on while its
predecessor still serves. No trigger guards it: people repair by changing it."""
