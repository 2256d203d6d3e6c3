"""
What a PSP says about its objects, in our words.

A snapshot is one observation: true at the moment the PSP rendered it, and perhaps
already outdated. It is the same whether it comes in a response, an event, a list or
a report, so that facts derived from it have the same key everywhere (DESIGN law 8).
Amounts are minor units of `currency`, lower case, as the PSP counts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto

__all__ = [
    "BalanceTransaction",
    "ChargeSnapshot",
    "Decline",
    "DisputeSnapshot",
    "DisputeStatus",
    "EndpointList",
    "EndpointSnapshot",
    "EventPage",
    "FraudWarningSnapshot",
    "ListedEvent",
    "NextAction",
    "PaymentSnapshot",
    "PaymentStatus",
    "RefundSnapshot",
    "RefundStatus",
    "ReviewSnapshot",
    "UnbookedSnapshot",
]


class PaymentStatus(StrEnum):
    """Where a payment stands at the PSP."""

    REQUIRES_PAYMENT_METHOD = auto()
    REQUIRES_CONFIRMATION = auto()
    REQUIRES_ACTION = auto()
    PROCESSING = auto()
    AUTHORIZED = auto()
    SUCCEEDED = auto()
    CANCELED = auto()
    EXPIRED = auto()
    """Canceled by the PSP because the authorization ran out."""
    UNRECOGNIZED = auto()
    """A word we do not know; see `PaymentSnapshot.raw_status`."""


class RefundStatus(StrEnum):
    """Where a refund stands at the PSP."""

    PENDING = auto()
    REQUIRES_ACTION = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELED = auto()
    UNRECOGNIZED = auto()


class DisputeStatus(StrEnum):
    """
    Where a dispute stands at the PSP.

    The ``WARNING`` ones are an inquiry: no money has moved, and it may become a
    dispute. A dispute that was lost can be won later, and won or lost be appealed.
    """

    WARNING_NEEDS_RESPONSE = auto()
    WARNING_UNDER_REVIEW = auto()
    WARNING_CLOSED = auto()
    NEEDS_RESPONSE = auto()
    UNDER_REVIEW = auto()
    APPEAL_NEEDS_RESPONSE = auto()
    APPEAL_UNDER_REVIEW = auto()
    WON = auto()
    LOST = auto()
    PREVENTED = auto()
    """Settled with the payer's bank before it became a dispute."""
    UNRECOGNIZED = auto()
    """A word we do not know; see `DisputeSnapshot.raw_status`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """Why the issuer or the PSP's risk check said no. All codes are open strings."""

    code: str
    """For example ``card_declined`` or ``expired_card``."""
    decline_code: str | None = None
    """The issuer's reason, for example ``insufficient_funds``."""
    advice_code: str | None = None
    """``do_not_try_again``, ``confirm_card_data`` or ``try_again_later``."""
    message: str | None = None
    charge: str | None = None
    """The failed charge, if the PSP made one: it identifies the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """What the payer must do: show `url`, or hand the client secret to Stripe.js."""

    kind: str
    """``redirect`` or ``use_sdk``; anything else is the PSP's own word."""
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSnapshot:
    """One attempt to move money. A payment has one charge per attempt."""

    reference: str
    payment: str | None
    """The PSP's payment that the charge belongs to; None for a charge without one."""
    status: str
    """``pending``, ``succeeded`` or ``failed``."""
    amount: int
    captured: int
    refunded: int
    currency: str
    capture_before: datetime | None = None
    decline: Decline | None = None
    disputed: bool = False
    multicapture: bool = False
    """Whether what was authorized can be captured in parts."""
    incremental_authorization: bool = False
    """Whether what was authorized can be raised."""
    returned: bool = False
    """It had succeeded and failed after that: the payer's bank took the money back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSnapshot:
    """A payment at the PSP (Stripe: PaymentIntent)."""

    reference: str
    status: PaymentStatus
    raw_status: str
    amount: int
    currency: str
    capturable: int
    captured: int
    """The total ever captured; refunds do not lower it."""
    client_secret: str | None = field(default=None, repr=False)
    next_action: NextAction | None = None
    decline: Decline | None = None
    """Why the last attempt failed, while the payment waits for another one."""
    charge: ChargeSnapshot | None = None
    """The latest charge, when the PSP sent it along."""
    charge_reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot:
    """A refund at the PSP."""

    reference: str
    payment: str | None
    charge: str | None
    status: RefundStatus
    raw_status: str
    amount: int
    currency: str
    reason: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTransaction:
    """
    One movement on our balance at the PSP, with its fee.

    `amount` and `fee` are in the settlement currency, which may differ from the
    currency of the payment; ``net = amount - fee``.
    """

    reference: str
    source: str | None
    """The charge or refund that caused it."""
    category: str
    """Stripe's ``reporting_category``; an open string (facts: never use ``type``)."""
    amount: int
    fee: int
    currency: str
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
    """
    A dispute at the PSP: the payer asks the bank for the money back.

    Its `amount` may be more or less than the charge, and in another currency.
    """

    reference: str
    charge: str | None
    payment: str | None
    status: DisputeStatus
    raw_status: str
    amount: int
    currency: str
    reason: str | None
    """The network's word, such as ``fraudulent``; an open string."""
    evidence_due_by: datetime | None
    """Until when evidence can be submitted; None if nobody can respond any more."""
    submissions: int
    """How often evidence was submitted; networks take it once."""
    charge_refundable: bool
    """Whether a refund of the charge is still possible: true for an inquiry."""
    movements: tuple[BalanceTransaction, ...]
    """What it has moved on our balance so far: withdrawn, reinstated, and the fees."""
    created: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSnapshot:
    """A payment that the PSP, or a rule of ours there, wants a person to look at."""

    reference: str
    payment: str | None
    charge: str | None
    open: bool
    reason: str
    """Why it was opened (``rule``, ``manual``), or how it ended (``approved``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudWarningSnapshot:
    """The issuer suspects fraud, some time before there may be a dispute."""

    reference: str
    payment: str | None
    charge: str | None
    fraud_type: str
    """The issuer's word, such as ``made_with_stolen_card``; an open string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbookedSnapshot:
    """An object that paykit can read and keeps no rows for yet."""

    kind: str
    """What it is, such as ``payout``; the PSP's own word."""
    reference: str
    raw_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """One event as the PSP's list shows it; TLS and our key prove where it is from."""

    body: bytes = field(repr=False)
    """What `AnyPsp.read_envelope` and `read_event` read, as they read a webhook."""
    created: datetime
    """By the PSP's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """
    A whole page of the PSP's list of events, newest first.

    What paykit has no use for may be left out of `events`; a page that is not whole is
    no page, but an answer `Unknown`.
    """

    events: tuple[ListedEvent, ...]
    newest: datetime | None
    """When the newest one was created, of no use or not; None if there is none."""
    next: str | None
    """The position of the page after it; None if this is the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSnapshot:
    """One of the places that the PSP sends webhooks to."""

    reference: str
    url: str
    enabled: bool
    """PSPs disable an endpoint that has failed for days."""
    unheard: tuple[str, ...]
    """The types of events that paykit needs and that are not sent there."""
    api_version: str | None
    """The version of the payloads; None for the account's default one."""
    current: bool
    """Whether payloads are, as far as can be told, of our parser's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointList:
    """All webhook endpoints of the account."""

    endpoints: tuple[EndpointSnapshot, ...]
