"""Reading what is stored; nothing here leaves the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import Field

from paykit.errors import InvalidRequest
from paykit.lifecycle import PaymentState
from paykit.operations.commands import (
    Command,
    PaymentId,
    Reference,
    build,
    check_payment_id,
)
from paykit.operations.views import (
    DisputeView,
    EventView,
    PaymentView,
    RefundView,
    dispute_view,
    payment_view,
    refund_view,
)
from paykit.store import (
    claims,
    disputes,
    events,
    payments,
    refunds,
)
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = [
    "Page",
    "get_payment",
    "list_disputes",
    "list_payments",
    "list_refunds",
    "payment_events",
]

_PAGE_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Some payments, newest first."""

    items: tuple[PaymentView, ...]
    next: str | None
    """Pass it as `after` to get the following page; None on the last one."""


class _PageOf(Command, frozen=True):
    limit: int = Field(ge=1, le=_PAGE_MAX)
    reference: Reference | None = None
    after: PaymentId | None = None


def _word(state: PaymentState) -> str:
    try:
        return PaymentState(state).value
    except ValueError:
        raise InvalidRequest("state: no state of a payment", field="state") from None


def _view(tx: Tx, row: PaymentRow) -> PaymentView:
    claim = claims.claimed_by(tx, row.id)
    return payment_view(row, None if claim is None else claim[1].value)


def get_payment(payment_id: str, merchant: str, tx: Tx) -> PaymentView:
    """Return one payment of `merchant`; raises `NotFound`."""
    id_ = check_payment_id(payment_id)
    return _view(tx, payments.load(tx, id_, merchant=merchant, lock=False))


def list_payments(
    merchant: str,
    state: PaymentState | None,
    reference: str | None,
    limit: int,
    after: str | None,
    tx: Tx,
) -> Page:
    """Return a page of payments; raises `InvalidRequest`, also for a wrong limit."""
    wanted = {"limit": limit, "reference": reference, "after": after}
    page = build(_PageOf, wanted)
    rows = payments.list_page(
        tx,
        merchant=merchant,
        limit=page.limit + 1,
        after=page.after,
        state=None if state is None else _word(state),
        reference=page.reference,
    )
    items = tuple(_view(tx, row) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def list_refunds(payment_id: str, merchant: str, tx: Tx) -> tuple[RefundView, ...]:
    """Return the refunds of a payment, oldest first; raises `NotFound`."""
    payments.load(tx, check_payment_id(payment_id), merchant=merchant, lock=False)
    return tuple(refund_view(row) for row in refunds.of_payment(tx, payment_id))


def list_disputes(payment_id: str, merchant: str, tx: Tx) -> tuple[DisputeView, ...]:
    """Return the disputes of a payment, oldest first; raises `NotFound`."""
    payments.load(tx, check_payment_id(payment_id), merchant=merchant, lock=False)
    return tuple(dispute_view(row) for row in disputes.of_payment(tx, payment_id))


def payment_events(payment_id: str, merchant: str, tx: Tx) -> tuple[EventView, ...]:
    """Return the whole history of a payment, oldest first; raises `NotFound`."""
    payments.load(tx, check_payment_id(payment_id), merchant=merchant, lock=False)
    return tuple(EventView.of(row) for row in events.of_aggregate(tx, payment_id))
