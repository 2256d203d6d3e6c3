"""
Asking a PSP: the one way in which anything of paykit speaks to a provider.

Every call passes the gate (see `paykit.engine.gate`): it waits for its turn, or is
refused because the PSP does not answer anyone. What is refused was not sent, and says
so; whoever asked may have sent the same request before, and folds the two.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta

from paykit.clock import World
from paykit.engine.effects import Ask, Effect, Flow, commit, sleep
from paykit.engine.gate import Admitted, Asking, Refused
from paykit.engine.stand import Environment
from paykit.psp import Answer, Call, NotSent

__all__ = ["ask"]

_LONGEST_NAP = 2.0
"""Seconds: who was sent away several times comes less often, but not too seldom."""


def ask(
    env: Environment,
    binding: str,
    call: Call,
    *,
    thing: str | None = None,
    before: datetime | None = None,
) -> Flow[Answer]:
    """
    Send `call` to the PSP behind `binding` when it may go, and return what was heard.

    `thing` is the payment or object that the call is about: one write to it at a time.
    Nothing is sent after the deadline of `env`, nor from `before` on, however long it
    has to wait for its turn. What is held back comes to `NotSent` with
    `retry_after_seconds`.
    """
    limits = env.psps.for_binding(binding).capabilities.limits
    if limits is not None:
        yield from _count_processes(env)
    asking = Asking(
        binding=binding, call=call, priority=env.priority, thing=thing, limits=limits
    )
    until = env.deadline()
    admitted = yield from _enter(env, asking, min(until, before or until))
    if isinstance(admitted, NotSent):
        return admitted
    answer: Answer | None = None
    try:
        if admitted.wait_seconds:
            yield from sleep(admitted.wait_seconds)
            found = env.gate.confirm(admitted, env.world.now())
            if isinstance(found, Refused):
                return _held_back(found)
            admitted = found
        answer = yield from _send(binding, call)
        return answer
    finally:
        env.gate.leave(admitted, answer, env.world.now())


def _held_back(refused: Refused) -> NotSent:
    after = refused.retry_after_seconds
    return NotSent(reason=refused.reason, retry_after_seconds=after)


def _send(binding: str, call: Call) -> Generator[Effect, Answer, Answer]:
    return (yield Ask(binding, call))


def _enter(
    env: Environment, asking: Asking, until: datetime
) -> Flow[Admitted | NotSent]:
    """Wait before the gate; `NotSent` if it refuses, or if it would take too long."""
    clock = _Clock(env.world, env.world.now())
    while True:
        now = clock.now()
        if now >= until:
            return NotSent(
                reason="the time of this call is over", retry_after_seconds=1.0
            )
        overtake = clock.slept >= env.policy.object_wait.total_seconds()
        found = env.gate.enter(asking, now, until - now, overtake=overtake)
        if isinstance(found, Admitted):
            return found
        if isinstance(found, Refused):
            return _held_back(found)
        nap = max(found.seconds, min(_LONGEST_NAP, clock.slept / 2))
        if now + timedelta(seconds=nap) >= until:
            return NotSent(reason=found.reason, retry_after_seconds=found.seconds)
        yield from sleep(nap)
        clock.slept += nap


@dataclass(slots=True)
class _Clock:
    """
    The world's time, or later: what was slept has passed.

    In a test the world may stand still, and nobody must wait for it to move.
    """

    world: World
    began: datetime
    slept: float = 0.0

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return max(self.world.now(), self.began + timedelta(seconds=self.slept))


def _count_processes(env: Environment) -> Flow[None]:
    """Say now and then that this process lives; an error keeps the last count."""
    registration = env.gate.registration
    if not registration.due(env.world.now()):
        return
    try:
        yield from commit(registration.register)
    except Exception as error:
        registration.failed(error)
