"""Disputes, as the PSP has shown them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from paykit.lifecycle import DISPUTE
from paykit.lifecycle.triggers import state_guard
from paykit.store.ddl import deny, install, keep_keys
from paykit.store.schema.base import Id, Json, UtcDateTime, metadata
from paykit.store.schema.payments import payment

__all__ = ["dispute"]

dispute = Table(
    "paykit_dispute",
    metadata,
    Column("id", Id, primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("payment_id", Id, ForeignKey(payment.c.id), nullable=False, index=True),
    Column("binding", String(255), nullable=False),
    Column("psp_reference", String(255), nullable=False),
    Column("charge_reference", String(255)),
    Column("state", String(32), nullable=False),
    Column("raw_status", String(64), nullable=False),
    Column("reason", String(64)),
    # its own, which may be more than the charge's, and in another currency
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("evidence_due_by", UtcDateTime),
    Column("submissions", Integer, nullable=False, default=0),
    Column("charge_refundable", Boolean, nullable=False),
    Column("movements", Json, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("binding", "psp_reference"),
    CheckConstraint("amount >= 0 AND submissions >= 0", name="observed_not_negative"),
)
"""One dispute; they all begin at the PSP. `movements` names the balance transactions
that are in the ledger. While any row of a payment is not `charge_refundable`, paykit
starts no refund of it."""

install(dispute, state_guard(dispute.name, DISPUTE))
deny(dispute, "DELETE", "TRUNCATE")
keep_keys(dispute, ("id",), ("binding", "psp_reference"))
