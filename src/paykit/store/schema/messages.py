"""Events out, webhooks in, and the one table of pending work."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from paykit.store.ddl import append_only, install, keep_keys
from paykit.store.schema.base import Id, Json, UtcDateTime, metadata

__all__ = ["event", "inbox", "work"]

event = Table(
    "paykit_event",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Debezium's outbox columns, by Debezium's names
    Column("aggregatetype", String(255), nullable=False),
    Column("aggregateid", String(255), nullable=False),
    Column("type", String(255), nullable=False),
    Column("payload", Json, nullable=False),
    # and ours
    Column("merchant_id", Id, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("from_state", String(32)),
    Column("to_state", String(32)),
    Column("cause", String(255), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    UniqueConstraint("aggregateid", "sequence"),
)
"""What happened to a payment, and why. INSERT-only; no payer data. `sequence` counts
from 1 per payment and is given under the payment's row lock; `cause` names the
operation, webhook or read that brought it."""

inbox = Table(
    "paykit_inbox",
    metadata,
    Column("id", String(512), primary_key=True),
    Column("binding", String(255), nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("event_type", String(255), nullable=False),
    Column("account", String(255)),
    Column("body", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("payment_id", Id),
    Column("received_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
)
"""Every verified webhook, raw; `id` is the binding and the PSP's event id. A trigger
puts it among the pending work, so that a receipt is one statement."""

work = Table(
    "paykit_work",
    metadata,
    Column("queue", String(16), primary_key=True),
    Column("id", String(512), primary_key=True),
    Column("group_id", Id),
    Column("position", Integer),
    Column("due_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease", Uuid),
    Column("lease_until_ms", BigInteger),
)
"""
What is still to do, and nothing else: a row is deleted when it is done (DESIGN 9).

`queue` is one of `paykit.store.work.Queue`, and `id` the row it is about. Within one
`group_id` rows are done in the order of `position`. Times are milliseconds by the
database's clock; `lease` is the fencing token of who works on it.
"""

Index(None, work.c.queue, work.c.due_ms)
Index(None, work.c.queue, work.c.group_id, work.c.position)

_ENQUEUE = (
    "INSERT INTO paykit_work (queue, id, due_ms, attempts) "
    "VALUES ('inbox', NEW.id, 0, 0)"
)

keep_keys(inbox, ("id",), quietly=True)
install(
    inbox,
    {
        "sqlite": (
            f"CREATE TRIGGER paykit_inbox_enqueue AFTER INSERT ON paykit_inbox "
            f"BEGIN {_ENQUEUE}; END",
        ),
        "postgresql": (
            f"CREATE OR REPLACE FUNCTION paykit_inbox_enqueue() RETURNS trigger "
            f"LANGUAGE plpgsql AS $$ BEGIN {_ENQUEUE}; RETURN NEW; END $$",
            "CREATE TRIGGER paykit_inbox_enqueue AFTER INSERT ON paykit_inbox "
            "FOR EACH ROW EXECUTE FUNCTION paykit_inbox_enqueue()",
        ),
    },
)
append_only(event, ("aggregateid", "sequence"))
