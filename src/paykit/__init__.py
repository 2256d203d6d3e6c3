"""Take payments without ever losing or doubling one."""

from __future__ import annotations

from paykit.engine import Policy, PspDirectory
from paykit.errors import (
    CardDataRefused,
    IdempotencyKeyReused,
    IllegalTransition,
    InProgress,
    InvalidMoney,
    InvalidRequest,
    LeaseLost,
    LedgerConflict,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
    PaykitError,
    PspMisconfigured,
    PspRejected,
    PspUnavailable,
    RefundExceedsCaptured,
    SchemaOutOfDate,
    TransactionOpen,
    UsageError,
)
from paykit.lifecycle import PaymentState, RefundState
from paykit.money import Money
from paykit.operations import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    DeclineView,
    EventView,
    NextActionView,
    PaymentView,
    RefundPayment,
    RefundView,
)
from paykit.operations.calls import Begun
from paykit.operations.reads import Health, Page
from paykit.service import AsyncPaymentService, PaymentService
from paykit.store import create_all
from paykit.webhooks import AsyncWebhookReceiver, WebhookReceiver, WebhookResponse
from paykit.workers import AsyncWorker, Worker, WorkReport

__all__ = [
    "AsyncPaymentService",
    "AsyncWebhookReceiver",
    "AsyncWorker",
    "Begun",
    "CancelPayment",
    "CapturePayment",
    "CardDataRefused",
    "ConfirmPayment",
    "CreatePayment",
    "DeclineView",
    "EventView",
    "Health",
    "IdempotencyKeyReused",
    "IllegalTransition",
    "InProgress",
    "InvalidMoney",
    "InvalidRequest",
    "LeaseLost",
    "LedgerConflict",
    "Money",
    "NextActionView",
    "NotAllowed",
    "NotFound",
    "OutcomeUnknown",
    "Page",
    "PaykitError",
    "PaymentService",
    "PaymentState",
    "PaymentView",
    "Policy",
    "PspDirectory",
    "PspMisconfigured",
    "PspRejected",
    "PspUnavailable",
    "RefundExceedsCaptured",
    "RefundPayment",
    "RefundState",
    "RefundView",
    "SchemaOutOfDate",
    "TransactionOpen",
    "UsageError",
    "WebhookReceiver",
    "WebhookResponse",
    "WorkReport",
    "Worker",
    "create_all",
]
