"""
Payouts and subscriptions that should have been heard of by now, or may have changed.

Both move without us, and only events tell. An event that neither a webhook nor the
PSP's list has brought is noticed in no other way than by a look. `updated_at` says when
there was one: also a look that shows nothing new moves it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Table, and_, exists, func, or_, select

from paykit.lifecycle import SUBSCRIPTION_ENDED, PayoutState, SubscriptionState
from paykit.store.schema.breaks import reconciliation_break
from paykit.store.schema.messages import work
from paykit.store.schema.payouts import payout
from paykit.store.schema.subscriptions import subscription
from paykit.store.tx import Tx

__all__ = ["AGAIN", "FAILS_WITHIN", "LATE", "SILENT", "changeable", "overdue"]

LATE: Final = timedelta(days=1)
"""How long after its day something is missed that should have been told."""

AGAIN: Final = timedelta(days=1)
"""How long one look is enough."""

FAILS_WITHIN: Final = timedelta(days=14)
"""How long a payout that is paid is looked at, because the bank may send it back; at
Stripe within five business days (https://docs.stripe.com/payouts)."""

SILENT: Final = timedelta(days=30)
"""How long a subscription that lives is believed to be as it was, whatever it bills."""

_MOVING: Final = (PayoutState.PENDING.value, PayoutState.IN_TRANSIT.value)
_ENDED: Final = tuple(state.value for state in SUBSCRIPTION_ENDED)

_OPEN_BREAK: Final = exists().where(
    reconciliation_break.c.aggregateid == payout.c.id,
    reconciliation_break.c.resolved_at.is_(None),
)


def overdue(tx: Tx, bindings: Collection[str], *, limit: int) -> tuple[str, ...]:
    """
    Return what is to be read again and is not in the queue for it, the oldest first.

    At most `limit` payouts and as many subscriptions, of these `bindings`.
    """
    conditions = (
        (payout, _payout_is_overdue(tx.now)),
        (subscription, _subscription_is_overdue(tx.now)),
    )
    return tuple(
        id_
        for table, is_overdue in conditions
        for id_ in tx.on(table).scalars(
            select(table.c.id)
            .where(
                table.c.binding.in_(bindings),
                table.c.updated_at <= tx.now - AGAIN,
                is_overdue,
                ~_is_queued(table),
            )
            .order_by(table.c.updated_at, table.c.id)
            .limit(limit)
        )
    )


def changeable(since: datetime) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """Return which rows may have changed since then without an event that told it."""
    moving = payout.c.state.in_(_MOVING)
    return (
        (payout, or_(moving, _may_come_back(since), _OPEN_BREAK)),
        (subscription, subscription.c.state.not_in(_ENDED)),
    )


def _payout_is_overdue(now: datetime) -> ColumnElement[bool]:
    """Not told to have arrived, or it may come back, or its money is not shown."""
    arrival = func.coalesce(payout.c.arrival, payout.c.created_at)
    late = and_(payout.c.state.in_(_MOVING), arrival <= now - LATE)
    return or_(late, _may_come_back(now), _OPEN_BREAK)


def _may_come_back(now: datetime) -> ColumnElement[bool]:
    arrival = func.coalesce(payout.c.arrival, payout.c.created_at)
    paid = payout.c.state == PayoutState.PAID.value
    return and_(paid, arrival > now - FAILS_WITHIN)


def _subscription_is_overdue(now: datetime) -> ColumnElement[bool]:
    """Not told to be renewed, ended or paid for; an unpaid first invoice ends it."""
    columns = subscription.c
    billed_until = func.coalesce(columns.current_period_end, columns.created_at)
    return and_(
        columns.state.not_in(_ENDED),
        or_(
            billed_until <= now - LATE,
            columns.cancel_at <= now - LATE,
            columns.state == SubscriptionState.INCOMPLETE.value,
            columns.updated_at <= now - SILENT,
        ),
    )


def _is_queued(table: Table) -> ColumnElement[bool]:
    return exists().where(work.c.queue == "refresh", work.c.id == table.c.id)
