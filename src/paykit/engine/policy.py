"""How long to wait for what, in one place; tests and hosts may set other values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final

from tenacity import RetryCallState, Retrying, wait_exponential
from tenacity.wait import wait_base
from typing_extensions import override

from paykit.engine.breaker import BreakerPolicy
from paykit.engine.clocks import ClockPolicy
from paykit.engine.limiter import Priority
from paykit.engine.watching import WatchPolicy
from paykit.psp import Answer, InFlight, NotExecuted, NotSent, Unknown

__all__ = ["PAUSES", "Policy"]


class _Spread(wait_base):
    """
    Up to *most* seconds, so that those who were refused together come back apart.

    Derived from the name that is waited for and from the number of the attempt: other
    names wait differently, and a simulation repeats itself.
    """

    def __init__(self, most: float) -> None:
        self._most = most

    @override
    def __call__(self, retry_state: RetryCallState) -> float:
        """Return the seconds."""
        name = f"{retry_state.args}:{retry_state.attempt_number}"
        part = int.from_bytes(sha256(name.encode()).digest()[:4], "big") / 2**32
        return self._most * part


_QUICK: Final = wait_exponential(multiplier=0.1, max=2.0) + _Spread(0.1)
_USUAL: Final = wait_exponential(multiplier=0.25, max=4.0) + _Spread(0.25)
_PATIENT: Final = wait_exponential(multiplier=0.5, max=8.0) + _Spread(0.5)

PAUSES: Final[Mapping[type[Answer], wait_base]] = {
    NotSent: _QUICK,  # nothing was done, and another connection may succeed at once
    NotExecuted: _PATIENT,  # there is too much already
    InFlight: _USUAL,  # the first request takes one to three seconds
    Unknown: _USUAL,
}
"""How long to wait before the next send, by what was heard; other answers end it."""


class _ByAnswer(wait_base):
    """The strategy of `PAUSES` for what was heard."""

    @override
    def __call__(self, retry_state: RetryCallState) -> float:
        assert retry_state.outcome is not None
        kind = type(retry_state.outcome.result())
        return PAUSES.get(kind, _USUAL)(retry_state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The engine's patience. Durations are timedeltas, or seconds where named so."""

    sends: int = 3
    """How often one call of a caller sends a request, if the PSP does not answer."""
    backoff: Callable[[], wait_base] = _ByAnswer
    """A tenacity wait strategy between two sends; its outcome is what was heard."""
    deadline: timedelta = timedelta(seconds=25)
    """How long one call of a caller may take until its last send begins; after it the
    caller is told that nothing happened, or that nobody knows."""
    worker_deadline: timedelta = timedelta(seconds=15)
    """The same for one question of a worker, which can come again."""
    object_wait: timedelta = timedelta(seconds=3)
    """How long a write waits for another one of this process to the same payment, so
    that the PSP need not turn it away; then it is sent all the same."""
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    """When nothing is sent because nobody answers."""
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
    watch: WatchPolicy = field(default_factory=WatchPolicy)
    """How long webhooks may be missing before somebody is told."""
    clocks: ClockPolicy = field(default_factory=ClockPolicy)
    """What becomes of payments that stay in one state for too long."""
    keep_bodies: timedelta = timedelta(days=90)
    """How long the raw body of a webhook is kept after it was applied or ignored."""

    def pause_seconds(self, answer: Answer, number: int, name: str) -> float:
        """
        Return how long to wait after the send number `number` (from 1) of `name`.

        What the PSP asks for counts, if it is longer.
        """
        state = RetryCallState(Retrying(), None, (name,), {})
        state.attempt_number = number
        state.set_result(answer)
        pause = float(self.backoff()(state))
        if isinstance(answer, NotExecuted | InFlight | Unknown):
            return max(pause, answer.retry_after_seconds or 0.0)
        return pause

    def patience(self, priority: Priority) -> timedelta:
        """Return how long whoever asks with `priority` goes on."""
        return self.deadline if priority is Priority.PAYER else self.worker_deadline

    def delay(self, looked: int) -> timedelta | None:
        """Return when to look again after `looked` looks; None at the end."""
        return self.schedule[looked] if looked < len(self.schedule) else None
