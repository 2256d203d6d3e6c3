"""
Folding: what all the sends of one attempt say together (DESIGN law 3).

After one send that may have been executed, nothing milder can make it undone: a later
"not sent" says nothing about the earlier request.
"""

from __future__ import annotations

from typing import TypeGuard

from paykit.psp import (
    ActionRequired,
    Answer,
    Declined,
    InFlight,
    Misconfigured,
    NotExecuted,
    NotSent,
    Pending,
    Rejected,
    Succeeded,
    Unknown,
)

__all__ = ["fold", "is_definite", "is_held_back", "is_no_effect"]

_KEY_REUSED = "idempotency_error"


def is_definite(answer: Answer) -> bool:
    """Whether `answer` settles the attempt, so that a next one may have a new key."""
    return isinstance(
        answer, Succeeded | ActionRequired | Pending | Declined | Rejected
    )


def is_no_effect(
    answer: Answer,
) -> TypeGuard[NotSent | NotExecuted | Misconfigured]:
    """Whether `answer` says that its send did nothing, and may be repeated."""
    return isinstance(answer, NotSent | NotExecuted | Misconfigured)


def is_held_back(answer: Answer) -> bool:
    """Whether our own gate held the request back, and so nobody was asked."""
    return isinstance(answer, NotSent) and answer.retry_after_seconds is not None


def fold(maybe_executed: bool, answer: Answer) -> Answer:
    """
    Return what is known after `answer`.

    `maybe_executed` tells whether an earlier send of the attempt may have had an
    effect. A `Conflict` stays one: it asks for a read either way. That our key met
    other parameters is a bug, so it tells nothing about the first request.
    """
    match answer:
        case InFlight(reason=reason):
            return Unknown(reason=reason, request_id=answer.request_id)
        case Rejected(code=code, message=message) if code == _KEY_REUSED:
            return Unknown(reason=message, request_id=answer.request_id)
        case NotSent() | NotExecuted() | Misconfigured() if maybe_executed:
            return Unknown(
                reason=f"an earlier send may have been executed; now: {answer.reason}",
                request_id=answer.request_id,
            )
        case _:
            return answer
