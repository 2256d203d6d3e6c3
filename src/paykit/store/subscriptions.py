"""Reading and changing subscriptions, each of which has a history of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Row, bindparam, select

from paykit.errors import NotFound
from paykit.lifecycle import SUBSCRIPTION, SubscriptionState
from paykit.store import followed
from paykit.store.events import Aggregate, NewEvent
from paykit.store.schema.subscriptions import subscription
from paykit.store.tx import Tx

__all__ = ["SubscriptionRow", "adopt", "find", "list_page", "load", "save"]


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


_LOAD: Final = select(subscription).where(subscription.c.id == bindparam("at_id"))
_LOCK: Final = _LOAD.with_for_update()
_LOCK_BY_REFERENCE: Final = (
    select(subscription)
    .where(
        subscription.c.binding == bindparam("binding"),
        subscription.c.psp_reference == bindparam("psp_reference"),
    )
    .with_for_update()
)


def _row(row: Row[tuple[object, ...]]) -> SubscriptionRow:
    values = dict(row._mapping)
    values["state"] = SubscriptionState(values["state"])
    values["late_invoices"] = tuple(values["late_invoices"])
    return SubscriptionRow(**values)


def find(tx: Tx, *, binding: str, psp_reference: str) -> SubscriptionRow | None:
    """Find and lock the subscription with this id at the PSP; None without one."""
    key = {"binding": binding, "psp_reference": psp_reference}
    row = tx.connection.execute(_LOCK_BY_REFERENCE, key).one_or_none()
    return None if row is None else _row(row)


def load(
    tx: Tx, subscription_id: str, *, merchant: str | None, lock: bool
) -> SubscriptionRow:
    """
    Return one subscription, its row locked on demand.

    Raises `NotFound` if there is none, or if it is another merchant's.
    """
    statement = _LOCK if lock else _LOAD
    found = tx.connection.execute(statement, {"at_id": subscription_id}).one_or_none()
    if found is None or (merchant is not None and found.merchant_id != merchant):
        raise NotFound(f"no subscription {subscription_id!r} of this merchant")
    return _row(found)


def adopt(tx: Tx, values: Mapping[str, object]) -> SubscriptionRow | None:
    """
    Insert a subscription in its first state, and lock it.

    Return None if somebody else was faster.
    """
    first = {"state": SUBSCRIPTION.initial.value, "late_invoices": [], **values}
    if not followed.adopt(tx, subscription, first):
        return None
    return load(tx, str(values["id"]), merchant=None, lock=True)


def save(
    tx: Tx,
    row: SubscriptionRow,
    changes: Mapping[str, object],
    *,
    cause: str,
    happened: Sequence[NewEvent] = (),
) -> SubscriptionRow:
    """Write `changes` and log what `happened`; see `paykit.store.followed.write`."""
    followed.write(tx, subscription, row, changes, cause=cause, happened=happened)
    return load(tx, row.id, merchant=None, lock=True)


def list_page(
    tx: Tx, *, merchant: str, limit: int, after: str | None, psp_reference: str | None
) -> tuple[SubscriptionRow, ...]:
    """Return subscriptions of a merchant, newest first, after the id `after`."""
    table = subscription.c
    statement = select(subscription).where(table.merchant_id == merchant)
    if psp_reference is not None:
        statement = statement.where(table.psp_reference == psp_reference)
    last = None if after is None else load(tx, after, merchant=merchant, lock=False)
    page = followed.newest_first(statement, subscription, after=last, limit=limit)
    return tuple(_row(row) for row in tx.connection.execute(page))
