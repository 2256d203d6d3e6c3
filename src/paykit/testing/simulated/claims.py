"""What comes after a charge: disputes, reviews and early fraud warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from paykit.testing.simulated.movements import SimBalanceTransaction
from paykit.testing.simulated.rows import Row

__all__ = ["SimDispute", "SimReview", "SimWarning"]


@dataclass(slots=True, kw_only=True)
class SimDispute(Row):
    """A chargeback or an inquiry. Amounts are minor units of `currency`."""

    id: str
    created: datetime
    charge: str
    intent: str
    amount: int
    """May be less or more than what was charged."""
    currency: str
    reason: str
    status: str
    case_type: str
    """``chargeback``, or ``inquiry`` until it escalates."""
    brand: str | None
    """The card's brand; None if it was no card."""
    due_by: datetime
    """Until when evidence may be submitted."""
    evidence: dict[str, object] = field(default_factory=dict)
    submissions: int = 0
    late: bool = False
    """Whether the last submission came after `due_by`."""
    intended_submission_method: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    movements: list[SimBalanceTransaction] = field(default_factory=list)
    """What it moved on the balance, oldest first."""


@dataclass(slots=True, kw_only=True)
class SimReview(Row):
    """A payment that somebody is to look at before it is trusted."""

    id: str
    created: datetime
    charge: str
    intent: str
    opened_reason: str
    """``rule`` or ``manual``."""
    open: bool = True
    closed_reason: str | None = None


@dataclass(slots=True, kw_only=True)
class SimWarning(Row):
    """An early fraud warning: the card's issuer suspects a charge."""

    id: str
    created: datetime
    charge: str
    intent: str
    fraud_type: str
    actionable: bool = True
    """Whether a refund would still help: neither disputed nor refunded in full."""
