"""Reading payouts and their histories; nothing here leaves the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from paykit.errors import InvalidRequest
from paykit.lifecycle import PayoutState
from paykit.operations.commands import Command, build
from paykit.operations.views import EventView
from paykit.store import events
from paykit.store.payouts import PAYOUTS, PayoutRow
from paykit.store.tx import Tx

__all__ = ["PayoutPage", "PayoutView", "get_payout", "list_payouts", "payout_events"]

_PAGE_MAX: Final = 500

_PayoutId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class PayoutView(BaseModel, frozen=True):
    """A payout. The amount is in minor units of `currency`; times are UTC."""

    id: str
    merchant: str
    """Who owns the account at the PSP, and in whose books it stands."""
    state: PayoutState
    raw_status: str
    """The PSP's word; it tells more where `state` does not know it."""
    amount: int
    """Negative if the PSP took it from our bank."""
    currency: str
    automatic: bool
    """Whether the PSP started it, on the account's schedule."""
    arrival: datetime | None = None
    """When our bank is expected to have it."""
    failure_code: str | None = None
    """Why it failed, in the PSP's word."""
    psp_reference: str
    created_at: datetime
    """When paykit first heard of it."""


@dataclass(frozen=True, slots=True)
class PayoutPage:
    """Some payouts, newest first."""

    items: tuple[PayoutView, ...]
    next: str | None
    """Pass it as `after` to get the following page; None on the last one."""


class _PageOf(Command, frozen=True):
    limit: int = Field(ge=1, le=_PAGE_MAX)
    after: _PayoutId | None = None


class _PayoutOnly(Command, frozen=True):
    payout_id: _PayoutId


def get_payout(payout_id: str, merchant: str, tx: Tx) -> PayoutView:
    """Return one payout of `merchant`; raises `NotFound`."""
    return _view(_load(payout_id, merchant, tx))


def list_payouts(
    merchant: str, state: PayoutState | None, limit: int, after: str | None, tx: Tx
) -> PayoutPage:
    """Return a page of payouts; raises `InvalidRequest`, also for a wrong limit."""
    page = build(_PageOf, {"limit": limit, "after": after})
    rows = PAYOUTS.page(
        tx,
        merchant=merchant,
        limit=page.limit + 1,
        after=page.after,
        where={"state": None if state is None else _word(state)},
    )
    items = tuple(_view(row) for row in rows[: page.limit])
    return PayoutPage(items, items[-1].id if len(rows) > page.limit else None)


def payout_events(payout_id: str, merchant: str, tx: Tx) -> tuple[EventView, ...]:
    """Return the whole history of a payout, oldest first; raises `NotFound`."""
    row = _load(payout_id, merchant, tx)
    return tuple(EventView.of(event) for event in events.of_aggregate(tx, row.id))


def _load(payout_id: str, merchant: str, tx: Tx) -> PayoutRow:
    id_ = build(_PayoutOnly, {"payout_id": payout_id}).payout_id
    return PAYOUTS.load(tx, id_, merchant=merchant, lock=False)


def _word(state: PayoutState) -> str:
    try:
        return PayoutState(state).value
    except ValueError:
        raise InvalidRequest("state: no state of a payout", field="state") from None


def _view(row: PayoutRow) -> PayoutView:
    names = PayoutView.model_fields.keys() - {"merchant"}
    shown = {name: getattr(row, name) for name in names}
    return PayoutView(merchant=row.merchant_id, **shown)
