"""What the watch over webhooks asks the tables: what was pushed, and what should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, select, union_all

from paykit.lifecycle import PaymentState
from paykit.store.overdue import changeable
from paykit.store.schema.messages import inbox
from paykit.store.schema.payments import payment
from paykit.store.schema.payouts import payout
from paykit.store.schema.subscriptions import subscription
from paykit.store.tx import Tx

__all__ = [
    "bindings",
    "is_behind",
    "last_push",
    "pushed_about",
    "settled",
    "unfinished",
]

_SETTLED: Final = tuple(
    state.value
    for state in (
        PaymentState.AUTHORIZED,
        PaymentState.SUCCEEDED,
        PaymentState.CANCELED,
        PaymentState.EXPIRED,
    )
)
"""States that the PSP surely tells of; of the ones before, few hosts want to hear."""

_OVER: Final = tuple(
    state.value
    for state in PaymentState
    if state.value in _SETTLED and state is not PaymentState.AUTHORIZED
)

_NEXT_BINDINGS: Final = union_all(
    *(
        select(func.min(table.c.binding).label("binding")).where(
            table.c.binding > bindparam("after")
        )
        for table in (payment, payout, subscription)
    )
).subquery()
_NEXT_BINDING: Final = select(func.min(_NEXT_BINDINGS.c.binding))
_LAST_PUSH: Final = (
    select(inbox.c.received_at)
    .where(inbox.c.binding == bindparam("at_binding"), inbox.c.origin == "push")
    .order_by(inbox.c.received_at.desc())
    .limit(1)
)


def bindings(tx: Tx) -> tuple[str, ...]:
    """
    Return the bindings that have payments, payouts or subscriptions; some looks into
    indexes for each.
    """
    found: list[str] = []
    after = ""
    given = (payment, payout, subscription)
    while (name := tx.on(*given).scalar(_NEXT_BINDING, {"after": after})) is not None:
        after = str(name)
        found.append(after)
    return tuple(found)


def last_push(tx: Tx, binding: str) -> datetime | None:
    """Return when the PSP last pushed a webhook that nothing had told of before."""
    moment: datetime | None = tx.on(inbox).scalar(_LAST_PUSH, {"at_binding": binding})
    return moment


def settled(
    tx: Tx, binding: str, *, since: datetime | None, until: datetime, limit: int
) -> dict[str, datetime]:
    """
    Return settled payments that were created in that time, newest first.

    By when they were created: that never changes, so an index of it costs little.
    """
    statement = (
        select(payment.c.id, payment.c.created_at)
        .where(
            payment.c.binding == binding,
            payment.c.created_at <= until,
            payment.c.updated_at <= until,
            payment.c.state.in_(_SETTLED),
        )
        .order_by(payment.c.created_at.desc())
        .limit(limit)
    )
    if since is not None:
        statement = statement.where(payment.c.created_at > since)
    rows = tx.on(payment).execute(statement)
    return {row.id: row.created_at for row in rows}


def pushed_about(
    tx: Tx, binding: str, *, since: datetime, payments: Sequence[str]
) -> set[str]:
    """Return the ones of `payments` about which a webhook was pushed since then."""
    statement = select(inbox.c.payment_id).where(
        inbox.c.binding == binding,
        inbox.c.origin == "push",
        inbox.c.received_at >= since,
        inbox.c.payment_id.in_(payments),
    )
    return set(tx.on(inbox).scalars(statement))


def is_behind(tx: Tx, binding: str, *, since: datetime, until: datetime) -> bool:
    """
    Whether something that was pushed in that time is still to be applied.

    What was looked at and deferred does not count: it is about none of our payments,
    and where others use the account as well there is always some of it.
    """
    waits = select(inbox.c.id).where(
        inbox.c.binding == binding,
        inbox.c.origin == "push",
        inbox.c.received_at >= since,
        inbox.c.received_at <= until,
        inbox.c.status == "received",
        inbox.c.deferrals == 0,
    )
    return tx.on(inbox).execute(waits.limit(1)).first() is not None


def unfinished(
    tx: Tx, binding: str, *, since: datetime, after: str, limit: int
) -> tuple[str, ...]:
    """
    Return payments, payouts and subscriptions that may have changed by themselves since
    then, in the order of ids.
    """
    conditions = ((payment, payment.c.state.not_in(_OVER)), *changeable(since))
    each = (
        select(table.c.id).where(
            table.c.binding == binding, table.c.id > after, may_change
        )
        for table, may_change in conditions
    )
    statement = union_all(*each).order_by("id").limit(limit)
    return tuple(tx.on(*(table for table, _ in conditions)).scalars(statement))
