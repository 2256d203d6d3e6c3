"""
A clock that a test moves: hours pass in an instant, for everything at once.

Give the same `FrozenClock` to the service (its workers and its receiver use the
service's), to the simulated provider and to `signed_webhook`. Leases, retries,
deadlines, holds and idempotency keys then run out when the test says so.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock
from typing import Final
from uuid import UUID

__all__ = ["START", "FrozenClock"]

START: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""When a clock begins, unless it is told otherwise."""

_VERSION_7: Final = 0x7 << 76 | 0b10 << 62


class FrozenClock:
    """
    A `paykit.clock.World` that stands still until `advance`. Thread-safe.

    Its identifiers are UUIDv7 and counted, so a test makes the same ones in each run.
    Use one clock for one database: another one would make the same identifiers again.
    """

    def __init__(self, start: datetime = START) -> None:
        """Stand still at `start`; raises `ValueError` if it has no time zone."""
        if start.tzinfo is None:
            raise ValueError("the start of a clock needs a time zone")
        self._now = start.astimezone(UTC)
        self._numbers = count(1)
        self._lock = Lock()

    @property
    def simulated(self) -> bool:
        """True: leases and due times follow this clock, not the database's."""
        return True

    def now(self) -> datetime:
        """Return the time at which the clock stands, in UTC."""
        return self._now

    def new_uuid(self) -> UUID:
        """Return a UUIDv7 made of the clock's time and a number."""
        with self._lock:
            number = next(self._numbers)
        milliseconds = int(self._now.timestamp() * 1000)
        return UUID(int=milliseconds << 80 | _VERSION_7 | number)

    def advance(self, by: timedelta | float) -> datetime:
        """
        Let `by` pass, a timedelta or seconds, and return the new time.

        Raises `ValueError` for a negative one: what was due stays due.
        """
        delta = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if delta < timedelta(0):
            raise ValueError("time does not run backwards")
        with self._lock:
            self._now += delta
            return self._now
