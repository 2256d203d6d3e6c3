"""Scripted faults: what goes wrong between the caller and the provider, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    ERROR_AFTER = auto()
    """Executed, answered 500, and the 500 is what the key remembers."""


@dataclass(slots=True)
class Planned:
    """A fault that waits for the requests it is meant for."""

    fault: Fault
    verb: str | None
    times: int | None
    seconds: float
    when: Callable[[ApiRequest], bool] | None

    def matches(self, request: ApiRequest) -> bool:
        """Whether this fault is meant for `request`."""
        return self.verb in (None, request.verb) and (
            self.when is None or self.when(request)
        )


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
        times: int | None = 1,
        seconds: float = 0.0,
        when: Callable[[ApiRequest], bool] | None = None,
    ) -> None:
        """
        Plan `fault` for the next `times` requests with `verb` that pass `when`.

        No `verb` means any request, no `times` means always; `seconds` is the length of
        a `Fault.DELAY`. Verbs are those of `paykit.psp`, such as ``confirm_payment``.
        Raises `ValueError` for a fault that would never happen.
        """
        if times is not None and times < 1:
            raise ValueError("a fault happens at least once")
        with self._lock:
            self._planned.append(Planned(fault, verb, times, seconds, when))

    def clear(self) -> None:
        """Forget every fault that has not happened yet."""
        with self._lock:
            self._planned.clear()

    def pending(self) -> int:
        """Return how many planned faults still wait for a request."""
        with self._lock:
            return len(self._planned)

    def take(self, request: ApiRequest) -> Planned | None:
        """Return the fault meant for `request`, and count it as happened."""
        with self._lock:
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
