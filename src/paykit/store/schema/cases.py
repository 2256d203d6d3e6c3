"""Operations whose outcome nobody could find out: each waits for a person."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Uuid

from paykit.store.schema.base import Id, Json, UtcDateTime, metadata

__all__ = ["case"]

case = Table(
    "paykit_case",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("operation_id", Id, nullable=False, unique=True),
    Column("merchant_id", Id, nullable=False),
    Column("payment_id", Id),
    Column("name", String(64), nullable=False),
    Column("why", String(500), nullable=False),
    Column("seen", Json, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
)
"""
One row exactly as long as an operation is a case; its history is in the event log.

`id` grows with time, so that a list goes on where it ended, whatever was closed
meanwhile. `seen` is what was read as evidence last, without payer data. Who deletes the
row decides the case: of several who try, one finds it.
"""
