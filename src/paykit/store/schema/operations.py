"""Operations, what they asked the PSP, and what it answered."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from paykit.store.ddl import append_only, keep_keys
from paykit.store.schema.base import Id, Json, UtcDateTime, metadata

__all__ = ["attempt", "operation", "psp_answer"]

operation = Table(
    "paykit_operation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("idempotency_key", String(255), nullable=False),
    Column("name", String(64), nullable=False),
    Column("fingerprint", String(80), nullable=False),
    Column("command", Json, nullable=False),
    Column("binding", String(255), nullable=False),
    Column("payment_id", Id),
    Column("status", String(16), nullable=False),
    Column("recovery_point", String(64)),
    Column("recovery_state", Json),
    Column("result", Json),
    Column("error", Json),
    Column("phase_id", Uuid, nullable=False),
    Column("execute_before", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("merchant_id", "idempotency_key"),
)
"""One use of one idempotency key; never archived. The lease is in ``paykit_work``,
and there is a row there exactly as long as the operation is open."""

attempt = Table(
    "paykit_attempt",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("operation_id", Id, nullable=False, index=True),
    Column("recovery_point", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("binding", String(255), nullable=False),
    Column("verb", String(64), nullable=False),
    Column("parameters", Text, nullable=False),
    Column("psp_key", String(255), nullable=False, unique=True),
    Column("first_sent_at", UtcDateTime, nullable=False),
    Column("write_deadline", UtcDateTime, nullable=False),
    Column("outcome", String(32)),
    Column("request_id", String(255)),
    Column("proved_by", String(255)),
)
"""One call to the PSP, written before it is sent: the parameters are verbatim, so that
a resend is the same bytes after any deploy. `outcome` folds all its sends; it is NULL
while nobody knows. `proved_by` is an event of the PSP that carries the attempt's key:
it proves that the PSP has executed it."""

psp_answer = Table(
    "paykit_psp_answer",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("attempt_id", String(160), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("body", Json, nullable=False),
    Column("request_id", String(255)),
    Column("replayed", Boolean, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)
"""Everything a PSP answered to a write, stored without asking for a lease."""

keep_keys(operation, ("id",), ("merchant_id", "idempotency_key"), quietly=True)
keep_keys(attempt, ("id",), ("psp_key",))
append_only(psp_answer)
