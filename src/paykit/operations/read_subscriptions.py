"""Reading subscriptions and their histories; nothing here leaves the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from paykit.lifecycle import SUBSCRIPTION_ENDED, SubscriptionState
from paykit.operations.commands import Command, build
from paykit.operations.views import EventView
from paykit.store import events
from paykit.store.subscriptions import SUBSCRIPTIONS, SubscriptionRow
from paykit.store.tx import Tx

__all__ = [
    "SubscriptionPage",
    "SubscriptionView",
    "get_subscription",
    "list_subscriptions",
    "subscription_events",
]

_PAGE_MAX: Final = 500

_SubscriptionId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_PspReference = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class SubscriptionView(BaseModel, frozen=True):
    """A subscription; times are UTC."""

    id: str
    merchant: str
    """Whom its metadata at the PSP named when paykit first heard of it."""
    state: SubscriptionState
    raw_status: str
    """The PSP's word; it tells more where `state` does not know it."""
    customer: str | None = None
    """The PSP's id of who subscribes."""
    cancel_at_period_end: bool
    """Whether it is to end, or has ended, with its period."""
    cancel_at: datetime | None = None
    """When it is to end, if that is settled."""
    canceled_at: datetime | None = None
    """When somebody asked for its end, which may come later."""
    ended_at: datetime | None = None
    current_period_end: datetime | None = None
    """Until when it is billed for; whether that is paid, the state tells."""
    latest_invoice: str | None = None
    """The PSP's id of it."""
    late_invoices: tuple[str, ...] = ()
    """The PSP's ids of what was paid after its end, or past a planned one."""
    metadata: dict[str, str] = {}
    """As the PSP has them."""
    psp_reference: str
    created_at: datetime
    """When paykit first heard of it."""

    @property
    def ended(self) -> bool:
        """Whether it has ended, which is for good."""
        return self.state in SUBSCRIPTION_ENDED


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """Some subscriptions, newest first."""

    items: tuple[SubscriptionView, ...]
    next: str | None
    """Pass it as `after` to get the following page; None on the last one."""


class _PageOf(Command, frozen=True):
    limit: int = Field(ge=1, le=_PAGE_MAX)
    psp_reference: _PspReference | None = None
    after: _SubscriptionId | None = None


class _SubscriptionOnly(Command, frozen=True):
    subscription_id: _SubscriptionId


def get_subscription(subscription_id: str, merchant: str, tx: Tx) -> SubscriptionView:
    """Return one subscription of `merchant`; raises `NotFound`."""
    return _view(_load(subscription_id, merchant, tx))


def list_subscriptions(
    merchant: str, psp_reference: str | None, limit: int, after: str | None, tx: Tx
) -> SubscriptionPage:
    """Return a page of subscriptions; raises `InvalidRequest` for a wrong limit."""
    wanted = {"limit": limit, "psp_reference": psp_reference, "after": after}
    page = build(_PageOf, wanted)
    rows = SUBSCRIPTIONS.page(
        tx,
        merchant=merchant,
        limit=page.limit + 1,
        after=page.after,
        where={"psp_reference": page.psp_reference},
    )
    items = tuple(_view(row) for row in rows[: page.limit])
    return SubscriptionPage(items, items[-1].id if len(rows) > page.limit else None)


def subscription_events(
    subscription_id: str, merchant: str, tx: Tx
) -> tuple[EventView, ...]:
    """Return the whole history of a subscription, oldest first; raises `NotFound`."""
    row = _load(subscription_id, merchant, tx)
    return tuple(EventView.of(event) for event in events.of_aggregate(tx, row.id))


def _load(subscription_id: str, merchant: str, tx: Tx) -> SubscriptionRow:
    asked = build(_SubscriptionOnly, {"subscription_id": subscription_id})
    return SUBSCRIPTIONS.load(tx, asked.subscription_id, merchant=merchant, lock=False)


def _view(row: SubscriptionRow) -> SubscriptionView:
    names = SubscriptionView.model_fields.keys() - {"merchant"}
    shown = {name: getattr(row, name) for name in names}
    return SubscriptionView(merchant=row.merchant_id, **shown)
