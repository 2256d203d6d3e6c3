"""Scripted faults: what goes wrong between the caller and the provider, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from threading import Lock

from paykit.testing.simulated.exchange import ApiRequest

__all__ = ["Fault", "Faults", "Planned"]


class Fault(StrEnum):
    """One thing that can go wrong with one request."""

    LOSE_REQUEST_UNSENT = auto()
    """No connection: nothing left the caller's machine."""
    LOSE_REQUEST = auto()
    """The connection is cut before the provider acts; the caller cannot know."""
    ERROR_BEFORE = auto()
    """500, and nothing was executed or remembered."""
    UNAVAILABLE = auto()
    """503 with a page of HTML from a proxy; nothing was executed."""
    UNAUTHORIZED = auto()
    """401, as if the API key had been revoked; nothing executed."""
    FORBIDDEN = auto()
    """403 ``more_permissions_required``; nothing executed."""
    RATE_LIMIT = auto()
    """429 ``rate_limit``, before the idempotency layer."""
    LOCK_TIMEOUT = auto()
    """429 ``lock_timeout``: the object is locked; nothing executed."""
    KEY_IN_USE = auto()
    """409, as if the same key were running elsewhere."""
    DELAY = auto()
    """Executed late, the key being in use meanwhile."""
    LOSE_ANSWER = auto()
    """Executed, then the connection is cut."""
    HANG = auto()
    """Executed, then silence until the caller gives up."""
    TRUNCATED = auto()
    """Executed, but the body of the answer ends in the middle."""
    EMPTY = auto()
    """Executed, but the answer, a 200, has no body."""
    BAD_GATEWAY = auto()
    """Executed, but a proxy answers 502 with a page of HTML."""
    ERROR_AFTER = auto()
    """Executed, answered 500, and the 500 is what the key remembers."""


@dataclass(slots=True, kw_only=True)
class Planned:
    """A fault that waits for the requests it is meant for."""

    fault: Fault
    verb: str | None = None
    account: str | None = None
    times: int | None = 1
    seconds: float = 0.0
    until: datetime | None = None
    should_retry: bool | None = None
    when: Callable[[ApiRequest], bool] | None = None

    def matches(self, request: ApiRequest) -> bool:
        """Whether this fault is meant for `request`."""
        return (
            self.verb in (None, request.verb)
            and self.account in (None, request.account)
            and (self.when is None or self.when(request))
        )

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return self.until is not None and self.until <= now


class Faults:
    """The faults to come, first planned first; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: list[Planned] = []

    def add(
        self,
        fault: Fault,
        *,
        verb: str | None = None,
        account: str | None = None,
        times: int | None = 1,
        seconds: float = 0.0,
        until: datetime | None = None,
        should_retry: bool | None = None,
        when: Callable[[ApiRequest], bool] | None = None,
    ) -> None:
        """
        Plan `fault` for the next `times` requests with `verb` that pass `when`.

        No `verb` or `account` means any; no `times` means always, which is an outage if
        it is for any request. With `until`, it ends at that moment by the provider's
        clock. `seconds` is the length of a `Fault.DELAY`; `should_retry` becomes the
        header ``Stripe-Should-Retry`` of an error. Verbs are those of `paykit.psp`,
        such as ``confirm_payment``. Raises `ValueError` for a fault that would never
        happen.
        """
        if times is not None and times < 1:
            raise ValueError("a fault happens at least once")
        with self._lock:
            self._planned.append(
                Planned(
                    fault=fault,
                    verb=verb,
                    account=account,
                    times=times,
                    seconds=seconds,
                    until=until,
                    should_retry=should_retry,
                    when=when,
                )
            )

    def clear(self) -> None:
        """Forget every fault that has not happened yet."""
        with self._lock:
            self._planned.clear()

    def pending(self) -> int:
        """Return how many planned faults still wait for a request."""
        with self._lock:
            return len(self._planned)

    def take(self, request: ApiRequest, now: datetime) -> Planned | None:
        """Return the fault meant for `request`, and count it as happened."""
        with self._lock:
            self._planned = [one for one in self._planned if not one.is_over(now)]
            for planned in self._planned:
                if planned.matches(request):
                    self._count(planned)
                    return planned
            return None

    def _count(self, planned: Planned) -> None:
        if planned.times is None:
            return
        planned.times -= 1
        if planned.times == 0:
            self._planned.remove(planned)
