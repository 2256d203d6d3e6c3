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
    "IncrementAuthorization",
    "ListBalanceTransactions",
    "ListEvents",
    "ListWebhookEndpoints",
    "ReadCharge",
    "ReadDispute",
    "ReadInvoice",
    "ReadPayment",
    "ReadPayout",
    "ReadRefund",
    "ReadRequest",
    "ReadSubscription",
    "Request",
    "SearchPayments",
    "UpdatePayment",
    "WriteRequest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePayment:
    """Open a payment at the PSP; no money moves before it is confirmed."""

    verb: ClassVar[str] = "create_payment"

    amount: Money
    capture: Literal["automatic", "automatic_async", "manual"]
    """``automatic_async`` takes the money at once and tells of the fee later."""
    metadata: dict[str, str] = field(default_factory=dict)
    payment_method: str | None = None
    customer: str | None = None
    description: str | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    receipt_email: str | None = None
    on_behalf_of: str | None = None
    """The account in whose name the payer is charged; we stay who asks."""
    setup_future_usage: Literal["on_session", "off_session"] | None = None
    """Whether the payment method is kept for later payments."""
    multicapture: bool = False
    """Ask that the authorization may be captured in parts, if the card offers it."""
    incremental_authorization: bool = False
    """Ask that the authorization may be raised later, if the card offers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPayment:
    """Attempt the charge now (server side)."""

    verb: ClassVar[str] = "confirm_payment"

    payment: str
    payment_method: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment:
    """Take `amount` of what was authorized; the rest is released, if it is final."""

    verb: ClassVar[str] = "capture_payment"

    payment: str
    amount: Money
    final: bool | None = None
    """
    None where a payment is captured once; where it can be captured in parts, whether
    this is the last one. Zero and final ends it without taking more.
    """
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementAuthorization:
    """Raise what is authorized to `amount`: the new total, not what is added."""

    verb: ClassVar[str] = "increment_authorization"

    payment: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePayment:
    """Change a payment that is not paid yet; what is None stays as it is."""

    verb: ClassVar[str] = "update_payment"

    payment: str
    amount: Money | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    """Added to the metadata that there is; a key that is there gets the new value."""


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
class ReadCharge:
    """Read one charge; strongly consistent."""

    verb: ClassVar[str] = "read_charge"

    charge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDispute:
    """Read one dispute, with what it has moved so far; strongly consistent."""

    verb: ClassVar[str] = "read_dispute"

    dispute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPayout:
    """Read one payout, with what it has moved so far; strongly consistent."""

    verb: ClassVar[str] = "read_payout"

    payout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSubscription:
    """Read one subscription; strongly consistent."""

    verb: ClassVar[str] = "read_subscription"

    subscription: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInvoice:
    """Read one invoice; strongly consistent."""

    verb: ClassVar[str] = "read_invoice"

    invoice: str


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
class SearchPayments:
    """
    Search all payments for the one that carries `metadata`, however old it is.

    The index is behind what has happened (`Capabilities.search_lag`), so that finding
    nothing proves nothing before that time has passed.
    """

    verb: ClassVar[str] = "search_payments"

    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBalanceTransactions:
    """List the movements on our balance that `source` (charge, refund) caused."""

    verb: ClassVar[str] = "list_balance_transactions"

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEvents:
    """
    List one page of the PSP's own record of events since `since`, newest first.

    Only providers with the capability `event_list` are asked.
    """

    verb: ClassVar[str] = "list_events"

    since: datetime
    position: str | None = None
    """Where the page before ended (`EventPage.next`); None for the first page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWebhookEndpoints:
    """List where the PSP sends its webhooks; asked for as `ListEvents` is."""

    verb: ClassVar[str] = "list_webhook_endpoints"


WriteRequest: TypeAlias = (
    CreatePayment
    | ConfirmPayment
    | CapturePayment
    | IncrementAuthorization
    | UpdatePayment
    | CancelPayment
    | CreateRefund
)
ReadRequest: TypeAlias = (
    ReadPayment
    | ReadRefund
    | ReadCharge
    | ReadDispute
    | ReadPayout
    | ReadSubscription
    | ReadInvoice
    | FindPayment
    | FindRefund
    | SearchPayments
    | ListBalanceTransactions
    | ListEvents
    | ListWebhookEndpoints
)
Request: TypeAlias = WriteRequest | ReadRequest
