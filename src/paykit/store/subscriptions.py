"""Reading and changing subscriptions, each of which has a history of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from paykit.lifecycle import SUBSCRIPTION, SubscriptionState
from paykit.store.events import Aggregate
from paykit.store.followed import FollowedTable
from paykit.store.schema.subscriptions import subscription

__all__ = ["SUBSCRIPTIONS", "SubscriptionRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """A subscription as it is stored; see `paykit.store.schema.subscriptions`."""

    id: str
    merchant_id: str
    binding: str
    psp_reference: str
    state: SubscriptionState
    raw_status: str
    customer: str | None
    cancel_at_period_end: bool
    cancel_at: datetime | None
    canceled_at: datetime | None
    ended_at: datetime | None
    current_period_end: datetime | None
    latest_invoice: str | None
    metadata: dict[str, str]
    late_invoices: tuple[str, ...]
    event_sequence: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def aggregate(self) -> Aggregate:
        """Whose history it is that its events stand in."""
        return Aggregate("subscription", self.id, self.merchant_id)


def _row(row: Row[Any]) -> SubscriptionRow:
    values = dict(row._mapping)
    values["state"] = SubscriptionState(values["state"])
    values["late_invoices"] = tuple(values["late_invoices"])
    return SubscriptionRow(**values)


SUBSCRIPTIONS: Final = FollowedTable(
    name="subscription",
    table=subscription,
    row=_row,
    first={"state": SUBSCRIPTION.initial.value, "late_invoices": []},
)
"""Every subscription that is followed."""
