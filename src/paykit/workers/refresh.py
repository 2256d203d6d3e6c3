"""
Payments to be read again: something about them is not proved yet, or a fee is missing.

A payment stays in the queue until every capture and every refund has shown its balance
transaction (see `paykit.operations.refresh_payment`).
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from paykit.engine import Environment, Flow, commit
from paykit.errors import LeaseLost
from paykit.operations.refresh_payment import refresh_payment
from paykit.store import breaks, payments, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["SCHEDULE", "refresh_next"]

_LEASE: Final = timedelta(seconds=60)

SCHEDULE: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=2),
)
"""When the balance is looked at again; after that a break is opened for a person."""


def refresh_next(env: Environment) -> Flow[str | None]:
    """Read the payment that has been due longest; None if there is none."""
    claimed = yield from commit(_claim)
    if claimed is None:
        return None
    settled = yield from refresh_payment(env, claimed.id)
    try:
        return (yield from commit(partial(_end, claimed, settled)))
    except LeaseLost:
        return "again"


def _claim(tx: Tx) -> Claimed | None:
    return work.claim_next(tx, "refresh", lease_for=_LEASE)


def _end(claimed: Claimed, settled: bool, tx: Tx) -> str:
    if settled:
        work.finish(tx, "refresh", claimed.id, claimed.lease)
        return "settled"
    if claimed.attempts > len(SCHEDULE):
        row = payments.load(tx, claimed.id, merchant=None, lock=True)
        detail = {"captured": row.captured, "refunded": row.refunded}
        breaks.open_break(tx, row, "balance_incomplete", detail)
        work.finish(tx, "refresh", claimed.id, claimed.lease)
        return "break"
    delay = SCHEDULE[claimed.attempts - 1]
    work.postpone(tx, "refresh", claimed.id, claimed.lease, delay=delay)
    return "waiting"
