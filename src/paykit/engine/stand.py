"""
Where an operation stands, read from its row and written back to it.

These are the parts of the engine's phases: each runs inside one open transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel

from paykit.clock import World
from paykit.engine.bindings import PspDirectory
from paykit.engine.gate import Gate
from paykit.engine.keys import fingerprint, psp_key
from paykit.engine.limiter import Priority
from paykit.engine.operation import Context, Done, Failed, Goto, Operation, Step
from paykit.engine.outcome import fold, is_definite
from paykit.engine.policy import Policy
from paykit.errors import (
    InProgress,
    LeaseLost,
    PaykitError,
    PspMisconfigured,
    PspRejected,
)
from paykit.psp import Answer, Conflict, Unknown
from paykit.queue import AnyPublisher
from paykit.store import operations, work
from paykit.store.operations import AttemptRow, OperationRow
from paykit.store.tx import Tx

__all__ = [
    "Ended",
    "Environment",
    "Standing",
    "Waiting",
    "Where",
    "advance",
    "context_of",
    "heard_by_anyone",
    "new_operation",
    "where",
]

C = TypeVar("C", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

_CASE = Unknown(reason="a person must look at this operation")

_ERRORS: dict[str, type[PspRejected | PspMisconfigured]] = {
    "PspRejected": PspRejected,
    "PspMisconfigured": PspMisconfigured,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What every phase of the engine needs to know."""

    psps: PspDirectory
    world: World
    policy: Policy
    installation: str
    publisher: AnyPublisher | None = None
    """Who takes events to the host's broker, if there is one."""
    gate: Gate = field(default_factory=Gate)
    """What every call to a PSP passes; one for the whole process."""
    priority: Priority = Priority.PAYER
    """For whom PSPs are asked; a worker has a copy with its own."""
    until: datetime | None = None
    """When the call that runs now stops sending; None if each question has its time."""

    counted: bool = False
    """Whether the claim of what runs now was counted as a look, as a worker's is; a
    caller's is not."""

    def deadline(self) -> datetime:
        """Return until when a question that is asked now may be sent."""
        patience = self.policy.patience(self.priority)
        return self.until or self.world.now() + patience

    def beginning(self) -> Environment:
        """Return this for one call that begins now: its questions share one time."""
        return replace(self, until=self.deadline())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing(Generic[R]):
    """At a recovery point, held by us, with an attempt that is written down."""

    operation_id: str
    lease: UUID
    point: str
    state: BaseModel
    attempt: AttemptRow
    answer: Answer | None
    """What earlier sends came to, if an answer was stored and not yet used."""
    maybe_executed: bool
    """Whether an earlier send of this attempt may have had an effect."""
    write_until: datetime
    """Until when the key may be written with, and somebody wants it executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Generic[R]):
    """Over: with a result, or with an error that every repetition raises."""

    operation_id: str
    binding: str
    result: R | None
    error: PaykitError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Resting until somebody looks again; `answer` is why."""

    operation_id: str
    answer: Answer | None
    retry_after_seconds: float


Where: TypeAlias = Standing[R] | Ended[R] | Waiting


def new_operation(
    tx: Tx,
    op: Operation[C, R],
    ctx: Context,
    command: C,
    key: str,
    phase_id: UUID,
) -> dict[str, object]:
    """Return the row of an operation that begins now."""
    return {
        "id": ctx.operation_id,
        "merchant_id": ctx.merchant,
        "idempotency_key": key,
        "name": op.name,
        "fingerprint": fingerprint(command),
        "command": command.model_dump(mode="json", exclude_unset=True),
        "binding": ctx.binding,
        "payment_id": getattr(command, "payment_id", None),
        "status": "open",
        "phase_id": phase_id,
        "execute_before": ctx.execute_before,
        "created_at": tx.now,
    }


def advance(
    tx: Tx,
    env: Environment,
    op: Operation[Any, R],
    ctx: Context,
    step: Step[R],
    lease: UUID,
    phase_id: UUID,
) -> Where[R]:
    """Write down where `step` leads."""
    if isinstance(step, Goto):
        state = step.state.model_dump(mode="json")
        operations.change(
            tx,
            ctx.operation_id,
            {
                "recovery_point": step.point.name,
                "recovery_state": state,
                "phase_id": phase_id,
            },
        )
        return _at(tx, env, op, ctx, step.point.name, step.state, lease)
    work.finish(tx, "operation", ctx.operation_id, lease)
    ending = {"phase_id": phase_id, "finished_at": tx.now}
    if isinstance(step, Failed):
        error = step.error
        stored = {"type": type(error).__name__, "message": str(error)}
        stored["code"] = getattr(error, "code", None) or ""
        ending |= {"status": "failed", "error": stored}
        operations.change(tx, ctx.operation_id, ending)
        return _ended(ctx, None, error)
    assert isinstance(step, Done)
    ending |= {"status": "done", "result": step.result.model_dump(mode="json")}
    operations.change(tx, ctx.operation_id, ending)
    return _ended(ctx, step.result, None)


def context_of(env: Environment, row: OperationRow) -> Context:
    """Return who runs the operation in `row`."""
    return Context(
        operation_id=row.id,
        merchant=row.merchant_id,
        binding=row.binding,
        policy=env.policy,
        execute_before=row.execute_before,
    )


def _ended(ctx: Context, result: R | None, error: PaykitError | None) -> Ended[R]:
    return Ended(
        operation_id=ctx.operation_id, binding=ctx.binding, result=result, error=error
    )


def where(
    tx: Tx,
    env: Environment,
    op: Operation[Any, R],
    row: OperationRow,
    lease: UUID,
    *,
    held: bool = False,
) -> Where[R]:
    """Find out where `row` stands, and claim it if it is open and nobody's.

    With `held` the lease is ours already. Raises `InProgress` if it is another's.
    """
    ctx = context_of(env, row)
    if row.status == "done":
        return _ended(ctx, op.gives.model_validate(row.result), None)
    if row.status == "failed":
        return _ended(ctx, None, _stored_error(row))
    if held:
        try:
            work.fence(tx, "operation", row.id, lease, env.policy.lease)
        except LeaseLost:
            return Waiting(operation_id=row.id, answer=None, retry_after_seconds=1.0)
    elif row.status == "case":
        return Waiting(operation_id=row.id, answer=_CASE, retry_after_seconds=86400.0)
    elif work.hold(tx, "operation", row.id, lease, env.policy.lease) is None:
        raise InProgress(
            "this idempotency key is being worked on; repeat the call later",
            retry_after_seconds=1.0,
        )
    # Read again: it may have advanced before the work became ours.
    row = operations.by_id(tx, row.id) or row
    point = op.leg(row.recovery_point or "").at
    state = point.knows.model_validate(row.recovery_state)
    return _at(tx, env, op, ctx, point.name, state, lease)


def _stored_error(row: OperationRow) -> PaykitError:
    stored = row.error or {}
    message = str(stored.get("message", ""))
    kind = _ERRORS[str(stored.get("type"))]
    if kind is PspRejected:
        return PspRejected(message, code=str(stored.get("code") or "") or None)
    return kind(message)


def _at(
    tx: Tx,
    env: Environment,
    op: Operation[Any, R],
    ctx: Context,
    point: str,
    state: BaseModel,
    lease: UUID,
) -> Standing[R]:
    """Stand at `point`, with an attempt written down before it can be sent."""
    attempt = operations.attempt_at(tx, ctx.operation_id, point)
    if attempt is None:
        attempt = _open_attempt(tx, env, op, ctx, point, state)
        answer, maybe_executed = None, False
    else:
        answer, maybe_executed = _heard_before(tx, attempt)
    until = attempt.write_deadline
    if ctx.execute_before is not None and _bound(op, point):
        until = min(until, ctx.execute_before)
    return Standing(
        operation_id=ctx.operation_id,
        lease=lease,
        point=point,
        state=state,
        attempt=attempt,
        answer=answer,
        maybe_executed=maybe_executed,
        write_until=until,
    )


def _bound(op: Operation[Any, R], point: str) -> bool:
    """Whether `execute_before` binds this point: a fence may be sent after it."""
    return op.leg(point).late is not None


def _heard_before(tx: Tx, attempt: AttemptRow) -> tuple[Answer | None, bool]:
    """Fold the answers that were stored; forget a "not sent" before sending again."""
    known_idle = attempt.outcome is not None and not _definite_name(attempt.outcome)
    if known_idle:
        operations.settle_attempt(tx, attempt.id, None)
        return None, False
    definite = heard_by_anyone(tx, attempt)
    if definite is not None:
        return definite, True
    heard = operations.answers_to(tx, attempt.id)
    conflict = [a for a in heard if isinstance(a, Conflict)]
    return (conflict[-1] if conflict else None), True


def heard_by_anyone(tx: Tx, attempt: AttemptRow) -> Answer | None:
    """Return the definite answer that was stored for `attempt`, if there is one."""
    heard = (fold(True, answer) for answer in operations.answers_to(tx, attempt.id))
    return next((answer for answer in heard if is_definite(answer)), None)


def _definite_name(outcome: str) -> bool:
    return outcome not in {"NotSent", "NotExecuted", "Misconfigured"}


def _open_attempt(
    tx: Tx,
    env: Environment,
    op: Operation[Any, R],
    ctx: Context,
    point: str,
    state: BaseModel,
) -> AttemptRow:
    key = psp_key(ctx.operation_id, point, 1)
    psp = env.psps.for_binding(ctx.binding)
    call = psp.prepare(op.leg(point).ask(state), key)
    window = min(
        env.policy.write_window, psp.capabilities.key_retention - timedelta(hours=1)
    )
    return operations.open_attempt(
        tx,
        {
            "id": key,
            "operation_id": ctx.operation_id,
            "recovery_point": point,
            "number": 1,
            "binding": ctx.binding,
            "verb": call.verb,
            "parameters": call.parameters,
            "psp_key": key,
            "first_sent_at": tx.now,
            "write_deadline": tx.now + window,
            "outcome": None,
            "request_id": None,
        },
    )
