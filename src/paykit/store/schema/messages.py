"""Events out, webhooks in, and the one table of pending work."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from paykit.store.ddl import append_only, install, keep_keys
from paykit.store.schema.base import Id, Json, UtcDateTime, metadata
from paykit.store.schema.linking import PAYMENT_LINKED
from paykit.store.schema.payments import payment

__all__ = ["event", "inbox", "inbox_action", "work"]

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
"""What happened to a payment or a payout (`aggregatetype`), and why. INSERT-only; no
payer data. `sequence` counts from 1 per `aggregateid` and is given under the lock of
its row; `cause` names the operation, webhook or read that brought it."""

inbox = Table(
    "paykit_inbox",
    metadata,
    Column("id", String(512), primary_key=True),
    Column("binding", String(255), nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("event_type", String(255), nullable=False),
    Column("account", String(255)),
    Column("body", LargeBinary),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("payment_id", Id),
    Column("subject_reference", String(255)),
    # how often it was looked at, by why that was not the end
    Column("deferrals", Integer, nullable=False, server_default=text("0")),
    Column("unread", Integer, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("first_failed_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    Column("origin", String(16)),
    Column("received_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    CheckConstraint(
        "body IS NOT NULL OR status IN ('applied', 'ignored')", name="body_needed"
    ),
    CheckConstraint("(status = 'dead') = (dead_at IS NOT NULL)", name="dead_since"),
)
"""Every verified webhook, raw; `id` is the binding and the PSP's event id. A trigger
puts it among the pending work, so that a receipt is one statement. `origin` says how it
came: ``push``, or ``list`` for what the PSP's own list has told first.

`body` is NULL once it was erased; the id stays, because it tells repetitions.
`deferrals` counts the looks that did not find its payment, `unread` those in a row that
could not read the PSP, `failures` those on which our code failed: only these make it
``dead``. `subject_reference` is the PSP's payment or subscription that it was found to
belong to while that was none of ours: a trigger looks at it again when one of ours
turns out to be it.
"""

inbox_action = Table(
    "paykit_inbox_action",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("inbox_id", String(512), nullable=False, index=True),
    Column("action", String(16), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("reason", Text),
    Column("status_before", String(16), nullable=False),
    Column("reason_before", Text),
    Column("occurred_at", UtcDateTime, nullable=False),
)
"""What a person did with a webhook (``replay`` or ``discard``), and what it was before.
INSERT-only. Not in a payment's history, because most dead letters have no payment."""

Index(None, inbox.c.binding, inbox.c.origin, inbox.c.received_at)

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
    Column("parked_ms", BigInteger),
    Column("reason", String(500)),
)
"""
What is still to do, and nothing else: a row is deleted when it is done (DESIGN 9).

`queue` is one of `paykit.store.work.Queue`, and `id` the row it is about. Within one
`group_id` rows are done in the order of `position`. Times are milliseconds by the
database's clock; `lease` is the fencing token of who works on it. A row that failed too
often is parked: it is never due, holds up its group and waits for a person (`reason`).
While a message waits for the broker after a failure, `reason` is the newest event of
then: see `paykit.store.published`.
"""

_FOREIGN: Final = inbox.c.subject_reference.is_not(None)
_DEAD: Final = inbox.c.dead_at.is_not(None)
_WHOLE: Final = inbox.c.body.is_not(None)

# Partial, so that they cost nothing where webhooks are received and finished: these
# change none of the columns. Without `WHERE` they would do as well, only slower.
Index(
    "ix_paykit_inbox_foreign",
    inbox.c.binding,
    inbox.c.subject_reference,
    postgresql_where=_FOREIGN,
    sqlite_where=_FOREIGN,
)
Index(
    "ix_paykit_inbox_dead",
    inbox.c.id,
    postgresql_where=_DEAD,
    sqlite_where=_DEAD,
)
Index(
    "ix_paykit_inbox_whole",
    inbox.c.received_at,
    postgresql_where=_WHOLE,
    sqlite_where=_WHOLE,
)

Index(None, work.c.queue, work.c.due_ms)
Index(None, work.c.queue, work.c.group_id, work.c.position)

_ENQUEUE = (
    "INSERT INTO paykit_work (queue, id, due_ms, attempts) "
    "VALUES ('inbox', NEW.id, 0, 0)"
)
_AGAIN = "NEW.status = 'received' AND OLD.status <> 'received'"

keep_keys(inbox, ("id",), quietly=True)
install(
    inbox,
    {
        "sqlite": (
            f"CREATE TRIGGER paykit_inbox_enqueue AFTER INSERT ON paykit_inbox "
            f"BEGIN {_ENQUEUE}; END",
            f"CREATE TRIGGER paykit_inbox_again AFTER UPDATE OF status ON paykit_inbox "
            f"WHEN {_AGAIN} BEGIN {_ENQUEUE}; END",
        ),
        "postgresql": (
            f"CREATE OR REPLACE FUNCTION paykit_inbox_enqueue() RETURNS trigger "
            f"LANGUAGE plpgsql AS $$ BEGIN {_ENQUEUE}; RETURN NEW; END $$",
            "CREATE TRIGGER paykit_inbox_enqueue AFTER INSERT ON paykit_inbox "
            "FOR EACH ROW EXECUTE FUNCTION paykit_inbox_enqueue()",
            "CREATE TRIGGER paykit_inbox_again AFTER UPDATE OF status ON paykit_inbox "
            f"FOR EACH ROW WHEN ({_AGAIN}) EXECUTE FUNCTION paykit_inbox_enqueue()",
        ),
    },
)
append_only(event, ("aggregateid", "sequence"))
append_only(inbox_action)
install(payment, PAYMENT_LINKED)
