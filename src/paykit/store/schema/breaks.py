"""Where the PSP and we disagree, for a person to look at."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from paykit.store.schema.base import Id, Json, UtcDateTime, metadata

__all__ = ["reconciliation_break"]

reconciliation_break = Table(
    "paykit_break",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("aggregatetype", String(32), nullable=False),
    Column("aggregateid", Id, nullable=False, index=True),
    Column("kind", String(64), nullable=False),
    Column("detail", Json, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("resolved_by", String(64)),
    Column("resolution", String(500)),
)
"""One reconciliation break: what the PSP shows is accepted, and does not match. What it
is about is named as in `paykit.store.schema.messages.event`. `resolved_by` is who has
closed it, and `resolution` why; both are NULL if the PSP has shown that it is over."""
