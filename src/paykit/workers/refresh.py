"""
What is to be read again at the PSP.

A payment, of which something is not proved yet, or a fee is missing: it stays in the
queue until every capture and every refund has shown its balance transaction (see
`paykit.operations.refresh_payment`). And a payout or a subscription that should have
been heard of by now (see `paykit.store.overdue`), which is read once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from paykit.engine import Environment, Flow, commit
from paykit.errors import LeaseLost
from paykit.operations.refresh_followed import KINDS, refresh_followed
from paykit.operations.refresh_payment import INCOMPLETE, Shown, refresh_payment
from paykit.store import breaks, payments, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.failures import spread, where

__all__ = ["OUTAGE", "SCHEDULE", "refresh_next"]

_log = logging.getLogger("paykit.refresh")

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


OUTAGE: Final = timedelta(minutes=5)
"""When a payment is tried again that could not be read, however often that happens: an
outage of the PSP says nothing about the balance, and is no reason to give it up."""


def refresh_next(env: Environment) -> Flow[str | None]:
    """Read what has been due longest; None if there is nothing."""
    claimed = yield from commit(_claim)
    if claimed is None:
        return None
    shown = yield from _look(env, claimed.id)
    try:
        return (yield from commit(partial(_END[shown], claimed)))
    except LeaseLost:
        return "again"


def _look(env: Environment, id_: str) -> Flow[Shown]:
    """
    Read one; a failure keeps no other from its turn.

    Such as that of one whose account nobody here speaks for any more. For a payment it
    counts as a look that has shown too little, so that in the end a person sees it.
    """
    kind = KINDS.get(id_.partition("_")[0])
    try:
        if kind is None:
            return (yield from refresh_payment(env, id_))
        return (yield from refresh_followed(env, kind, id_))
    except Exception as error:
        _log.error("%s could not be read: %s", id_, where(error))
        return "part" if kind is None else "nothing"


# -- phases ----------------------------------------------------------------------------


def _claim(tx: Tx) -> Claimed | None:
    """Claim it, and count nothing yet: whoever dies or is too slow has not looked."""
    return work.claim_next(tx, "refresh", lease_for=_LEASE, count=False)


def _settle(claimed: Claimed, tx: Tx) -> str:
    work.finish(tx, "refresh", claimed.id, claimed.lease)
    return "settled"


def _look_again(claimed: Claimed, tx: Tx) -> str:
    """Count the look that showed too little; after the last one open a break."""
    work.fence(tx, "refresh", claimed.id, claimed.lease, _LEASE)
    if claimed.attempts >= len(SCHEDULE):
        row = payments.load(tx, claimed.id, merchant=None, lock=True)
        detail = {"captured": row.captured, "refunded": row.refunded}
        breaks.open_break(tx, row.aggregate, INCOMPLETE, detail, again=True)
        work.finish(tx, "refresh", claimed.id, claimed.lease)
        return "break"
    work.hold(tx, "refresh", claimed.id, claimed.lease, _LEASE, count=True)
    delay = SCHEDULE[claimed.attempts]
    work.postpone(tx, "refresh", claimed.id, claimed.lease, delay=delay)
    return "waiting"


def _come_back(claimed: Claimed, tx: Tx) -> str:
    pause = spread(OUTAGE, claimed.id, claimed.attempts)
    work.postpone(tx, "refresh", claimed.id, claimed.lease, delay=pause)
    return "unread"


_END: Final[Mapping[Shown, Callable[[Claimed, Tx], str]]] = {
    "all": _settle,
    "part": _look_again,
    "nothing": _come_back,
}
"""What becomes of the row, by what the PSP shows."""
