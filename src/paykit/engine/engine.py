"""
The engine: the only control flow in paykit that spans transactions.

``execute`` runs an operation for a caller, ``resume`` brings an abandoned one to its
end. Both are generators that yield effects (see `effects`). The order is always: write
the attempt and commit; ask; record what was heard and commit. The claim of the key
shares its transaction with the first phase, so one PSP call costs two commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError

from paykit.engine import stand
from paykit.engine.asking import ask
from paykit.engine.effects import Flow, commit
from paykit.engine.hearing import Heard, hear
from paykit.engine.keys import fingerprint, operation_id
from paykit.engine.limiter import Priority
from paykit.engine.operation import Context, Operation
from paykit.engine.outcome import is_definite, is_no_effect
from paykit.engine.resolving import lock_payment, wait
from paykit.engine.stand import Ended, Environment, Standing, Waiting
from paykit.errors import (
    IdempotencyKeyReused,
    InProgress,
    LeaseLost,
    NotAvailable,
    OutcomeUnknown,
    PaykitError,
    PspMisconfigured,
    PspUnavailable,
    UsageError,
)
from paykit.psp import (
    Answer,
    AnyPsp,
    Misconfigured,
    NotExecuted,
    NotSent,
    Rejected,
    Unknown,
    binding_of,
)
from paykit.psp.codec import client_secret_of
from paykit.store import operations, work
from paykit.store.tx import Tx

__all__ = ["Engine"]

C = TypeVar("C", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

_LATE = Rejected(
    code="execute_before_passed",
    message="the PSP was not asked in time, and nobody is waiting any more",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Runs operations; shared by all drivers and free of I/O."""

    env: Environment

    def execute(
        self, op: Operation[C, R], command: C, *, key: str, merchant: str
    ) -> Flow[R]:
        """Run `op` once for `key`, go on with it, or repeat its result."""
        call = replace(self, env=self.env.beginning())
        lease = self.env.world.new_uuid()
        where = yield from commit(
            lambda tx: self.begin(tx, op, command, key, merchant, lease)
        )
        return (yield from call._finish(op, where))

    def resume(
        self,
        op: Operation[Any, R],
        operation: str,
        lease: UUID,
        *,
        counted: bool = False,
    ) -> Flow[R]:
        """
        Go on with an operation whose work is held under `lease`.

        `counted` tells whether the claim was counted as one look of its schedule.
        """
        resolving = replace(self.env, priority=Priority.RESOLVE, counted=counted)
        call = replace(self, env=resolving.beginning())
        where = yield from commit(partial(self._reopen, op, operation, lease))
        return (yield from call._finish(op, where))

    def take_over(self, op: Operation[Any, R], operation: str) -> Flow[R]:
        """Claim one operation and bring it to its end, for a caller who knows it."""
        call = replace(self, env=self.env.beginning())
        lease = self.env.world.new_uuid()
        where = yield from commit(partial(self._claim, op, operation, lease))
        return (yield from call._finish(op, where))

    # -- phases: each runs inside one transaction ---------------------------------

    def begin(
        self,
        tx: Tx,
        op: Operation[C, R],
        command: C,
        key: str,
        merchant: str,
        lease: UUID,
    ) -> stand.Where[R]:
        """Claim the key and run the first phase, or find out where it stands."""
        psp = self.env.psps.for_merchant(merchant)
        id_ = operation_id(self.env.installation, merchant, op.name, key)
        within = op.execute_within
        ctx = Context(
            operation_id=id_,
            merchant=merchant,
            binding=binding_of(psp),
            policy=self.env.policy,
            execute_before=None if within is None else tx.now + within,
        )
        row = stand.new_operation(tx, op, ctx, command, key, lease)
        if operations.open_operation(tx, row):
            _refuse_what_is_lacking(op, command, psp)
            work.put(tx, "operation", id_, delay=self.env.policy.lease, lease=lease)
            step = op.start(tx, ctx, command)
            return stand.advance(tx, self.env, op, ctx, step, lease, lease)
        found = operations.by_key(tx, merchant, key)
        if found is None or found.name != op.name:
            raise IdempotencyKeyReused(_reused(key, "another operation"))
        if found.fingerprint != fingerprint(command):
            raise IdempotencyKeyReused(_reused(key, "other parameters"))
        return stand.where(tx, self.env, op, found, lease)

    def _claim(
        self, op: Operation[Any, R], operation: str, lease: UUID, tx: Tx
    ) -> stand.Where[R]:
        row = operations.by_id(tx, operation)
        if row is None or row.name != op.name:
            raise LookupError(f"no {op.name} with the id {operation}")
        return stand.where(tx, self.env, op, row, lease)

    def _reopen(
        self, op: Operation[Any, R], operation: str, lease: UUID, tx: Tx
    ) -> stand.Where[R]:
        row = operations.by_id(tx, operation)
        if row is None:
            raise LookupError(f"no operation {operation}")
        return stand.where(tx, self.env, op, row, lease, held=True)

    def _record(
        self,
        op: Operation[Any, R],
        at: Standing[R],
        heard: Heard,
        phase_id: UUID,
        tx: Tx,
    ) -> stand.Where[R] | None:
        """Keep every answer, and advance if the lease still holds; None if not."""
        # Before anything is read: our own COMMIT may still be on its way, and the
        # fence waits for it.
        holds = self._holds(tx, at)
        row = operations.by_id(tx, at.operation_id)
        if row is None:
            raise LookupError(f"operation {at.operation_id} has been deleted")
        if row.phase_id == phase_id:
            # This very phase was committed, and only the reply was lost.
            return stand.where(tx, self.env, op, row, at.lease, held=True)
        _keep(at.attempt.id, heard.sent, tx)
        if not holds:
            return None
        return self._advance(tx, op, at, row, heard, phase_id)

    def _holds(self, tx: Tx, at: Standing[R]) -> bool:
        lease = self.env.policy.lease
        try:
            work.fence(tx, "operation", at.operation_id, at.lease, lease)
        except LeaseLost:
            return False
        return True

    def _advance(
        self,
        tx: Tx,
        op: Operation[Any, R],
        at: Standing[R],
        row: operations.OperationRow,
        heard: Heard,
        phase_id: UUID,
    ) -> stand.Where[R]:
        leg = op.leg(at.point)
        answer = heard.answer
        ctx = stand.context_of(self.env, row)
        if not is_definite(answer):
            # Somebody who lost the lease may have heard it (DESIGN law 2), or an event
            # may tell it: whoever applies one holds the payment until it is committed.
            lock_payment(tx, row)
            answer = stand.heard_by_anyone(tx, at.attempt) or answer
        late = row.execute_before is not None and tx.now >= row.execute_before
        # Only where nothing was sent before: a fence that was not sent fences nothing.
        if late and leg.late is not None and is_no_effect(answer):
            answer = _LATE
        operations.settle_attempt(
            tx, at.attempt.id, _outcome(answer), answer.request_id
        )
        if is_definite(answer):
            step = leg.record(tx, ctx, at.state, answer)
            return stand.advance(tx, self.env, op, ctx, step, at.lease, phase_id)
        if late and leg.late is not None:
            step = leg.late(at.state)
            return stand.advance(tx, self.env, op, ctx, step, at.lease, phase_id)
        if leg is not op.legs[0] and is_no_effect(answer):
            answer = Unknown(reason=f"an earlier step was begun; now: {answer.reason}")
        seen, held_back = heard.seen, heard.held_back
        return wait(
            tx, self.env, row, at.lease, answer, phase_id, seen, held_back=held_back
        )

    # -- flows: control across transactions ---------------------------------------

    def _finish(self, op: Operation[Any, R], where: stand.Where[R]) -> Flow[R]:
        secret: str | None = None
        asked = False
        while isinstance(where, Standing):
            leg = op.leg(where.point)
            heard = yield from hear(self.env, leg, where)
            asked = asked or heard.asked
            heard = replace(heard, held_back=heard.held_back and not asked)
            secret = client_secret_of(heard.answer) or secret
            phase = partial(self._record, op, where, heard, self.env.world.new_uuid())
            try:
                moved = yield from commit(phase)
            except Exception as error:
                yield from _keep_answers(where, heard, error)
                raise
            if moved is None:
                raise LeaseLost(
                    f"operation {where.operation_id}: another worker took over; the "
                    "answer is kept, repeat the call with the same key"
                )
            where = moved
        return (yield from self._conclude(op, where, secret))

    def _conclude(
        self, op: Operation[Any, R], where: Ended[R] | Waiting, secret: str | None
    ) -> Flow[R]:
        match where:
            case Waiting():
                raise _waiting(where)
            case Ended(result=None, error=error):
                raise error or AssertionError("an operation ended with nothing")
            case Ended(result=result):
                assert result is not None
                return (yield from self._reveal(op, result, where.binding, secret))

    def _reveal(
        self, op: Operation[Any, R], result: R, binding: str, secret: str | None
    ) -> Flow[R]:
        """Add the client secret, which is never stored, to what is returned."""
        if op.reveal is None or op.secret_of is None:
            return result
        request = op.secret_of(result)
        if secret is None and request is not None and self._speaks_for(binding):
            call = self.env.psps.for_binding(binding).prepare(request, None)
            secret = client_secret_of((yield from ask(self.env, binding, call)))
        return op.reveal(result, secret)

    def _speaks_for(self, binding: str) -> bool:
        """Whether there is an adapter: what is stored stays true without one."""
        try:
            self.env.psps.for_binding(binding)
        except (LookupError, UsageError):
            return False
        return True


def _keep_answers(at: Standing[Any], heard: Heard, error: Exception) -> Flow[None]:
    """Keep what the PSP has said although it could not be recorded (DESIGN law 2)."""
    if isinstance(error, OperationalError | InterfaceError):
        return  # the database is not there, and would not keep it either
    if heard.sent:
        yield from commit(partial(_keep, at.attempt.id, heard.sent))


def _keep(attempt_id: str, sent: Sequence[Answer], tx: Tx) -> None:
    for one in sent:
        operations.store_answer(tx, attempt_id, one)


def _refuse_what_is_lacking(op: Operation[C, Any], command: C, psp: AnyPsp) -> None:
    """Raise `NotAvailable` before anything is sent; the key is then free again."""
    lacking = None if op.lacks is None else op.lacks(command, psp.capabilities)
    if lacking is not None:
        raise NotAvailable(f"{psp.provider} offers no {lacking}")


def _outcome(answer: Answer) -> str | None:
    """Return what stands in the attempt: NULL for as long as nobody knows."""
    known = is_definite(answer) or is_no_effect(answer)
    return type(answer).__name__ if known else None


def _hint(answer: Answer) -> float | None:
    """Return after how many seconds a new call may have a chance, if anybody said."""
    if isinstance(answer, NotSent | NotExecuted):
        return answer.retry_after_seconds
    return None


def _reused(key: str, what: str) -> str:
    return (
        f"the idempotency key {key[:8]!r}… was used before with {what}; "
        "use a new key for a new command"
    )


def _waiting(where: Waiting) -> PaykitError:
    after = where.retry_after_seconds
    match where.answer:
        case Misconfigured(reason=reason):
            return PspMisconfigured(f"the PSP refuses our credentials: {reason}")
        case answer if answer is not None and is_no_effect(answer):
            return PspUnavailable(
                f"nothing was executed ({answer.reason}); repeat the call with the "
                "same key",
                retry_after_seconds=_hint(answer) or after,
            )
        case None:
            return InProgress(
                "this idempotency key is being worked on; repeat the call later",
                retry_after_seconds=after,
            )
        case answer:
            return OutcomeUnknown(
                f"{where.operation_id}: the PSP may have acted "
                f"({getattr(answer, 'reason', type(answer).__name__)}); paykit will "
                "find out, do not start another payment",
                operation_id=where.operation_id,
            )
