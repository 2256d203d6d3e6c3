"""Reading what is stored; nothing here leaves the database."""

from __future__ import annotations

from collections.abc import Mapping
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
    breaks,
    claims,
    disputes,
    events,
    inbox,
    operations,
    payments,
    refunds,
    work,
)
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = [
    "Health",
    "Page",
    "get_payment",
    "health",
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


@dataclass(frozen=True, slots=True)
class Health:
    """How much is still to do, for monitoring."""

    pending: Mapping[str, int]
    """Rows by queue: ``operation``, ``inbox``, ``refresh``, ``delivery``."""
    inbox: Mapping[str, int]
    """Webhooks by status; ``dead`` ones need a person."""
    attention: Mapping[str, int]
    """What needs a person: ``cases`` are operations whose outcome nobody could find
    out, ``breaks`` are open disagreements with the PSP."""


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
    return tuple(EventView.of(row) for row in events.of_payment(tx, payment_id))


def health(tx: Tx) -> Health:
    """Return how much work is pending and what became of the webhooks."""
    queues: tuple[work.Queue, ...] = ("operation", "inbox", "refresh", "delivery")
    pending: dict[str, int] = {queue: work.pending(tx, queue) for queue in queues}
    attention = {"cases": operations.cases(tx), "breaks": breaks.open_breaks(tx)}
    return Health(pending, inbox.count_by_status(tx), attention)
