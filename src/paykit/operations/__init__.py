"""What paykit can do: one module, one operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paykit.engine import Operation
from paykit.operations.cancel_payment import CANCEL_PAYMENT, CancelPayment
from paykit.operations.capture_payment import CAPTURE_PAYMENT, CapturePayment
from paykit.operations.confirm_payment import CONFIRM_PAYMENT, ConfirmPayment
from paykit.operations.create_payment import CREATE_PAYMENT, CreatePayment
from paykit.operations.increment_authorization import (
    INCREMENT_AUTHORIZATION,
    IncrementAuthorization,
)
from paykit.operations.refund_payment import REFUND_PAYMENT, RefundPayment
from paykit.operations.update_payment import UPDATE_PAYMENT, UpdatePayment
from paykit.operations.views import (
    DeclineView,
    DisputeView,
    EventView,
    NextActionView,
    PaymentView,
    RefundView,
)

OPERATIONS: Mapping[str, Operation[Any, Any]] = {
    operation.name: operation
    for operation in (
        CREATE_PAYMENT,
        CONFIRM_PAYMENT,
        CAPTURE_PAYMENT,
        INCREMENT_AUTHORIZATION,
        UPDATE_PAYMENT,
        CANCEL_PAYMENT,
        REFUND_PAYMENT,
    )
}
"""Every operation by name: for the resumer, and for the tests that enumerate them."""

__all__ = [
    "CANCEL_PAYMENT",
    "CAPTURE_PAYMENT",
    "CONFIRM_PAYMENT",
    "CREATE_PAYMENT",
    "CancelPayment",
    "CapturePayment",
    "ConfirmPayment",
    "CreatePayment",
    "DeclineView",
    "DisputeView",
    "EventView",
    "INCREMENT_AUTHORIZATION",
    "IncrementAuthorization",
    "NextActionView",
    "OPERATIONS",
    "PaymentView",
    "REFUND_PAYMENT",
    "RefundPayment",
    "RefundView",
    "UPDATE_PAYMENT",
    "UpdatePayment",
]
