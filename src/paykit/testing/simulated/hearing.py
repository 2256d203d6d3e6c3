"""The provider's replies as paykit's answers: the table of `paykit.psp.answers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from paykit.psp import (
    ActionRequired,
    Answer,
    Conflict,
    Declined,
    InFlight,
    Misconfigured,
    NotExecuted,
    NotSent,
    PaymentSnapshot,
    PaymentStatus,
    Pending,
    RefundSnapshot,
    RefundStatus,
    Rejected,
    Snapshot,
    Succeeded,
    Unknown,
)
from paykit.testing.simulated.exchange import Damage, Reply
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.read import read_decline, read_payment

__all__ = ["hear"]

_CONFLICTS: Final = frozenset(
    {
        "charge_already_captured",
        "charge_already_refunded",
        "charge_expired_for_capture",
        "intent_invalid_state",
        "payment_intent_unexpected_state",
    }
)
"""The codes of an object that is not in the assumed state: often it is done already."""


def hear(reply: Reply, read: Callable[[Json], Snapshot], *, write: bool) -> Answer:
    """
    Return what `reply` means; `read` makes a snapshot of the body of a success.

    For a read, whatever it shows is a success; for a write, the status that the object
    came to decides.
    """
    if reply.damage is not None:
        return _not_heard(reply.damage)
    if reply.status != 200:
        return _error(reply)
    snapshot = read(reply.body)
    if not write:
        return Succeeded(snapshot=snapshot, request_id=reply.request_id)
    return _written(reply, snapshot)


def _not_heard(damage: Damage) -> Answer:
    """Return what silence means."""
    match damage:
        case Damage.REFUSED:
            return NotSent(reason="connection refused")
        case Damage.CUT:
            return Unknown(reason="the connection broke")
        case Damage.SILENT:
            return Unknown(reason="timed out")
        case Damage.TRUNCATED | Damage.EMPTY | Damage.HTML:
            return Unknown(reason="the answer is not readable")
    assert_never(damage)


def _written(reply: Reply, snapshot: Snapshot) -> Answer:
    """Return how a write that was accepted came out."""
    request_id, replayed = reply.request_id, reply.replayed
    match snapshot:
        case PaymentSnapshot(status=PaymentStatus.REQUIRES_ACTION):
            return ActionRequired(
                snapshot=snapshot, request_id=request_id, replayed=replayed
            )
        case (
            PaymentSnapshot(status=PaymentStatus.PROCESSING)
            | RefundSnapshot(status=RefundStatus.PENDING | RefundStatus.REQUIRES_ACTION)
        ):
            return Pending(snapshot=snapshot, request_id=request_id, replayed=replayed)
        case _:
            return Succeeded(
                snapshot=snapshot, request_id=request_id, replayed=replayed
            )


def _error(reply: Reply) -> Answer:
    """Return what an error body means."""
    error = reply.body.get("error")
    fields = error if isinstance(error, dict) else {}
    code, message = _word(fields, "code"), _word(fields, "message") or "no message"
    match reply.status:
        case 402:
            return _declined(reply, fields)
        case 429:
            return NotExecuted(reason=code or message, request_id=reply.request_id)
        case 409:
            return InFlight(reason=code or message, request_id=reply.request_id)
        case 401 | 403:
            return Misconfigured(reason=message, request_id=reply.request_id)
        case 400 | 404:
            return _refused(reply, fields, code, message)
        case _:
            return Unknown(
                reason=f"HTTP status {reply.status}",
                request_id=reply.request_id,
                replayed=reply.replayed,
            )


def _declined(reply: Reply, error: Json) -> Answer:
    """Return the issuer's no, with the intent as it stands after it."""
    intent = error.get("payment_intent")
    return Declined(
        decline=read_decline(error),
        snapshot=read_payment(intent) if isinstance(intent, dict) else None,
        request_id=reply.request_id,
        replayed=reply.replayed,
    )


def _refused(reply: Reply, error: Json, code: str | None, message: str) -> Answer:
    """Return what a request means that was not executed as it stands."""
    request_id, replayed = reply.request_id, reply.replayed
    if code in _CONFLICTS:
        return Conflict(
            code=code, message=message, request_id=request_id, replayed=replayed
        )
    if error.get("type") == "idempotency_error":
        code = "idempotency_error"
    return Rejected(
        code=code, message=message, request_id=request_id, replayed=replayed
    )


def _word(error: Json, name: str) -> str | None:
    value = error.get(name)
    return value if isinstance(value, str) else None
