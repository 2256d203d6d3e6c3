"""Take payments without ever losing or doubling one."""

from __future__ import annotations

from paykit.engine import ClockPolicy, Expiry, Policy, PspDirectory, WatchPolicy
from paykit.errors import (
    AuthorizationExpired,
    CardDataRefused,
    FinalRequired,
    IdempotencyKeyReused,
    IllegalTransition,
    InProgress,
    InvalidMoney,
    InvalidRequest,
    LeaseLost,
    LedgerConflict,
    NotAllowed,
    NotAvailable,
    NotFound,
    OutcomeUnknown,
    PaykitError,
    PaymentDisputed,
    PspMisconfigured,
    PspRejected,
    PspUnavailable,
    RefundExceedsCaptured,
    SchemaOutOfDate,
    TransactionOpen,
    UsageError,
)
from paykit.lifecycle import (
    DisputeState,
    PaymentState,
    PayoutState,
    RefundState,
    SubscriptionState,
)
from paykit.money import Money
from paykit.operations import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    DeclineView,
    DisputeView,
    EventView,
    IncrementAuthorization,
    NextActionView,
    PaymentView,
    RefundPayment,
    RefundView,
    UpdatePayment,
)
from paykit.operations.breaks import BreakPage, BreakView
from paykit.operations.calls import Begun
from paykit.operations.cases import CasePage, CaseView, OperationView
from paykit.operations.health import Health
from paykit.operations.read_payouts import PayoutPage, PayoutView
from paykit.operations.read_subscriptions import SubscriptionPage, SubscriptionView
from paykit.operations.reads import Page
from paykit.operations.resolve_case import Executed, NotExecuted
from paykit.service import AsyncPaymentService, PaymentService
from paykit.store import create_all
from paykit.webhooks import AsyncWebhookReceiver, WebhookReceiver, WebhookResponse
from paykit.workers import AsyncWorker, Worker, WorkReport

__all__ = [
    "AsyncPaymentService",
    "AsyncWebhookReceiver",
    "AsyncWorker",
    "AuthorizationExpired",
    "Begun",
    "BreakPage",
    "BreakView",
    "CancelPayment",
    "CapturePayment",
    "CardDataRefused",
    "CasePage",
    "CaseView",
    "ClockPolicy",
    "ConfirmPayment",
    "CreatePayment",
    "DeclineView",
    "DisputeState",
    "DisputeView",
    "EventView",
    "Executed",
    "Expiry",
    "FinalRequired",
    "Health",
    "IdempotencyKeyReused",
    "IllegalTransition",
    "InProgress",
    "IncrementAuthorization",
    "InvalidMoney",
    "InvalidRequest",
    "LeaseLost",
    "LedgerConflict",
    "Money",
    "NextActionView",
    "NotAllowed",
    "NotAvailable",
    "NotExecuted",
    "NotFound",
    "OperationView",
    "OutcomeUnknown",
    "Page",
    "PaykitError",
    "PaymentDisputed",
    "PaymentService",
    "PaymentState",
    "PaymentView",
    "PayoutPage",
    "PayoutState",
    "PayoutView",
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
    "SubscriptionPage",
    "SubscriptionState",
    "SubscriptionView",
    "TransactionOpen",
    "UpdatePayment",
    "UsageError",
    "WatchPolicy",
    "WebhookReceiver",
    "WebhookResponse",
    "WorkReport",
    "Worker",
    "create_all",
]
