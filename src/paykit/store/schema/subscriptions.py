"""Subscriptions, as the PSP has shown them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from paykit.lifecycle import SUBSCRIPTION
from paykit.lifecycle.triggers import state_guard
from paykit.store.ddl import deny, install, keep_keys
from paykit.store.schema.base import Id, Json, UtcDateTime, metadata
from paykit.store.schema.linking import SUBSCRIPTION_LINKED

__all__ = ["subscription"]

subscription = Table(
    "paykit_subscription",
    metadata,
    Column("id", Id, primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("binding", String(255), nullable=False),
    Column("psp_reference", String(255), nullable=False),
    Column("state", String(32), nullable=False),
    Column("raw_status", String(64), nullable=False),
    # the PSP's id of who subscribes
    Column("customer", String(255)),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("cancel_at", UtcDateTime),
    Column("canceled_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("current_period_end", UtcDateTime),
    Column("latest_invoice", String(255)),
    Column("metadata", Json, nullable=False),
    Column("late_invoices", Json, nullable=False),
    Column("event_sequence", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("binding", "psp_reference"),
    CheckConstraint("event_sequence >= 0", name="counters_not_negative"),
)
"""One subscription; they all begin at the PSP. `late_invoices` names those that were
paid although it had ended or was to end, each of which has been shown once."""

Index(None, subscription.c.merchant_id, subscription.c.created_at, subscription.c.id)

install(subscription, state_guard(subscription.name, SUBSCRIPTION))
deny(subscription, "DELETE", "TRUNCATE")
keep_keys(subscription, ("id",), ("binding", "psp_reference"), quietly=True)
install(subscription, SUBSCRIPTION_LINKED)
