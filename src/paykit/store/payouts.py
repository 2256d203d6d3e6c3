"""Reading and changing payouts, each of which has a history of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from paykit.lifecycle import PAYOUT, PayoutState
from paykit.store.events import Aggregate
from paykit.store.followed import FollowedTable
from paykit.store.schema.payouts import payout

__all__ = ["PAYOUTS", "PayoutRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRow:
    """A payout as it is stored; see `paykit.store.schema.payouts`."""

    id: str
    merchant_id: str
    binding: str
    psp_reference: str
    state: PayoutState
    raw_status: str
    amount: int
    currency: str
    automatic: bool
    arrival: datetime | None
    failure_code: str | None
    movements: tuple[str, ...]
    event_sequence: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def aggregate(self) -> Aggregate:
        """Whose history it is that its events stand in."""
        return Aggregate("payout", self.id, self.merchant_id)


def _row(row: Row[Any]) -> PayoutRow:
    values = dict(row._mapping)
    values["state"] = PayoutState(values["state"])
    values["movements"] = tuple(values["movements"])
    return PayoutRow(**values)


PAYOUTS: Final = FollowedTable(
    name="payout",
    table=payout,
    row=_row,
    first={"state": PAYOUT.initial.value, "movements": []},
)
"""Every payout that is followed."""
