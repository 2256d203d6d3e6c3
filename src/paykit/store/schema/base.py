"""What every table shares: the metadata, the naming rules and the column types."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import JSON, DateTime, MetaData, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from typing_extensions import override

__all__ = ["Id", "Json", "UtcDateTime", "metadata"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of paykit; all names start with ``paykit_``."""

Id = String(64)
"""Our own ids: a short prefix and a UUID or hash, such as ``pay_0192…``."""

Json = JSON().with_variant(JSONB(), "postgresql")
"""Structured data; ``jsonb`` on PostgreSQL."""


class UtcDateTime(TypeDecorator[datetime]):
    """
    An aware datetime, in UTC on the way in and on the way out.

    PostgreSQL answers in the session's zone and SQLite forgets the zone; both are
    mended here. A naive datetime is refused: nobody knows what it means.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Convert an aware datetime to UTC; refuse a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        return value.astimezone(UTC)

    @override
    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Return what is stored as an aware datetime in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)
