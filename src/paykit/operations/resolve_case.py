"""
Ending a case, by a person: look again, or decide.

A person's word alone never moves money. Who says that it was executed names an object
of the PSP, which is read and judged as any other evidence. Who says that it was not may
do so only when nothing can be sent with the key any more, and if nothing that the PSP
shows says otherwise. Should it have been executed all the same, the money is booked
where it is observed, and a break is opened (`paykit.operations.proofs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from paykit.engine import (
    Engine,
    Flow,
    Operation,
    ask,
    commit,
)
from paykit.engine.evidence import described
from paykit.engine.resolving import (
    Closing,
    Inspected,
    inspect,
    lock_payment,
    reopen,
    tell,
)
from paykit.engine.stand import heard_by_anyone
from paykit.errors import (
    InvalidRequest,
    NotAllowed,
    NotFound,
    PspUnavailable,
)
from paykit.operations import OPERATIONS
from paykit.operations.cases import (
    OperationId,
    OperationView,
    check_operation_id,
    show_operation,
)
from paykit.operations.commands import AccountId, Actor, Command, Text, build
from paykit.operations.doubts import end, resolving
from paykit.psp import (
    Answer,
    FindPayment,
    FindRefund,
    PaymentSnapshot,
    ReadPayment,
    ReadRefund,
    ReadRequest,
    RefundSnapshot,
    Rejected,
    Snapshot,
    Succeeded,
)
from paykit.store import operations
from paykit.store.operations import OperationRow
from paykit.store.tx import Tx

__all__ = [
    "Executed",
    "NotExecuted",
    "Verdict",
    "look_again",
    "resolve_case",
]

_BY_PERSON: Final = "resolved_by_person"


@dataclass(frozen=True, slots=True)
class Executed:
    """The PSP has acted: `psp_reference` is the payment or the refund that shows it."""

    psp_reference: str


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """The PSP has not acted, and will not: the operation fails for good."""


Verdict: TypeAlias = Executed | NotExecuted


class _Decision(Command, frozen=True):
    """A person's decision as it stands in the payment's history."""

    operation_id: OperationId
    actor: Actor
    reason: Text
    evidence: Text
    psp_reference: AccountId | None = None

    @property
    def cause(self) -> str:
        return f"person {self.actor}"

    def told(self, verdict: str, shown: object) -> dict[str, object]:
        """Return it for the history, with what the PSP has shown."""
        said = self.model_dump(exclude={"operation_id"}, exclude_none=True)
        return {**said, "verdict": verdict, "shown": shown}


class _Actor(Command, frozen=True):
    actor: Actor


# -- look again ------------------------------------------------------------------------


def look_again(engine: Engine, operation_id: str, *, actor: str) -> Flow[OperationView]:
    """
    Give a case back to the workers, with a fresh schedule.

    They read before they send, and past the write deadline they only read. Does nothing
    if the operation is no case any more.
    """
    who = build(_Actor, {"actor": actor}).actor
    id_ = check_operation_id(operation_id)
    yield from commit(partial(_reopen, id_, who))
    return (yield from commit(partial(show_operation, id_)))


def _reopen(operation_id: str, actor: str, tx: Tx) -> None:
    row = _row(tx, operation_id)
    lock_payment(tx, row)
    if reopen(tx, row):
        cause = f"person {actor}"
        tell(tx, row, "operation.case_reopened", {"actor": actor}, cause=cause)


def _row(tx: Tx, operation_id: str) -> OperationRow:
    row = operations.by_id(tx, operation_id)
    if row is None:
        raise NotFound(f"no operation {operation_id!r}")
    return row


# -- decide ----------------------------------------------------------------------------


def resolve_case(
    engine: Engine,
    operation_id: str,
    *,
    verdict: Verdict,
    actor: str,
    reason: str,
    evidence: str,
) -> Flow[OperationView]:
    """
    End a case as a person has decided; repeating the same decision changes nothing.

    Raises `InvalidRequest`, `NotFound`, `NotAllowed` if it is no case, if it is too
    early, or if the PSP shows otherwise, and `PspUnavailable` if it cannot be read.
    """
    if not isinstance(verdict, Executed | NotExecuted):
        raise InvalidRequest("verdict: Executed(...) or NotExecuted()", field="verdict")
    reference = verdict.psp_reference if isinstance(verdict, Executed) else None
    decision = build(
        _Decision,
        {
            "operation_id": operation_id,
            "actor": actor,
            "reason": reason,
            "evidence": evidence,
            "psp_reference": reference,
        },
    )
    row = yield from commit(partial(_row, operation_id=decision.operation_id))
    op = OPERATIONS[row.name]
    if row.status == "case":
        resolve = _not_executed if reference is None else _executed
        yield from resolve(engine, op, decision)
    return (yield from commit(partial(_resolved, decision)))


def _resolved(decision: _Decision, tx: Tx) -> OperationView:
    """Show the operation, if it ended as decided; by whom, its history tells."""
    row = _row(tx, decision.operation_id)
    given_up = (row.error or {}).get("code") == _BY_PERSON
    executed = decision.psp_reference is not None
    if row.status == "case":
        raise NotAllowed(f"operation {row.id} has gone on meanwhile; look at it again")
    if row.status == "open" or (row.status == "done") is not executed:
        raise NotAllowed(f"operation {row.id} is {row.status}, and no case")
    if not executed and not given_up:
        raise NotAllowed(f"operation {row.id} has failed by itself, and is no case")
    return show_operation(row.id, tx)


def _not_executed(
    engine: Engine, op: Operation[Any, Any], decision: _Decision
) -> Flow[None]:
    """Fail the operation; its leg gives back what it had claimed and reserved."""
    yield from commit(partial(_may_be_given_up, engine, decision.operation_id))
    found = yield from inspect(resolving(engine), op, decision.operation_id)
    if found is None:
        return
    shown = found.finding.answer
    if not found.finding.readable and not found.finding.refused:
        raise PspUnavailable(
            f"nobody can tell without reading; {decision.operation_id} stays a case"
        )
    if shown is not None and not isinstance(shown, Rejected):
        raise NotAllowed(
            f"the PSP shows that {decision.operation_id} was executed: let paykit look "
            "again, and it will be recorded"
        )
    message = "a person has found out that the PSP has not executed it"
    closing = Closing(
        answer=Rejected(code=_BY_PERSON, message=message),
        cause=decision.cause,
        told=decision.told(
            "not_executed", [one.stored() for one in found.finding.seen]
        ),
        decided=True,
        check=partial(_check_given_up, engine),
    )
    yield from end(engine, op, found, closing)


def _may_be_given_up(engine: Engine, operation_id: str, tx: Tx) -> None:
    _check_given_up(engine, tx, _row(tx, operation_id))


def _check_given_up(engine: Engine, tx: Tx, row: OperationRow) -> None:
    """Raise if something may still be sent, or if the PSP has said otherwise."""
    for attempt in operations.attempts_of(tx, row.id):
        if engine.env.world.now() < attempt.write_deadline:
            raise NotAllowed(
                f"operation {row.id}: a request may still be sent until "
                f"{attempt.write_deadline.isoformat()}; decide after that"
            )
        if attempt.proved_by is not None:
            raise NotAllowed(
                f"operation {row.id}: the PSP's event {attempt.proved_by} proves that "
                "it was executed"
            )
        if attempt.outcome is None and heard_by_anyone(tx, attempt) is not None:
            raise NotAllowed(
                f"operation {row.id}: the PSP has answered; let paykit look again"
            )


def _executed(
    engine: Engine, op: Operation[Any, Any], decision: _Decision
) -> Flow[None]:
    """Read what the person names, and record it if it is what was asked for."""
    found = yield from inspect(resolving(engine), op, decision.operation_id)
    if found is None:
        return
    leg = op.leg(found.at.point)
    request = leg.read(found.at.state)
    named = _named(request, decision.psp_reference or "")
    answer = found.finding.answer
    if named is not request:
        shown = yield from _read(engine, found, named)
        if not _is_ours(request, shown):
            raise NotAllowed(
                f"{decision.psp_reference} does not carry the metadata of operation "
                f"{decision.operation_id}: it is another payment or refund"
            )
        answer = leg.judge(found.at.state, shown)
    elif not found.finding.readable:
        raise PspUnavailable(f"{decision.psp_reference} cannot be read; try later")
    if answer is None or isinstance(answer, Rejected):
        raise NotAllowed(
            f"what the PSP shows of {decision.psp_reference} does not prove that "
            f"operation {decision.operation_id} was executed"
        )
    told = decision.told("executed", described(answer))
    closing = Closing(answer=answer, cause=decision.cause, told=told, decided=True)
    yield from end(engine, op, found, closing)


def _named(request: ReadRequest, reference: str) -> ReadRequest:
    """Return how to read what a person names, in place of looking for it."""
    match request:
        case FindPayment():
            return ReadPayment(payment=reference)
        case FindRefund():
            return ReadRefund(refund=reference)
        case ReadPayment(payment=known) if known == reference:
            return request
        case _:
            raise NotAllowed(f"the operation is not about {reference}")


def _is_ours(request: ReadRequest, shown: Snapshot) -> bool:
    """Whether the object carries what was looked for: else it may be anybody's."""
    wanted = request.metadata if isinstance(request, FindPayment | FindRefund) else {}
    if not isinstance(shown, PaymentSnapshot | RefundSnapshot):
        return False
    return bool(wanted) and wanted.items() <= shown.metadata.items()


def _read(engine: Engine, found: Inspected, request: ReadRequest) -> Flow[Snapshot]:
    binding, env = found.at.attempt.binding, resolving(engine)
    call = env.psps.for_binding(binding).prepare(request, None)
    answer: Answer = yield from ask(env, binding, call)
    if isinstance(answer, Succeeded):
        return answer.snapshot
    if isinstance(answer, Rejected):
        raise NotAllowed("the PSP knows no such payment or refund")
    raise PspUnavailable("the PSP could not be read; try later")
