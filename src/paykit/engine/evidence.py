"""
Finding out by reading what became of an attempt (DESIGN section 6).

The order is that of cost and certainty: the known object, or a consistent list matched
by our metadata; then, once nothing can be sent with the key any more, what else the leg
names: a search, the movements on our balance. Nothing here writes anything, here or at
the PSP, so anybody may look at any time.

What is not found proves nothing while a request may still be on its way. Only when the
write deadline is over by the lag of the PSP's search does an absence count, and only if
everything could be read and no event of the PSP has shown the contrary.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, Final

from paykit.carddata import redact
from paykit.engine.asking import ask
from paykit.engine.effects import Flow
from paykit.engine.operation import Leg
from paykit.engine.outcome import is_held_back
from paykit.engine.stand import Environment, Standing
from paykit.psp import (
    Answer,
    Misconfigured,
    ReadRequest,
    Rejected,
    SearchPayments,
    Snapshot,
    Succeeded,
)

__all__ = ["Finding", "Seen", "described", "look"]

_ABSENT: Final = Rejected(
    code="not_executed",
    message="the PSP has not executed it, and it will not be sent any more",
)

_TOLD: Final = frozenset(
    {
        "amount",
        "captured",
        "category",
        "charge_reference",
        "code",
        "currency",
        "decline_code",
        "message",
        "reason",
        "reference",
        "request_id",
        "source",
        "status",
    }
)
"""What is told of an answer or an object: what it is and how it stands, no payer."""

_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One read for finding out, and what it showed."""

    verb: str
    shown: dict[str, object]
    held_back: bool = False
    """Whether it was not made after all, because our own gate let it not go."""

    def stored(self) -> dict[str, object]:
        """Return it as it is kept with a case."""
        return {"read": self.verb, "shown": self.shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a look came to."""

    answer: Answer | None
    """What the evidence proves; None if it does not tell."""
    readable: bool
    """Whether the PSP let the object itself be read."""
    refused: bool
    """Whether it said that it will not: no such object, or no right to read it."""
    seen: tuple[Seen, ...]


def look(env: Environment, leg: Leg[Any, Any], at: Standing[Any]) -> Flow[Finding]:
    """Read until the evidence tells, or until there is nothing more to read."""
    seen: list[Seen] = []
    answer = yield from _read(env, at, leg.read(at.state), seen)
    first = answer if isinstance(answer, Succeeded) else None
    judged = None if first is None else leg.judge(at.state, first.snapshot)
    if judged is None and env.world.now() >= at.attempt.write_deadline:
        judged = yield from _look_further(env, leg, at, first, seen)
    if judged is not None and first is not None:
        judged = replace(judged, request_id=first.request_id)
    return Finding(
        answer=judged,
        readable=first is not None,
        refused=isinstance(answer, Rejected | Misconfigured),
        seen=tuple(seen),
    )


def _look_further(
    env: Environment,
    leg: Leg[Any, Any],
    at: Standing[Any],
    first: Succeeded | None,
    seen: list[Seen],
) -> Flow[Answer | None]:
    """Read what else may tell of an attempt that is not sent any more."""
    shown: Snapshot = None if first is None else first.snapshot
    complete = first is not None
    for evidence in leg.more:
        request = evidence.read(at.state, shown)
        if request is None or not _is_offered(env, at, request):
            continue
        found = yield from _read(env, at, request, seen)
        if not isinstance(found, Succeeded):
            complete = False
            continue
        judged = evidence.judge(at.state, shown, found.snapshot)
        if judged is not None:
            return judged
    proves = complete and leg.absent is not None and leg.absent(at.state, shown)
    return _ABSENT if proves and _nothing_is_on_its_way(env, at) else None


def _is_offered(env: Environment, at: Standing[Any], request: ReadRequest) -> bool:
    can = env.psps.for_binding(at.attempt.binding).capabilities
    return can.search or not isinstance(request, SearchPayments)


def _nothing_is_on_its_way(env: Environment, at: Standing[Any]) -> bool:
    """Whether all that was ever sent must have arrived, and every search know of it."""
    lag = env.psps.for_binding(at.attempt.binding).capabilities.search_lag
    passed = env.world.now() >= at.attempt.write_deadline + lag
    return passed and at.attempt.proved_by is None


def _read(
    env: Environment, at: Standing[Any], request: ReadRequest, seen: list[Seen]
) -> Flow[Answer]:
    """Read from the PSP, and note what that showed."""
    binding = at.attempt.binding
    call = env.psps.for_binding(binding).prepare(request, None)
    answer = yield from ask(env, binding, call)
    held_back = is_held_back(answer)
    seen.append(Seen(verb=request.verb, shown=described(answer), held_back=held_back))
    return answer


def described(answer: Answer) -> dict[str, object]:
    """Return an answer in words that may be kept and shown: no payer, no secret."""
    told = _told(answer)
    if isinstance(answer, Succeeded) and answer.snapshot is None:
        told["found"] = "nothing"
    snapshot = getattr(answer, "snapshot", None)
    if isinstance(snapshot, tuple):
        told["movements"] = [_told(one) for one in snapshot]
    elif snapshot is not None:
        told["object"] = _told(snapshot)
    return {"answer": type(answer).__name__, **told}


def _told(thing: Any) -> dict[str, object]:
    named = [one.name for one in fields(thing) if one.name in _TOLD]
    values = {name: getattr(thing, name) for name in named}
    return {name: _word(one) for name, one in values.items() if one is not None}


def _word(value: object) -> object:
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, int) else redact(str(value))[:_LONGEST]
