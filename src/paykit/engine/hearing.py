"""
Hearing what an attempt comes to: read if it may have been executed, send it, read what
cannot be told from the answer.

These are flows between two phases of the engine; nothing here touches the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from paykit.engine.asking import ask
from paykit.engine.effects import Flow, sleep
from paykit.engine.evidence import Finding, Seen, look
from paykit.engine.operation import Leg
from paykit.engine.outcome import fold, is_definite, is_held_back, is_no_effect
from paykit.engine.stand import Environment, Standing
from paykit.psp import (
    Answer,
    Conflict,
    Misconfigured,
    NotSent,
    Rejected,
    Unknown,
)

__all__ = ["Heard", "hear"]

R = TypeVar("R", bound=BaseModel)

_LONGEST_PAUSE = 10.0
"""Seconds: what the PSP asks for beyond that is for a worker to wait, not a caller."""

_TOO_LATE = NotSent(reason="the time in which it may be sent has passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What an attempt came to."""

    answer: Answer
    """What everything says together."""
    sent: tuple[Answer, ...] = ()
    """What was heard to sends, word by word."""
    seen: tuple[Seen, ...] = ()
    """What was read in order to find out."""
    asked: bool = False
    """Whether the PSP was asked anything."""
    held_back: bool = False
    """Whether it was not, because our own gate held everything back."""


def hear(env: Environment, leg: Leg[Any, R], at: Standing[R]) -> Flow[Heard]:
    """
    Return all that was heard, and what it comes to.

    An attempt that may have been executed is read about before it is sent again, and
    so is one that may not be sent any more. A first send needs no read before it.
    """
    if at.answer is not None and is_definite(at.answer):
        return Heard(answer=at.answer)
    before: Finding | None = None
    if at.maybe_executed or env.world.now() >= at.attempt.write_deadline:
        before = yield from look(env, leg, at)
        if before.answer is not None:
            return Heard(answer=before.answer, seen=before.seen, asked=True)
    sent: list[Answer] = []
    answer: Answer
    if isinstance(at.answer, Conflict):
        answer = at.answer
    else:
        answer = yield from _send(env, at, sent)
    seen = reads = () if before is None else before.seen
    if isinstance(answer, Conflict | Unknown) and (sent or before is None):
        after = yield from look(env, leg, at)
        undone = _undone(at, sent, answer) if after.readable else None
        answer, seen = after.answer or undone or answer, after.seen
        reads += seen
    held_back = {*map(is_held_back, sent), *(read.held_back for read in reads)}
    return Heard(
        answer=answer,
        sent=tuple(sent),
        seen=seen,
        asked=False in held_back,
        held_back=held_back == {True},
    )


def _send(env: Environment, at: Standing[Any], heard: list[Answer]) -> Flow[Answer]:
    """Send the attempt until something definite is heard, or patience ends."""
    thing: str | None = getattr(at.state, "payment_id", None)
    until = env.deadline()
    maybe_executed = at.maybe_executed
    folded = fold(maybe_executed, _TOO_LATE)
    for number in range(1, env.policy.sends + 1):
        if env.world.now() >= at.write_until:
            return folded
        answer = yield from ask(
            env,
            at.attempt.binding,
            at.attempt.call,
            thing=thing,
            before=at.write_until,
        )
        heard.append(answer)
        folded = fold(maybe_executed, answer)
        if is_definite(folded) or isinstance(answer, Conflict | Misconfigured):
            return folded
        maybe_executed = maybe_executed or not is_no_effect(answer)
        pause = _pause(env, at, answer, number, until)
        if pause is None:
            return folded
        yield from sleep(pause)
    return folded


def _pause(
    env: Environment,
    at: Standing[Any],
    answer: Answer,
    number: int,
    until: datetime,
) -> float | None:
    """Return the seconds until the next send, or None if there is none in this call."""
    if is_held_back(answer) or number == env.policy.sends:
        return None
    pause = env.policy.pause_seconds(answer, number, at.attempt.id)
    too_long = env.world.now() + timedelta(seconds=pause) >= until
    return None if too_long or pause > _LONGEST_PAUSE else pause


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
