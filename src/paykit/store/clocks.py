"""
The clock of a payment or refund: the work row that says when somebody looks at it.

It is put when the state is entered in which something is still to come, and deleted
when the state is left for good. What happens when it is due is the worker's policy; so
the row comes first after `FIRST_LOOK`, by which most payments are over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, bindparam, delete, or_, select

from paykit.lifecycle import PAYMENT, UNFINISHED, RefundState
from paykit.store import work
from paykit.store.clock import clock_values
from paykit.store.schema.messages import event
from paykit.store.schema.messages import work as work_table
from paykit.store.schema.payments import refund
from paykit.store.tx import Params, Tx, Write, many
from paykit.store.work_statements import TIMED

__all__ = [
    "BY_THE_PAYER",
    "FIRST_LOOK",
    "Stuck",
    "follow",
    "is_running",
    "stop",
    "stuck",
]

FIRST_LOOK: Final = timedelta(minutes=10)
"""How long after a state was entered somebody looks for the first time."""

BY_THE_PAYER: Final = frozenset({"payment.attempt_failed", "payment.amount_changed"})
"""Events of somebody doing something in the state: the stay begins again."""

_REFUNDS: Final = frozenset({RefundState.PENDING, RefundState.REQUIRES_ACTION})
_RUNNING: Final = frozenset({*map(str, UNFINISHED), *map(str, _REFUNDS)})
_STOP: Final = many(
    delete(work_table).where(
        work_table.c.queue == "clock", work_table.c.id == bindparam("at_id")
    )
)


@dataclass(frozen=True, slots=True)
class Stuck:
    """Payments and refunds that do not move, for monitoring."""

    count: int
    oldest: datetime | None
    """Since when the one that has waited longest stands where it stands."""


def _set_all(connection: Connection, rows: Sequence[Params]) -> None:
    """Let the last word of the phase about each clock count, in the order of locks."""
    last = dict(sorted({str(row["id"]): row for row in rows}.items()))
    running = [row for row in last.values() if row["delay_ms"] is not None]
    stopped = [{"at_id": id_} for id_, r in last.items() if r["delay_ms"] is None]
    if running:
        ensure = TIMED["now_ms" in running[0]].ensure[connection.dialect.name]
        many(ensure)(connection, running)
    if stopped:
        _STOP(connection, stopped)


_SET: Final = Write(work_table, 63, _set_all)


def is_running(state: StrEnum) -> bool:
    """Whether a payment or refund in `state` has a clock."""
    return str(state) in _RUNNING


def follow(
    tx: Tx, id_: str, before: StrEnum, after: StrEnum, *, other_end: bool = False
) -> None:
    """
    Start or stop the clock of what goes from the state `before` to `after`.

    With `other_end` what it waits for has got another time: it may be due earlier than
    the last look could know.
    """
    if before is after and not other_end:
        return
    if not is_running(after):
        if is_running(before):
            stop(tx, id_)
    elif str(before) == PAYMENT.initial:
        # There can be none yet, so it goes with the rest of the new work.
        work.put(tx, "clock", id_, delay=FIRST_LOOK)
    else:
        _set(tx, id_, FIRST_LOOK)


def stop(tx: Tx, id_: str) -> None:
    """Delete the clock, whoever holds it."""
    _set(tx, id_, None)


def _set(tx: Tx, id_: str, delay: timedelta | None) -> None:
    ms = None if delay is None else int(delay.total_seconds() * 1000)
    row = {"queue": "clock", "id": id_, "delay_ms": ms, **clock_values(tx.world)}
    tx.later(_SET, row)


def stuck(tx: Tx) -> Stuck:
    """Return how many stand still for longer than the policy finds usual."""
    since = [*_stuck_payments(tx), *_stuck_refunds(tx)]
    return Stuck(len(since), min(since, default=None))


def _stuck_payments(tx: Tx) -> list[datetime]:
    """Return since when; of each that was told of, and has not moved after that."""
    later = event.alias("later")
    moved = select(later.c.id).where(
        later.c.aggregateid == event.c.aggregateid,
        later.c.sequence > event.c.sequence,
        later.c.type.like("payment.%"),
        or_(later.c.to_state.is_not(None), later.c.type.in_(BY_THE_PAYER)),
    )
    found = tx.connection.execute(
        select(event.c.payload)
        .join_from(work_table, event, event.c.aggregateid == work_table.c.id)
        .where(work_table.c.queue == "clock", event.c.type == "payment.stuck")
        .where(~moved.exists())
    )
    return [_since(row.payload) for row in found]


def _stuck_refunds(tx: Tx) -> list[datetime]:
    found = tx.connection.execute(
        select(refund.c.id, refund.c.state, event.c.payload)
        .join_from(work_table, refund, refund.c.id == work_table.c.id)
        .join(event, event.c.aggregateid == refund.c.payment_id)
        .where(work_table.c.queue == "clock", event.c.type == "refund.stuck")
    )
    return [
        _since(row.payload)
        for row in found
        if (row.payload["refund_id"], row.payload["state"]) == (row.id, row.state)
    ]


def _since(payload: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(payload["since"]))
