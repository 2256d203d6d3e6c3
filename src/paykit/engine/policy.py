"""How long to wait for what, in one place; tests and hosts may set other values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tenacity import RetryCallState, Retrying, wait_exponential, wait_random
from tenacity.wait import wait_base

__all__ = ["Policy"]


def _backoff() -> wait_base:
    # Not wait_exponential_jitter: the name of its first parameter has changed, and
    # either of the two fails with some release of tenacity.
    return wait_exponential(multiplier=0.25, max=4.0) + wait_random(0, 0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The engine's patience. Durations are timedeltas, or seconds where named so."""

    sends: int = 3
    """How often one call of a caller sends a request, if the PSP does not answer."""
    backoff: Callable[[], wait_base] = _backoff
    """A tenacity wait strategy between two sends."""
    lease: timedelta = timedelta(seconds=90)
    """How long a worker may be silent before another one takes over."""
    write_window: timedelta = timedelta(hours=23)
    """How long after the first send a key may be written with (PSPs keep keys 24 h)."""
    schedule: tuple[timedelta, ...] = field(
        default=(
            timedelta(seconds=15),
            timedelta(minutes=1),
            timedelta(minutes=5),
            timedelta(hours=1),
            timedelta(hours=6),
            *(timedelta(days=1),) * 5,
        )
    )
    """When an unknown outcome is looked at again; after the last one a person must."""

    def pause_seconds(self, attempt: int) -> float:
        """Return how long to wait after the send number `attempt` (from 1)."""
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = attempt
        return float(self.backoff()(state))

    def delay(self, looked: int) -> timedelta | None:
        """Return when to look again after `looked` looks; None at the end."""
        return self.schedule[looked] if looked < len(self.schedule) else None
