"""
How fast a PSP is asked: token buckets, as a pure machine.

Each account and each of its endpoints has a bucket. A request takes one token from
every bucket that it needs, or none. Who may wait for a payer books a token that is not
there yet and is told when it comes; everyone else comes again, and leaves a reserve.
So payers go first, in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from paykit.psp import RequestLimits

__all__ = ["BURST_SECONDS", "SHARES", "Bucket", "Priority", "Turn", "rates", "take"]


class Priority(IntEnum):
    """Who asks; the first one goes first."""

    PAYER = 0
    """A caller waits, and behind the caller a payer."""
    RESOLVE = 1
    """Whoever finds out what became of a payment: it has a budget of its own."""
    WORKER = 2
    """What keeps up with the PSP: events, fees, refunds."""
    RECONCILIATION = 3
    """What compares everything, and has time."""


BURST_SECONDS: Final = 0.2
"""What comes in during that time may be saved up and then sent at once."""

_OUT_OF_ORDER: Final = timedelta(seconds=2)
"""How far behind the last one a time may be that another thread has brought; further
behind, the clock was put back, and what it has shown before cannot be waited for."""

_COMMON: Final = "common"
_RESOLVING: Final = "resolving"

SHARES: Final[Mapping[str, float]] = {_COMMON: 0.68, _RESOLVING: 0.10}
"""
How much of what the PSP allows is used. With what is saved up, one second never sees
more than the PSP allows; the rest is for other programs with the same account.
"""

_RESERVES: Final[Mapping[Priority, float]] = {
    Priority.PAYER: 0.0,
    Priority.RESOLVE: 0.0,
    Priority.WORKER: 0.4,
    Priority.RECONCILIATION: 0.7,
}
"""How much of what is saved up is left to those who go first."""

_BOOKS: Final = frozenset({Priority.PAYER, Priority.RESOLVE})
"""Who may take a token that comes later."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens at a moment; a negative number of them is booked."""

    tokens: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """When a request may be sent."""

    taken: bool
    """Whether the tokens are ours; otherwise come again after the wait."""
    wait_seconds: float


def rates(
    limits: RequestLimits, priority: Priority, verb: str, processes: int
) -> dict[str, float]:
    """
    Return the requests per second of each bucket that one request takes from.

    `processes` share what the PSP allows, each the same part. An endpoint is a `verb`:
    Stripe counts each named API operation, other ids do not make it another one.
    """
    budget = _RESOLVING if priority is Priority.RESOLVE else _COMMON
    share = SHARES[budget] / processes
    return {
        budget: limits.per_second * share,
        f"{budget} {verb}": limits.per_endpoint * share,
    }


def take(
    buckets: Mapping[str, Bucket],
    wanted: Mapping[str, float],
    priority: Priority,
    now: datetime,
    patience: timedelta,
) -> tuple[dict[str, Bucket], Turn]:
    """
    Take one token from each bucket of `wanted` (name to rate), or none at all.

    Returns these buckets as they are then. Nothing is booked that would come only
    after `patience`.
    """
    filled = {
        name: _fill(buckets.get(name), rate, now) for name, rate in wanted.items()
    }
    wait = max(_wait(filled[name], rate, priority) for name, rate in wanted.items())
    books = priority in _BOOKS and wait <= patience.total_seconds()
    if wait > 0 and not books:
        return filled, Turn(taken=False, wait_seconds=wait)
    taken = {name: Bucket(one.tokens - 1, one.at) for name, one in filled.items()}
    return taken, Turn(taken=True, wait_seconds=wait)


def _depth(rate: float) -> float:
    """Return how many tokens can be saved up: one at least, or none could be taken."""
    return max(1.0, rate * BURST_SECONDS)


def _fill(bucket: Bucket | None, rate: float, now: datetime) -> Bucket:
    """Add what came in meanwhile; nothing, right after the clock was put back."""
    if bucket is None:
        return Bucket(_depth(rate), now)
    passed = max(0.0, (now - bucket.at).total_seconds())
    tokens = min(_depth(rate), bucket.tokens + passed * rate)
    put_back = bucket.at - now > _OUT_OF_ORDER
    return Bucket(tokens, now if put_back else max(now, bucket.at))


def _wait(bucket: Bucket, rate: float, priority: Priority) -> float:
    """Return in how many seconds there is a token above the reserve."""
    needed = 1.0 + _RESERVES[priority] * (_depth(rate) - 1.0)
    return max(0.0, (needed - bucket.tokens) / rate)
