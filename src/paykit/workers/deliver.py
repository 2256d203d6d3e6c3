"""
Hand events to the host's handlers (DESIGN section 9).

What a handler writes through its session commits with the mark that the event is
delivered, and so happens once; anything else it does is at least once, under a stable
event id. Order holds per payment; a handler that keeps failing parks its own payment,
until a person releases or skips the event.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from paykit.engine import Deliver, Flow, Handlers, commit, deliver
from paykit.errors import LeaseLost
from paykit.operations import EventView
from paykit.store import events, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.failures import spread, where

__all__ = ["NEVER_ENDED", "RETRIES", "TRIES", "deliver_next"]

_log = logging.getLogger("paykit.deliver")

_LEASE: Final = timedelta(seconds=60)

RETRIES: Final = (
    timedelta(seconds=1),
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=2),
)
"""When a failed delivery is tried again, at the latest; long enough for a weekend."""

TRIES: Final = len(RETRIES) + 1
"""After so many failures an event is parked."""

NEVER_ENDED: Final = "the worker ended in the middle of it, each time"
"""The reason of what is parked because nobody has come to its end."""


def deliver_next(
    handlers: Handlers[EventView, Any], *, relay: bool = False
) -> Flow[str | None]:
    """
    Deliver the event that has been due longest; None if there is none.

    With `relay` it goes on to the broker, in the transaction that marks it delivered.
    """
    claimed = yield from commit(_claim)
    if claimed is None:
        return None
    if claimed.attempts > TRIES:
        return (yield from _give_back(claimed, NEVER_ENDED))
    effect = Deliver(
        load=partial(_load, claimed),
        handlers=lambda event: handlers.of(event.type),
        done=partial(_done, claimed, relay),
    )
    try:
        found = yield from deliver(effect)
    except LeaseLost:
        return "lease lost"
    except Exception as error:
        _log.exception("a handler failed on event %s", claimed.id)
        return (yield from _give_back(claimed, where(error)))
    return "delivered" if found else "lease lost"


def _give_back(claimed: Claimed, reason: str) -> Flow[str]:
    """Postpone what failed; it may be delivered, with only the reply to COMMIT lost."""
    try:
        return (yield from commit(partial(_postpone, claimed, reason)))
    except LeaseLost:
        return "lease lost"


def _claim(tx: Tx) -> Claimed | None:
    return work.claim_next(tx, "delivery", lease_for=_LEASE)


def _load(claimed: Claimed, tx: Tx) -> EventView | None:
    try:
        work.fence(tx, "delivery", claimed.id, claimed.lease, _LEASE)
    except LeaseLost:
        return None
    return EventView.of(events.by_id(tx, UUID(claimed.id)))


def _done(claimed: Claimed, relay: bool, tx: Tx) -> None:
    if relay:
        work.hand_over(tx, "delivery", claimed.id, claimed.lease, "relay")
    else:
        work.finish(tx, "delivery", claimed.id, claimed.lease)


def _postpone(claimed: Claimed, reason: str, tx: Tx) -> str:
    if claimed.attempts >= TRIES:
        work.park(tx, "delivery", claimed.id, claimed.lease, reason=reason)
        return "parked"
    delay = spread(RETRIES[claimed.attempts - 1], claimed.id, claimed.attempts)
    work.postpone(tx, "delivery", claimed.id, claimed.lease, delay=delay)
    return "failed"
