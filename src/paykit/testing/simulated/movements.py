"""A movement on the account's balance, as the provider keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from paykit.testing.simulated.rows import Row

__all__ = ["SimBalanceTransaction"]


@dataclass(slots=True, kw_only=True)
class SimBalanceTransaction(Row):
    """One movement on the account's balance; ``net = amount - fee``."""

    id: str
    created: datetime
    source: str
    charge: str | None = None
    """The charge that it goes back to, also for a refund's; a payout has none."""
    type: str
    reporting_category: str
    amount: int
    fee: int
    currency: str
    available_on: datetime | None = None
    """When the money can be paid out; None means at once."""
    payout: str | None = None
    """The automatic payout that paid it out; that of a manual one is never known."""

    @property
    def net(self) -> int:
        """What it adds to the balance, or takes from it."""
        return self.amount - self.fee

    def is_available(self, now: datetime) -> bool:
        """Whether the money can be paid out by `now`."""
        return self.available_on is None or self.available_on <= now
