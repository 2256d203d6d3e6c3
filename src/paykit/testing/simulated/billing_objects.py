"""Subscriptions and their invoices, as the provider has them in its database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from paykit.testing.simulated.rows import Row

__all__ = ["SimInvoice", "SimSubscription"]


@dataclass(slots=True, kw_only=True)
class SimSubscription(Row):
    """A subscription of one item, billed in advance for 30 days at a time."""

    id: str
    created: datetime
    amount: int
    """What a period costs, in minor units of `currency`."""
    currency: str
    period_start: datetime
    period_end: datetime
    customer: str = "cus_simulated"
    status: str = "incomplete"
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    latest_invoice: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class SimInvoice(Row):
    """An invoice for one period of a subscription."""

    id: str
    created: datetime
    subscription: str
    customer: str
    amount: int
    """In minor units of `currency`."""
    currency: str
    reason: str
    """Stripe's ``billing_reason``."""
    period_start: datetime
    period_end: datetime
    status: str = "open"
    attempts: int = 0
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    """The subscription's, as it was when the invoice was finalized."""
