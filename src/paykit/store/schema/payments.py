"""Payments, refunds, and the claims that keep two commands apart."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from paykit.lifecycle import PAYMENT, REFUND, PaymentEvent, RefundState
from paykit.lifecycle.triggers import claim_guard, state_guard
from paykit.store.ddl import deny, install, keep_keys
from paykit.store.schema.base import Id, Json, UtcDateTime, metadata

__all__ = ["claim", "live_reference", "payment", "refund"]

payment = Table(
    "paykit_payment",
    metadata,
    Column("id", Id, primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("operation_id", Id, nullable=False),
    Column("reference", String(255)),
    Column("binding", String(255), nullable=False),
    Column("psp_reference", String(255)),
    Column("charge_reference", String(255)),
    Column("state", String(32), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("capture", String(16), nullable=False),
    # what we asked for
    Column("amount", BigInteger, nullable=False),
    Column("amount_asked", BigInteger),
    Column("refund_reserved", BigInteger, nullable=False, default=0),
    Column("cancel_reason", String(64)),
    # what the PSP has shown
    Column("capturable", BigInteger, nullable=False, default=0),
    Column("captured", BigInteger, nullable=False, default=0),
    Column("refunded", BigInteger, nullable=False, default=0),
    Column("refunded_external", BigInteger, nullable=False, default=0),
    Column("disputed", BigInteger, nullable=False, default=0),
    Column("returned", BigInteger, nullable=False, default=0),
    Column("capture_before", UtcDateTime),
    Column("multicapture", String(16)),
    Column("incremental_authorization", String(16)),
    Column("next_action", Json),
    Column("decline", Json),
    Column("description", Text),
    Column("metadata", Json, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("event_sequence", Integer, nullable=False, default=0),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("binding", "psp_reference"),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("amount_asked > 0", name="amount_asked_positive"),
    CheckConstraint(
        "capturable >= 0 AND captured >= 0 AND refunded >= 0 "
        "AND refunded_external >= 0 AND disputed >= 0 AND returned >= 0",
        name="observed_not_negative",
    ),
    # Only what we start is bound by the ceiling; what the PSP shows is accepted.
    CheckConstraint(
        "refund_reserved >= 0 AND refund_reserved <= captured", name="refund_ceiling"
    ),
)
"""One payment. `refund_reserved` counts our refunds unless they failed, pending ones
included; `refunded_external` counts those that began at the PSP in the same way.
`disputed` is what payers' banks hold through disputes in the payment's currency, and
`returned` what they took back of a debit that had succeeded.
`amount_asked` is what a command under way wants the amount to become, and `amount`
becomes nothing else. `multicapture` and `incremental_authorization` are NULL if they
were not asked for, then ``requested``, ``available`` or ``unavailable``."""

Index(None, payment.c.merchant_id, payment.c.created_at, payment.c.id)

live_reference = Table(
    "paykit_live_reference",
    metadata,
    Column("merchant_id", Id, primary_key=True),
    Column("reference", String(255), primary_key=True),
    Column("payment_id", Id, nullable=False),
)
"""The payment that stands for a host's order, until it ends without money."""

refund = Table(
    "paykit_refund",
    metadata,
    Column("id", Id, primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("payment_id", Id, ForeignKey(payment.c.id), nullable=False, index=True),
    Column("operation_id", Id),
    Column("origin", String(16), nullable=False),
    Column("binding", String(255), nullable=False),
    Column("psp_reference", String(255)),
    Column("state", String(32), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", String(64)),
    Column("failure_reason", String(64)),
    Column("metadata", Json, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("binding", "psp_reference"),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("origin IN ('paykit', 'external')", name="origin_known"),
)
"""One refund, started by us or adopted from the PSP (``origin = external``)."""

claim = Table(
    "paykit_claim",
    metadata,
    Column("thing_id", Id, primary_key=True),
    Column("command", String(32), nullable=False),
    Column("operation_id", Id, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
)
"""The one charge-side command that is under way on a payment (DESIGN law 2)."""

_OVER = "refund: more than what is reserved on its payment"
_CHANGED = "refund: payment, amount, currency and origin never change"
_LOWERED = "payment: reservation below the sum of its refunds"
_RAISED = "payment: reservation above what is left of its captured amount"
_UNASKED = "payment: the amount becomes only what was asked for"
_SETTLED = "payment: another amount is asked for only before it settles"
_AMOUNT_MAY_CHANGE = ", ".join(
    f"'{state}'"
    for command, state in PAYMENT.commands()
    if command in {PaymentEvent.START_UPDATE, PaymentEvent.START_INCREMENT}
)
_OVER_WITH = f"('{RefundState.FAILED}', '{RefundState.CANCELED}')"


def _reserved(payment_id: str, extra: str) -> str:
    """Return SQL for what our living refunds of a payment add up to."""
    return (
        f"(SELECT coalesce(sum(r.amount), 0) FROM paykit_refund r "
        f"WHERE r.payment_id = {payment_id} AND r.origin = 'paykit' "
        f"AND r.state NOT IN {_OVER_WITH}){extra}"
    )


_SAME = " OR ".join(
    f"OLD.{column} <> NEW.{column}"
    for column in ("payment_id", "amount", "currency", "origin")
)

_LESS_THAN_REFUNDS = (
    f"NEW.refund_reserved < OLD.refund_reserved "
    f"AND NEW.refund_reserved < {_reserved('NEW.id', '')}"
)
# Refunds that began at the PSP leave less for ours; a CHECK would refuse theirs.
_MORE_THAN_LEFT = (
    "NEW.refund_reserved > OLD.refund_reserved "
    "AND NEW.refund_reserved + NEW.refunded_external > NEW.captured"
)

# The amount follows what we asked for, once the PSP has shown it: nothing else.
_AMOUNT_MOVES = (
    "NEW.amount <> OLD.amount "
    "AND (OLD.amount_asked IS NULL OR NEW.amount <> OLD.amount_asked)"
)
_ASKED_TOO_LATE = (
    "NEW.amount_asked IS NOT NULL "
    "AND (OLD.amount_asked IS NULL OR NEW.amount_asked <> OLD.amount_asked) "
    f"AND OLD.state NOT IN ({_AMOUNT_MAY_CHANGE})"
)

_AMOUNT = {
    "sqlite": (
        f"CREATE TRIGGER paykit_payment_amount BEFORE UPDATE ON paykit_payment "
        f"WHEN {_AMOUNT_MOVES} BEGIN SELECT RAISE(ABORT, '{_UNASKED}'); END",
        f"CREATE TRIGGER paykit_payment_asked BEFORE UPDATE ON paykit_payment "
        f"WHEN {_ASKED_TOO_LATE} BEGIN SELECT RAISE(ABORT, '{_SETTLED}'); END",
    ),
    "postgresql": (
        f"CREATE OR REPLACE FUNCTION paykit_payment_amount() RETURNS trigger "
        f"LANGUAGE plpgsql "
        f"AS $$ BEGIN IF {_AMOUNT_MOVES} THEN "
        f"RAISE EXCEPTION '{_UNASKED}' USING ERRCODE = 'check_violation'; END IF; "
        f"IF {_ASKED_TOO_LATE} THEN "
        f"RAISE EXCEPTION '{_SETTLED}' USING ERRCODE = 'check_violation'; END IF; "
        f"RETURN NEW; END $$",
        "CREATE TRIGGER paykit_payment_amount BEFORE UPDATE OF amount, amount_asked "
        "ON paykit_payment FOR EACH ROW EXECUTE FUNCTION paykit_payment_amount()",
    ),
}

_CEILING = {
    "sqlite": (
        # Without a payment there is nothing to refund: SQLite checks no foreign keys.
        f"CREATE TRIGGER paykit_refund_ceiling BEFORE INSERT ON paykit_refund "
        f"WHEN NEW.origin = 'paykit' AND {_reserved('NEW.payment_id', ' + NEW.amount')}"
        f" > coalesce((SELECT p.refund_reserved FROM paykit_payment p "
        f"WHERE p.id = NEW.payment_id), 0) BEGIN SELECT RAISE(ABORT, '{_OVER}'); END",
        f"CREATE TRIGGER paykit_refund_fixed BEFORE UPDATE ON paykit_refund "
        f"WHEN {_SAME} BEGIN SELECT RAISE(ABORT, '{_CHANGED}'); END",
        f"CREATE TRIGGER paykit_payment_reserved BEFORE UPDATE ON paykit_payment "
        f"WHEN {_LESS_THAN_REFUNDS} BEGIN SELECT RAISE(ABORT, '{_LOWERED}'); END",
        f"CREATE TRIGGER paykit_payment_left BEFORE UPDATE ON paykit_payment "
        f"WHEN {_MORE_THAN_LEFT} BEGIN SELECT RAISE(ABORT, '{_RAISED}'); END",
    ),
    "postgresql": (
        # The payment's row is locked first, so that two inserts cannot both fit.
        f"CREATE OR REPLACE FUNCTION paykit_refund_ceiling() RETURNS trigger "
        f"LANGUAGE plpgsql "
        f"AS $$ DECLARE room bigint; BEGIN "
        f"IF TG_OP = 'UPDATE' THEN IF {_SAME} THEN "
        f"RAISE EXCEPTION '{_CHANGED}' USING ERRCODE = 'check_violation'; END IF; "
        f"ELSIF NEW.origin = 'paykit' THEN "
        f"SELECT p.refund_reserved INTO room FROM paykit_payment p "
        f"WHERE p.id = NEW.payment_id FOR UPDATE; "
        f"IF {_reserved('NEW.payment_id', ' + NEW.amount')} > room THEN "
        f"RAISE EXCEPTION '{_OVER}' USING ERRCODE = 'check_violation'; END IF; "
        f"END IF; RETURN NEW; END $$",
        "CREATE TRIGGER paykit_refund_ceiling BEFORE INSERT OR UPDATE "
        "ON paykit_refund FOR EACH ROW EXECUTE FUNCTION paykit_refund_ceiling()",
        f"CREATE OR REPLACE FUNCTION paykit_payment_reserved() RETURNS trigger "
        f"LANGUAGE plpgsql "
        f"AS $$ BEGIN IF {_LESS_THAN_REFUNDS} THEN "
        f"RAISE EXCEPTION '{_LOWERED}' USING ERRCODE = 'check_violation'; END IF; "
        f"IF {_MORE_THAN_LEFT} THEN "
        f"RAISE EXCEPTION '{_RAISED}' USING ERRCODE = 'check_violation'; END IF; "
        f"RETURN NEW; END $$",
        "CREATE TRIGGER paykit_payment_reserved BEFORE UPDATE OF refund_reserved "
        "ON paykit_payment FOR EACH ROW EXECUTE FUNCTION paykit_payment_reserved()",
    ),
}

install(payment, state_guard(payment.name, PAYMENT))
install(refund, state_guard(refund.name, REFUND))
install(payment, _AMOUNT)
install(refund, _CEILING)
install(claim, claim_guard(claim.name, payment.name, PAYMENT))
deny(payment, "DELETE", "TRUNCATE")
deny(refund, "DELETE", "TRUNCATE")
keep_keys(payment, ("id",), ("binding", "psp_reference"))
keep_keys(refund, ("id",), ("binding", "psp_reference"))
keep_keys(claim, ("thing_id",))
