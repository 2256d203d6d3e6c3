"""What can be told to the factories: names and types of Stripe's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias, TypedDict

__all__ = [
    "CREATED",
    "ChargeFields",
    "DisputeFields",
    "Json",
    "PaymentIntentFields",
    "RefundFields",
]

Json: TypeAlias = dict[str, object]
"""A JSON object, as Stripe would send it."""

CREATED: Final = 1_767_225_600
"""When everything was created, in Unix seconds: the first of January 2026."""


class PaymentIntentFields(TypedDict, total=False):
    """What can be told to `payment_intent`: amounts in minor units, Unix seconds."""

    id: str
    amount: int
    amount_capturable: int
    amount_received: int
    cancellation_reason: str | None
    canceled_at: int | None
    capture_method: str
    client_secret: str | None
    created: int
    currency: str
    customer: str | None
    description: str | None
    last_payment_error: Json | None
    latest_charge: str | Json | None
    livemode: bool
    metadata: Mapping[str, str]
    next_action: Json | None
    payment_method: str | None
    receipt_email: str | None
    status: str


class ChargeFields(TypedDict, total=False):
    """What can be told to `charge`: amounts in minor units, Unix seconds."""

    id: str
    amount: int
    amount_captured: int
    amount_refunded: int
    balance_transaction: str | Json | None
    captured: bool
    created: int
    currency: str
    customer: str | None
    description: str | None
    disputed: bool
    failure_code: str | None
    failure_message: str | None
    livemode: bool
    metadata: Mapping[str, str]
    outcome: Json | None
    paid: bool
    payment_intent: str | None
    payment_method: str | None
    payment_method_details: Json | None
    refunded: bool
    status: str


class RefundFields(TypedDict, total=False):
    """What can be told to `refund`: the amount in minor units, Unix seconds."""

    id: str
    amount: int
    balance_transaction: str | Json | None
    charge: str | None
    created: int
    currency: str
    failure_balance_transaction: str | None
    failure_reason: str | None
    metadata: Mapping[str, str] | None
    payment_intent: str | None
    pending_reason: str | None
    reason: str | None
    status: str | None


class DisputeFields(TypedDict, total=False):
    """What can be told to `dispute`: the amount in minor units, Unix seconds."""

    id: str
    amount: int
    balance_transactions: list[Json]
    charge: str
    created: int
    currency: str
    evidence_details: Json
    is_charge_refundable: bool
    livemode: bool
    metadata: Mapping[str, str]
    network_reason_code: str | None
    payment_intent: str | None
    reason: str
    status: str
