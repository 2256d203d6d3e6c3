"""How far the PSP's list of events has been read, and what is wrong with webhooks."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from paykit.store.schema.base import UtcDateTime, metadata
from paykit.store.schema.payments import payment

__all__ = ["alarm", "event_cursor"]

event_cursor = Table(
    "paykit_event_cursor",
    metadata,
    Column("binding", String(255), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("newest", UtcDateTime),
    Column("position", String(255)),
    Column("listed_at", UtcDateTime, nullable=False),
)
"""
How far the PSP's list of events has been read, a walk at a time, newest event first.

All that was created before `since`, by the PSP's clock, has been kept. `newest` and
`position` are of the walk that is under way: where it began, and where its last page
ended. Only the last page of a walk moves `since`. `listed_at` is when one ended last.
"""

alarm = Table(
    "paykit_alarm",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("detail", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(255)),
)
"""What is wrong with `subject`, a binding; one row for each kind, opened and closed by
what was seen. `closed_by` is who has closed it by hand."""

Index(None, payment.c.binding, payment.c.created_at)
