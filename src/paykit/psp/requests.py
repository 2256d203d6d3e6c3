"""
What paykit asks of a PSP.

Everything in a request derives from the caller's command and the operation id, so
that a lost database row rebuilds the very same request (DESIGN law 4). Writes carry
no idempotency key here: the engine adds it when it prepares the call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias

from paykit.money import Money

__all__ = [
    "CancelPayment",
    "CapturePayment",
    "ConfirmPayment",
    "CreatePayment",
    "CreateRefund",
    "FindPayment",
    "FindRefund",
    "ListBalanceTransactions",
    "ReadPayment",
    "ReadRefund",
    "ReadRequest",
    "Request",
    "WriteRequest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePayment:
    """Open a payment at the PSP; no money moves before it is confirmed."""

    verb: ClassVar[str] = "create_payment"

    amount: Money
    capture: Literal["automatic", "manual"]
    metadata: dict[str, str] = field(default_factory=dict)
    payment_method: str | None = None
    customer: str | None = None
    description: str | None = None
    statement_descriptor_suffix: str | None = None
    receipt_email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPayment:
    """Attempt the charge now (server side)."""

    verb: ClassVar[str] = "confirm_payment"

    payment: str
    payment_method: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """Take `amount` of what was authorized; the rest is released."""

    verb: ClassVar[str] = "capture_payment"

    payment: str
    amount: Money
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPayment:
    """End a payment that has not succeeded; releases what was authorized."""

    verb: ClassVar[str] = "cancel_payment"

    payment: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRefund:
    """Give `amount` of a payment back."""

    verb: ClassVar[str] = "create_refund"

    payment: str
    amount: Money
    reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPayment:
    """Read one payment, with its latest charge; strongly consistent."""

    verb: ClassVar[str] = "read_payment"

    payment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRefund:
    """Read one refund; strongly consistent."""

    verb: ClassVar[str] = "read_refund"

    refund: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindPayment:
    """Look for the payment that carries `metadata`, created since `since`."""

    verb: ClassVar[str] = "find_payment"

    metadata: dict[str, str]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FindRefund:
    """Look among the refunds of `payment` for the one that carries `metadata`."""

    verb: ClassVar[str] = "find_refund"

    payment: str
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBalanceTransactions:
    """List the movements on our balance that `source` (charge, refund) caused."""

    verb: ClassVar[str] = "list_balance_transactions"

    source: str


WriteRequest: TypeAlias = (
    CreatePayment | ConfirmPayment | CapturePayment | CancelPayment | CreateRefund
)
ReadRequest: TypeAlias = (
    ReadPayment | ReadRefund | FindPayment | FindRefund | ListBalanceTransactions
)
Request: TypeAlias = WriteRequest | ReadRequest
