"""
What a PSP says about subscriptions and their invoices, in our words.

They are started at the PSP and moved by it: it renews them, and gives them up when
nobody pays. The rules of `paykit.psp.snapshots` hold for them too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto

__all__ = [
    "InvoiceSnapshot",
    "InvoiceStatus",
    "SubscriptionSnapshot",
    "SubscriptionStatus",
]


class SubscriptionStatus(StrEnum):
    """Where a subscription stands at the PSP."""

    INCOMPLETE = auto()
    """Its first invoice is not paid yet."""
    INCOMPLETE_EXPIRED = auto()
    """Its first invoice was not paid in time; it ended before it began."""
    TRIALING = auto()
    ACTIVE = auto()
    PAST_DUE = auto()
    """An invoice could not be collected, and the PSP goes on trying."""
    UNPAID = auto()
    """The PSP has stopped trying."""
    PAUSED = auto()
    CANCELED = auto()
    """It has ended, for good."""
    UNRECOGNIZED = auto()
    """A word we do not know; see `SubscriptionSnapshot.raw_status`."""


class InvoiceStatus(StrEnum):
    """Where an invoice stands at the PSP."""

    DRAFT = auto()
    OPEN = auto()
    PAID = auto()
    UNCOLLECTIBLE = auto()
    """Given up; it can still be paid."""
    VOID = auto()
    UNRECOGNIZED = auto()
    """A word we do not know; see `InvoiceSnapshot.raw_status`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSnapshot:
    """A subscription at the PSP."""

    reference: str
    status: SubscriptionStatus
    raw_status: str
    customer: str | None
    """The PSP's id of who subscribes."""
    cancel_at_period_end: bool
    """Whether it is to end, or has ended, with the period."""
    cancel_at: datetime | None
    """When it is to end, if that is settled."""
    canceled_at: datetime | None
    """When somebody asked for its end, which may come later."""
    ended_at: datetime | None
    current_period_end: datetime | None
    """Until when it is billed for; of several items the latest."""
    latest_invoice: str | None
    metadata: dict[str, str] = field(default_factory=dict)
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSnapshot:
    """An invoice at the PSP. The amount is in minor units of `currency`."""

    reference: str
    subscription: str | None
    """The subscription that it bills; None for an invoice of something else."""
    status: InvoiceStatus
    raw_status: str
    billing_reason: str | None
    """Why it was made, such as ``subscription_cycle``; an open string."""
    amount_paid: int
    currency: str
    period_start: datetime | None
    """From when on it bills, if that is known; of several periods the latest."""
    period_end: datetime | None
    """Until when it bills."""
    paid_at: datetime | None
    metadata: dict[str, str] = field(default_factory=dict)
    """The subscription's metadata, as it was when the invoice was finalized."""
    created: datetime | None = None
