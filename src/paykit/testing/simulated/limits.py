"""
How many requests an account may make, as token buckets on the provider's clock.

Every request takes a token from the account's bucket and one from its endpoint's; who
finds one empty gets a 429 ``rate_limit``, before anything else is looked at. A bucket
holds what comes in within one second. Buckets are not kept with the provider's memory:
after a second they would be full again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

__all__ = ["LIMITS", "Limiter", "Limits", "read_limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per second: of an account, and of each of its endpoints."""

    account: float
    endpoint: float
    """An endpoint is a named operation: other ids do not make it another one."""

    def __post_init__(self) -> None:
        if self.account < 1 or self.endpoint < 1:
            raise ValueError("a limit is at least one request per second")


LIMITS: Final[Mapping[str, Limits]] = MappingProxyType(
    {"live": Limits(100, 25), "test": Limits(25, 25)}
)
"""Stripe's own defaults. Source: https://docs.stripe.com/rate-limits."""


def read_limits(text: str) -> Limits:
    """Return ``live``, ``test`` or ``TOTAL/ENDPOINT``; raises `ValueError`."""
    if text in LIMITS:
        return LIMITS[text]
    total, _, endpoint = text.partition("/")
    return Limits(float(total), float(endpoint or total))


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: datetime

    def fill(self, rate: float, now: datetime) -> None:
        """Add what came in since the last time, up to what a second brings."""
        passed = max(0.0, (now - self.filled).total_seconds())
        self.tokens = min(rate, self.tokens + passed * rate)
        self.filled = now


class Limiter:
    """The buckets of one account. Not thread-safe: the provider holds its lock."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def admits(self, verb: str, limits: Limits, now: datetime) -> bool:
        """Whether one more request is let in now; takes its tokens if so."""
        buckets = [
            self._bucket("", limits.account, now),
            self._bucket(verb, limits.endpoint, now),
        ]
        if any(bucket.tokens < 1 for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.tokens -= 1
        return True

    def _bucket(self, name: str, rate: float, now: datetime) -> _Bucket:
        bucket = self._buckets.setdefault(name, _Bucket(rate, now))
        bucket.fill(rate, now)
        return bucket
