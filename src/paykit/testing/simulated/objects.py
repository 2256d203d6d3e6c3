"""The simulated provider's objects: what it would have in its database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from paykit.testing.simulated.account_objects import (
    SimEndpoint,
    SimPayout,
    SimSetupIntent,
    SimTestClock,
)
from paykit.testing.simulated.billing_objects import SimInvoice, SimSubscription
from paykit.testing.simulated.claims import SimDispute, SimReview, SimWarning
from paykit.testing.simulated.movements import SimBalanceTransaction
from paykit.testing.simulated.rows import Row

__all__ = [
    "DEFAULT_ACCOUNT",
    "Json",
    "SimBalanceTransaction",
    "SimCharge",
    "SimDecline",
    "SimEvent",
    "SimIntent",
    "SimObject",
    "SimRefund",
]

DEFAULT_ACCOUNT: Final = "default"
"""The account that the provider's own key speaks for."""

Json: TypeAlias = dict[str, object]
"""A JSON object, as Stripe would send it."""


@dataclass(frozen=True, slots=True)
class SimDecline:
    """Why a charge failed, in Stripe's words."""

    code: str
    decline_code: str | None
    advice_code: str | None
    message: str
    charge: str | None = None


@dataclass(slots=True, kw_only=True)
class SimIntent(Row):
    """A PaymentIntent. Amounts are minor units of `currency`."""

    id: str
    created: datetime
    amount: int
    currency: str
    capture_method: str
    status: str = "requires_payment_method"
    amount_capturable: int = 0
    amount_received: int = 0
    payment_method: str | None = None
    latest_charge: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    details: Json = field(default_factory=dict)
    """Accepted parameters that change nothing here, such as the description."""
    method_options: Json = field(default_factory=dict)
    """``payment_method_options`` as sent, by the type of payment method."""
    captures: int = 0
    """How often money was captured; more than once only with multicapture."""
    increments: int = 0
    """How often a higher authorization was asked for, declined requests included."""
    redirects: bool = True
    """Whether payment methods that redirect may be used: then `return_url` is due."""
    return_url: str | None = None
    uses_sdk: bool = False
    """Whether the payer's device runs Stripe's SDK, which needs no redirect."""
    last_error: SimDecline | None = None
    canceled_at: datetime | None = None
    cancellation_reason: str | None = None
    review: str | None = None
    """The review that somebody opened about it."""
    changed: datetime | None = None
    """When it last changed: search finds it later; see `simulated.search`."""

    @property
    def client_secret(self) -> str:
        """What a payer's browser would need; looks like Stripe's, proves nothing."""
        return f"{self.id}_secret_simulated"


@dataclass(slots=True, kw_only=True)
class SimCharge(Row):
    """One attempt to move money."""

    id: str
    created: datetime
    intent: str
    amount: int
    currency: str
    status: str
    """``pending``, ``succeeded`` or ``failed``."""
    payment_method: str
    metadata: dict[str, str]
    details: Json = field(default_factory=dict)
    """What the payment said when it was confirmed, such as the description."""
    captured: bool = False
    """Whether no more can be captured; `amount_captured` may be 0 all the same."""
    amount_captured: int = 0
    multicapture: bool = False
    """Whether the authorization may be captured in parts."""
    incremental: bool = False
    """Whether the authorization may be raised."""
    authenticated: bool = False
    """Whether the payer passed 3-D Secure for it."""
    amount_refunded: int = 0
    """What was given back, pending refunds included, failed ones not."""
    amount_released: int = 0
    """What was authorized and never taken; Stripe counts it as refunded."""
    capture_before: datetime | None = None
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    decline: SimDecline | None = None
    disputed: bool = False
    review: str | None = None
    """The review that somebody opened about it."""
    changed: datetime | None = None
    """When it last changed: search finds it later; see `simulated.search`."""

    @property
    def refundable(self) -> int:
        """What a refund may still give back."""
        return self.amount_captured - self.amount_refunded


@dataclass(slots=True, kw_only=True)
class SimRefund(Row):
    """A refund of a captured charge, or the release of what was not captured."""

    id: str
    created: datetime
    intent: str
    charge: str
    amount: int
    currency: str
    status: str = "succeeded"
    becomes: str | None = None
    """What `settle_refunds` turns the status into; None for a settled refund."""
    release: bool = False
    """Whether it only shows what was authorized and never captured."""
    reason: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None


@dataclass(slots=True, kw_only=True)
class SimEvent(Row):
    """An event, with its object as it looked when the event happened."""

    id: str
    created: datetime
    account: str
    type: str
    object: Json
    previous: Json | None
    """The attributes that changed, as they were; only some events tell."""
    request_id: str | None
    idempotency_key: str | None
    delivered: bool = False
    """Whether the one receiver took it, or all endpoints accepted it."""
    waiting: list[str] | None = None
    """The endpoints that have not accepted it; None if the account had none."""

    @property
    def pending(self) -> int:
        """How many webhooks about it have not been accepted."""
        return int(not self.delivered) if self.waiting is None else len(self.waiting)


SimObject: TypeAlias = (
    SimIntent
    | SimCharge
    | SimRefund
    | SimBalanceTransaction
    | SimEvent
    | SimDispute
    | SimReview
    | SimWarning
    | SimPayout
    | SimSetupIntent
    | SimEndpoint
    | SimTestClock
    | SimSubscription
    | SimInvoice
)
"""Whatever the provider can show."""
