"""Every table that paykit owns, by family."""

from paykit.store.schema.base import metadata
from paykit.store.schema.breaks import reconciliation_break
from paykit.store.schema.cases import case
from paykit.store.schema.disputes import dispute
from paykit.store.schema.ledger import (
    ledger_account,
    ledger_balance,
    ledger_key,
    ledger_transfer,
)
from paykit.store.schema.messages import event, inbox, inbox_action, work
from paykit.store.schema.operations import attempt, operation, psp_answer
from paykit.store.schema.payments import claim, live_reference, payment, refund
from paykit.store.schema.payouts import payout
from paykit.store.schema.processes import process
from paykit.store.schema.subscriptions import subscription
from paykit.store.schema.version import schema_version
from paykit.store.schema.watching import alarm, event_cursor

__all__ = [
    "alarm",
    "attempt",
    "case",
    "claim",
    "dispute",
    "event",
    "event_cursor",
    "inbox",
    "inbox_action",
    "ledger_account",
    "ledger_balance",
    "ledger_key",
    "ledger_transfer",
    "live_reference",
    "metadata",
    "operation",
    "payment",
    "payout",
    "process",
    "psp_answer",
    "reconciliation_break",
    "refund",
    "schema_version",
    "subscription",
    "work",
]
