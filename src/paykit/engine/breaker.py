"""
The circuit breaker, as a pure machine: whether it makes sense to ask the PSP now.

Closed, it counts sends in a row that nobody answered. After some it opens and refuses
every send for a while; then it lets one through, the probe, whose answer decides. It
says nothing about what was sent before: what is in flight stays in flight.

Every change between closed, open and probing begins a new *era*. A send belongs to the
era that admitted it, and what is heard of it later than that changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from paykit.psp import Answer, NotExecuted, NotSent, Unknown

__all__ = ["Breaker", "BreakerPolicy", "admit", "heard"]

_NO_ANSWER: Final = (NotSent, Unknown)
"""What stands for refused connections, timeouts and server errors; a decline, a
refusal or a conflict is an answer, and so is a 409."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a circuit breaker opens, and for how long."""

    failures: int = 5
    """How many sends in a row nobody answered."""
    pause: timedelta = timedelta(seconds=5)
    """How long nothing is sent at first; twice as long after each failed probe."""
    longest_pause: timedelta = timedelta(seconds=60)
    probe_lease: timedelta = timedelta(seconds=90)
    """After which a probe that never reported back is replaced by the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state of one circuit."""

    era: int = 0
    failures: int = 0
    until: datetime | None = None
    """Until when nothing else is sent; None while it is closed."""
    pauses: int = 0
    """How many pauses there were since it was closed."""
    probing: bool = False
    """Whether a probe is under way."""


def admit(
    state: Breaker, policy: BreakerPolicy, now: datetime
) -> tuple[Breaker, timedelta | None]:
    """
    Return whether one more send is let through: None, or after what time to ask again.

    A send that is let through belongs to the era of the returned state.
    """
    if state.until is None:
        return state, None
    left = state.until - now
    # Longer than it was ever set to: the clock was put back, and cannot be waited for.
    expired = left <= timedelta(0) or left > _longest(policy)
    if not expired:
        return state, min(left, policy.pause) if state.probing else left
    probe_until = now + policy.probe_lease
    return replace(state, era=state.era + 1, until=probe_until, probing=True), None


def heard(
    state: Breaker,
    policy: BreakerPolicy,
    answer: Answer | None,
    now: datetime,
    *,
    era: int,
) -> Breaker:
    """
    Return the state after a send of `era` has come to `answer`.

    None is no answer at all: whoever asked was stopped, and the next one may probe.
    """
    if era != state.era:
        return state
    if answer is None:
        return replace(state, until=now, probing=False) if state.probing else state
    if isinstance(answer, NotExecuted):
        # It is there but works for nobody: proof neither of health nor of an outage.
        return _opened(state, policy, now, longer=0) if state.probing else state
    if not isinstance(answer, _NO_ANSWER):
        return _answered(state)
    failures = state.failures + 1
    if state.probing or failures >= policy.failures:
        return _opened(state, policy, now, longer=1)
    return replace(state, failures=failures)


def _answered(state: Breaker) -> Breaker:
    if state.probing:
        return Breaker(era=state.era + 1)
    return replace(state, failures=0) if state.failures else state


def _opened(
    state: Breaker, policy: BreakerPolicy, now: datetime, *, longer: int
) -> Breaker:
    pauses = state.pauses + longer
    return Breaker(era=state.era + 1, until=now + _pause(policy, pauses), pauses=pauses)


def _pause(policy: BreakerPolicy, number: int) -> timedelta:
    """Return how long the pause with this number is, from 1."""
    doublings = min(number - 1, 16)  # far beyond the longest one, short of overflow
    return min(policy.pause * (1 << doublings), policy.longest_pause)


def _longest(policy: BreakerPolicy) -> timedelta:
    return max(policy.longest_pause, policy.probe_lease)
