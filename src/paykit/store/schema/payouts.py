"""Payouts, as the PSP has shown them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from paykit.lifecycle import PAYOUT
from paykit.lifecycle.triggers import state_guard
from paykit.store.ddl import deny, install, keep_keys
from paykit.store.schema.base import Id, Json, UtcDateTime, metadata

__all__ = ["payout"]

payout = Table(
    "paykit_payout",
    metadata,
    Column("id", Id, primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("binding", String(255), nullable=False),
    Column("psp_reference", String(255), nullable=False),
    Column("state", String(32), nullable=False),
    Column("raw_status", String(64), nullable=False),
    # negative if the PSP takes it from our bank
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("arrival", UtcDateTime),
    Column("failure_code", String(64)),
    Column("movements", Json, nullable=False),
    Column("event_sequence", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("binding", "psp_reference"),
    CheckConstraint("event_sequence >= 0", name="counters_not_negative"),
)
"""One payout; they all begin at the PSP. `movements` names the balance transactions
that are in the ledger, for `merchant_id`, who owns the account at the PSP."""

Index(None, payout.c.merchant_id, payout.c.created_at, payout.c.id)

install(payout, state_guard(payout.name, PAYOUT))
deny(payout, "DELETE", "TRUNCATE")
keep_keys(payout, ("id",), ("binding", "psp_reference"), quietly=True)
