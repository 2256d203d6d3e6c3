"""
Hearing what an attempt comes to: send it, read what cannot be told from the answer.

These are flows between two phases of the engine; nothing here touches the database.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from paykit.engine.asking import ask
from paykit.engine.effects import Flow, sleep
from paykit.engine.operation import Leg
from paykit.engine.outcome import fold, is_definite, is_no_effect
from paykit.engine.stand import Environment, Standing
from paykit.psp import (
    Answer,
    Conflict,
    InFlight,
    Misconfigured,
    NotExecuted,
    NotSent,
    Rejected,
    Succeeded,
    Unknown,
)

__all__ = ["hear"]

R = TypeVar("R", bound=BaseModel)

_LONGEST_PAUSE = 10.0
"""Seconds: what the PSP asks for beyond that is for a worker to wait, not a caller."""

_TOO_LATE = NotSent(reason="the time in which it may be sent has passed")


def hear(
    env: Environment, leg: Leg[Any, R], at: Standing[R]
) -> Flow[tuple[tuple[Answer, ...], Answer]]:
    """Return all that was heard, and what it comes to."""
    if at.answer is not None and is_definite(at.answer):
        return (), at.answer
    heard: list[Answer] = []
    answer: Answer
    if isinstance(at.answer, Conflict):
        answer = at.answer
    else:
        answer = yield from _send(env, at, heard)
    if isinstance(answer, Conflict | Unknown):
        otherwise = _undone(at, heard, answer)
        answer = (yield from _look(env, leg, at, otherwise)) or answer
    return tuple(heard), answer


def _send(env: Environment, at: Standing[Any], heard: list[Answer]) -> Flow[Answer]:
    """Send the attempt until something definite is heard, or patience ends."""
    maybe_executed = at.maybe_executed
    folded = fold(maybe_executed, _TOO_LATE)
    for number in range(1, env.policy.sends + 1):
        if env.world.now() >= at.write_until:
            return folded
        answer = yield from ask(env, at.attempt.binding, at.attempt.call)
        heard.append(answer)
        folded = fold(maybe_executed, answer)
        if is_definite(folded) or isinstance(answer, Conflict | Misconfigured):
            return folded
        maybe_executed = maybe_executed or not is_no_effect(answer)
        pause = _pause(env, answer, number)
        if number == env.policy.sends or pause > _LONGEST_PAUSE:
            return folded
        yield from sleep(pause)
    return folded


def _pause(env: Environment, answer: Answer, number: int) -> float:
    pause = env.policy.pause_seconds(number)
    if isinstance(answer, NotExecuted | InFlight | Unknown):
        return max(pause, answer.retry_after_seconds or 0.0)
    return pause


def _look(
    env: Environment, leg: Leg[Any, R], at: Standing[R], otherwise: Answer | None
) -> Flow[Answer | None]:
    """
    Read before anything is decided or sent again (DESIGN section 6).

    `otherwise` is the answer if what was read does not tell.
    """
    binding = at.attempt.binding
    request = leg.read(at.state)
    call = env.psps.for_binding(binding).prepare(request, None)
    evidence = yield from ask(env, binding, call)
    if not isinstance(evidence, Succeeded):
        return None
    judged = leg.judge(at.state, evidence.snapshot)
    if judged is None:
        return otherwise
    return replace(judged, request_id=evidence.request_id)


def _undone(at: Standing[Any], heard: list[Answer], answer: Answer) -> Rejected | None:
    """
    Return the refusal that a conflict comes to, if no send can have had an effect.

    A conflict says that its own send did nothing. Only an earlier one, of which nobody
    heard, may have brought the object into the state that stands in the way.
    """
    quiet = all(is_no_effect(one) or one is answer for one in heard)
    if not isinstance(answer, Conflict) or at.maybe_executed or not quiet:
        return None
    return Rejected(
        code=answer.code,
        message=answer.message,
        request_id=answer.request_id,
        replayed=answer.replayed,
    )
