"""What belongs to an account and not to one payment: payouts, endpoints, clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from paykit.testing.simulated.rows import Row

__all__ = ["SimEndpoint", "SimPayout", "SimSecret", "SimSetupIntent", "SimTestClock"]


@dataclass(slots=True, kw_only=True)
class SimPayout(Row):
    """Money on its way from the balance to the merchant's bank account."""

    id: str
    created: datetime
    amount: int
    """In minor units of `currency`."""
    currency: str
    automatic: bool
    arrives: datetime
    method: str = "standard"
    status: str = "pending"
    reconciliation_status: str = "not_applicable"
    description: str | None = None
    statement_descriptor: str | None = None
    destination: str = "ba_simulated"
    metadata: dict[str, str] = field(default_factory=dict)
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None


@dataclass(slots=True, kw_only=True)
class SimSetupIntent(Row):
    """The attempt to save a payment method for later; no money moves."""

    id: str
    created: datetime
    usage: str = "off_session"
    status: str = "requires_payment_method"
    payment_method: str | None = None
    customer: str | None = None
    description: str | None = None
    redirects: bool = True
    """Whether payment methods that redirect may be used."""
    return_url: str | None = None
    cancellation_reason: str | None = None
    last_error: dict[str, object] | None = None
    """Why the last attempt failed, as Stripe shows it."""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def client_secret(self) -> str:
        """What a payer's browser would need; looks like Stripe's, proves nothing."""
        return f"{self.id}_secret_simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSecret:
    """One signing secret of an endpoint."""

    value: str
    until: datetime | None = None
    """When it stops to sign; None for the newest one."""


@dataclass(slots=True, kw_only=True)
class SimEndpoint(Row):
    """A webhook endpoint: where events are sent, and which."""

    id: str
    created: datetime
    url: str
    enabled_events: list[str]
    secrets: list[SimSecret]
    """Newest first."""
    payload: Literal["snapshot", "thin"] = "snapshot"
    """Whether it hears whole objects, or only what has changed (API version 2)."""
    connect: bool = False
    """Whether it hears of the connected accounts instead of its own."""
    api_version: str | None = None
    description: str | None = None
    enabled: bool = True
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class SimTestClock(Row):
    """A test clock; Stripe's move billing objects, this one moves nothing."""

    id: str
    created: datetime
    frozen_time: datetime
    name: str | None = None
    target: datetime | None = None
    """Where it is advancing to; it is there when somebody looks next."""
