"""
The end of the ladder: waiting for the next look, cases, and ending an operation from
outside.

An operation whose schedule is over becomes a case. Its claim and its reservation stay:
nobody knows whether the PSP has acted. Whoever finds out later, by reading, by an event
or by a person's decision, ends it here, with an answer that its own leg records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel

from paykit.engine import stand
from paykit.engine.effects import Flow, commit
from paykit.engine.evidence import Finding, Seen, look
from paykit.engine.operation import Operation
from paykit.engine.stand import Environment, Standing, Waiting
from paykit.errors import LeaseLost, NotFound
from paykit.psp import Answer, Unknown
from paykit.store import cases, operations, payments, work
from paykit.store.events import NewEvent
from paykit.store.operations import OperationRow
from paykit.store.tx import Tx

__all__ = [
    "Closing",
    "Inspected",
    "break_off",
    "conclude",
    "inspect",
    "lock_payment",
    "payment_of",
    "reopen",
    "tell",
    "wait",
]

R = TypeVar("R", bound=BaseModel)

_HELD_BACK: Final = timedelta(minutes=5)
"""How long at most after a look that our own gate held back the next one comes: an open
breaker lets a probe through within a minute."""

_WHY_MAX: Final = 500
_SEEN_MAX: Final = 20


def payment_of(row: OperationRow) -> str | None:
    """Return the id of the payment that the operation is about."""
    known = (row.recovery_state or {}).get("payment_id", row.payment_id)
    return None if known is None else str(known)


def lock_payment(tx: Tx, row: OperationRow) -> None:
    """Lock the row of the payment that the operation is about, if there is one."""
    payment_id = payment_of(row)
    if payment_id is not None:
        payments.load(tx, payment_id, merchant=None, lock=True)


def tell(
    tx: Tx, row: OperationRow, event: str, data: dict[str, object], *, cause: str
) -> None:
    """Write into the payment's history what became of one of its operations."""
    payment_id = payment_of(row)
    if payment_id is None:
        return
    payment = payments.load(tx, payment_id, merchant=None, lock=True)
    about = {"operation_id": row.id, "operation": row.name}
    told = NewEvent(type=event, data={**about, **data})
    payments.save(tx, payment, {}, cause=cause, happened=[told])


# -- phases of the engine --------------------------------------------------------------


def wait(
    tx: Tx,
    env: Environment,
    row: OperationRow,
    lease: UUID,
    answer: Answer,
    phase_id: UUID,
    seen: Sequence[Seen],
    *,
    held_back: bool = False,
) -> Waiting:
    """
    Give the operation back, to be looked at again; in the end by a person.

    What was `held_back` by our own gate was no look, and uses up nothing.
    """
    looks = work.attempts(tx, "operation", row.id)
    counted = not (held_back and env.counted)
    delay = env.policy.delay(looks)
    if held_back:
        delay = _soon(env, looks if counted else looks - 1)
    values = {"phase_id": phase_id, "status": "case" if delay is None else "open"}
    operations.change(tx, row.id, values)
    if delay is None:
        _open_case(tx, row, lease, answer, seen)
        delay = timedelta(days=1)
    else:
        work.postpone(tx, "operation", row.id, lease, delay=delay, counted=counted)
    return Waiting(
        operation_id=row.id, answer=answer, retry_after_seconds=delay.total_seconds()
    )


def _soon(env: Environment, looks: int) -> timedelta:
    """Return when a look is made up for; a step of the schedule may be a day away."""
    return min([*env.policy.schedule[looks : looks + 1], _HELD_BACK])


def _open_case(
    tx: Tx, row: OperationRow, lease: UUID, answer: Answer, seen: Sequence[Seen]
) -> None:
    """Hand the operation over to a person; nothing of it is released."""
    kind = type(answer).__name__
    why = f"{kind}: {getattr(answer, 'reason', None) or getattr(answer, 'message', '')}"
    shown = [one.stored() for one in seen][-_SEEN_MAX:]
    case = {
        "operation_id": row.id,
        "merchant_id": row.merchant_id,
        "payment_id": payment_of(row),
        "name": row.name,
        "why": why[:_WHY_MAX],
        "seen": shown,
    }
    data: dict[str, object] = {"why": kind, "at": row.recovery_point, "seen": shown}
    tell(tx, row, "operation.case_opened", data, cause=row.id)
    cases.open_case(tx, case)
    work.finish(tx, "operation", row.id, lease)


def break_off(
    tx: Tx, env: Environment, operation_id: str, lease: UUID, why: str
) -> Waiting:
    """
    Give back an operation that could not be gone on with, because our own code failed.

    It is tried again by the schedule of what is unknown, and has the same end: a case.
    Raises `LeaseLost` if somebody else has it.
    """
    work.fence(tx, "operation", operation_id, lease, env.policy.lease)
    row = operations.by_id(tx, operation_id)
    if row is None:
        raise LookupError(f"operation {operation_id} has been deleted")
    return wait(tx, env, row, lease, Unknown(reason=why), tx.new_uuid(), ())


def reopen(
    tx: Tx,
    row: OperationRow,
    *,
    lease: UUID | None = None,
    lease_for: timedelta = timedelta(0),
) -> bool:
    """
    Make a case an open operation again, with a fresh schedule; False if it is none.

    Under `lease` it is ours; without one it is due at once. Of several who try, it is
    true for one. The payment's row is locked before.
    """
    if not cases.close_case(tx, row.id):
        return False
    operations.change(tx, row.id, {"status": "open"})
    work.put(tx, "operation", row.id, delay=lease_for, lease=lease)
    return True


# -- from outside ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """An operation that has not ended, and what can be read about it."""

    at: Standing[Any]
    status: str
    finding: Finding


def inspect(
    env: Environment, op: Operation[Any, Any], operation_id: str
) -> Flow[Inspected | None]:
    """
    Look at an operation without holding it; None if it has ended or is being worked on.

    Nothing is sent but reads, so it does no harm if somebody takes it up meanwhile.
    """
    found = yield from commit(partial(_stand_aside, env, op, operation_id))
    if found is None:
        return None
    at, status = found
    if at.answer is not None:
        finding = Finding(answer=at.answer, readable=True, refused=False, seen=())
    else:
        finding = yield from look(env, op.leg(at.point), at)
    return Inspected(at=at, status=status, finding=finding)


def _stand_aside(
    env: Environment, op: Operation[Any, Any], operation_id: str, tx: Tx
) -> tuple[Standing[Any], str] | None:
    row = operations.by_id(tx, operation_id)
    if row is None:
        raise NotFound(f"no operation {operation_id!r}")
    point = row.recovery_point
    if row.status not in {"open", "case"} or point is None:
        return None
    attempt = operations.attempt_at(tx, operation_id, point)
    if attempt is None or work.is_held(tx, "operation", operation_id):
        return None
    at: Standing[Any] = Standing(
        operation_id=operation_id,
        lease=tx.new_uuid(),
        point=point,
        state=op.leg(point).at.knows.model_validate(row.recovery_state),
        attempt=attempt,
        answer=stand.heard_by_anyone(tx, attempt),
        maybe_executed=True,
        write_until=attempt.write_deadline,
    )
    return at, row.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How an operation is ended from outside."""

    answer: Answer
    """What its leg records; definite."""
    cause: str
    """Who brought it, for the payment's history."""
    told: dict[str, object]
    """What the history says if it was a case."""
    decided: bool = False
    """Whether a person has decided so: then the history says it in any case."""
    check: Callable[[Tx, OperationRow], None] = lambda tx, row: None
    """Raises if it may not be ended this way, now that nobody else can change it."""


def conclude(
    tx: Tx, env: Environment, op: Operation[Any, R], at: Standing[R], closing: Closing
) -> stand.Where[R] | None:
    """
    Record `closing` where the operation still stands `at`; None if it does not.

    It takes the operation from nobody: the row of its case, or its free row among the
    pending work, goes to one of all who try (DESIGN law 6). What was heard meanwhile of
    the attempt itself comes before `closing`. Raises `LeaseLost` if it has gone on.
    """
    row = operations.by_id(tx, at.operation_id)
    if row is None or row.status not in {"open", "case"}:
        return None
    was_case = row.status == "case"
    if was_case:
        lock_payment(tx, row)
        if not reopen(tx, row, lease=at.lease, lease_for=env.policy.lease):
            return None
    elif work.hold(tx, "operation", row.id, at.lease, env.policy.lease) is None:
        return None
    row = operations.by_id(tx, row.id)
    if row is None or row.status != "open" or row.recovery_point != at.point:
        raise LeaseLost(f"operation {at.operation_id} has gone on meanwhile")
    closing.check(tx, row)
    if was_case or closing.decided:
        told = closing.told
        tell(tx, row, "operation.case_resolved", told, cause=closing.cause)
    answer = stand.heard_by_anyone(tx, at.attempt) or closing.answer
    operations.settle_attempt(
        tx, at.attempt.id, type(answer).__name__, answer.request_id
    )
    context = stand.context_of(env, row)
    step = op.leg(at.point).record(tx, context, at.state, answer)
    return stand.advance(tx, env, op, context, step, at.lease, at.lease)
