"""Operations, their attempts at the PSP and the answers, as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.sql.selectable import TypedReturnsRows

from paykit.psp import Answer, Call
from paykit.psp.codec import decode_answer, encode_answer
from paykit.store.ignoring import insert_or_ignore
from paykit.store.schema.operations import attempt, operation, psp_answer
from paykit.store.tx import Params, Tx, Write, many

__all__ = [
    "AnswerRow",
    "AttemptRow",
    "OperationRow",
    "answers_to",
    "attempt_at",
    "attempts_of",
    "by_id",
    "by_key",
    "change",
    "heard",
    "open_attempt",
    "open_operation",
    "prove_attempt",
    "settle_attempt",
    "store_answer",
    "with_key",
    "withdraw",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One use of one idempotency key."""

    id: str
    merchant_id: str
    idempotency_key: str
    name: str
    fingerprint: str
    command: dict[str, object]
    binding: str
    payment_id: str | None
    status: str
    """``open``, ``done``, ``failed`` or ``case`` (a person must look at it)."""
    recovery_point: str | None
    recovery_state: dict[str, object] | None
    result: dict[str, object] | None
    error: dict[str, object] | None
    phase_id: UUID
    execute_before: datetime | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One call to the PSP, as it was and will be sent."""

    id: str
    operation_id: str
    recovery_point: str
    number: int
    binding: str
    verb: str
    parameters: str
    psp_key: str
    first_sent_at: datetime
    write_deadline: datetime
    outcome: str | None
    request_id: str | None
    proved_by: str | None = None
    """The PSP's event that proves that it was executed."""

    @property
    def call(self) -> Call:
        """The stored call: the same bytes under the same key, every time."""
        return Call(
            verb=self.verb,
            parameters=self.parameters,
            idempotency_key=self.psp_key,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """Something that was heard of an attempt, and when."""

    answer: Answer
    received_at: datetime


_REQUEST_ID: Final = 255
"""How much is kept of a PSP's id of a request; the whole stands in the answer."""

_CLAIM_KEY: Final = {
    dialect: insert.returning(operation.c.id)
    for dialect, insert in insert_or_ignore(operation).items()
}
_BY_KEY: Final = select(operation).where(
    operation.c.merchant_id == bindparam("merchant"),
    operation.c.idempotency_key == bindparam("key"),
)
_BY_ID: Final = select(operation).where(operation.c.id == bindparam("at_id"))
_ATTEMPT: Final = (
    select(attempt)
    .where(
        attempt.c.operation_id == bindparam("at_id"),
        attempt.c.recovery_point == bindparam("point"),
    )
    .order_by(attempt.c.number.desc())
    .limit(1)
)
_ATTEMPTS: Final = (
    select(attempt)
    .where(attempt.c.operation_id == bindparam("at_id"))
    .order_by(attempt.c.first_sent_at, attempt.c.id)
)
_WITH_KEY: Final = select(attempt).where(
    attempt.c.psp_key.in_(bindparam("keys", expanding=True))
)
_PROVE: Final = (
    update(attempt)
    .where(attempt.c.id == bindparam("at_id"), attempt.c.proved_by.is_(None))
    .values(proved_by=bindparam("event"))
)
_ANSWERS: Final = (
    select(psp_answer.c.kind, psp_answer.c.body, psp_answer.c.received_at)
    .where(psp_answer.c.attempt_id == bindparam("at_id"))
    .order_by(psp_answer.c.received_at, psp_answer.c.id)
)
_CHANGE_ROW: Final = update(operation).where(operation.c.id == bindparam("at_id"))
_OPEN_ATTEMPT: Final = Write(attempt, 6, many(insert(attempt)))
_SETTLE: Final = Write(
    attempt, 7, many(update(attempt).where(attempt.c.id == bindparam("at_id")))
)
_STORE_ANSWER: Final = Write(psp_answer, 8, many(insert(psp_answer)))


def _change_each(connection: Connection, rows: Sequence[Params]) -> None:
    """Change each row by itself: they need not have the same columns."""
    for row in rows:
        connection.execute(_CHANGE_ROW, dict(row))


_CHANGE: Final = Write(operation, 5, _change_each)


def _operation(row: Row[tuple[object, ...]]) -> OperationRow:
    return OperationRow(**row._mapping)


def open_operation(tx: Tx, values: Mapping[str, object]) -> bool:
    """Insert an operation; False if its id or its key was used before."""
    connection = tx.on(operation)
    statement = _CLAIM_KEY[connection.dialect.name]
    # Not rowcount: after an INSERT the driver need not keep it.
    return connection.execute(statement, dict(values)).first() is not None


def _find(
    tx: Tx, statement: TypedReturnsRows[tuple[object, ...]], given: Mapping[str, object]
) -> OperationRow | None:
    # Not locked: whoever changes an operation holds its row in ``paykit_work``.
    row = tx.on(operation).execute(statement, dict(given)).one_or_none()
    return None if row is None else _operation(row)


def by_key(tx: Tx, merchant: str, idempotency_key: str) -> OperationRow | None:
    """Return the operation under a merchant's idempotency key."""
    return _find(tx, _BY_KEY, {"merchant": merchant, "key": idempotency_key})


def by_id(tx: Tx, operation_id: str) -> OperationRow | None:
    """Return one operation, or None."""
    return _find(tx, _BY_ID, {"at_id": operation_id})


def change(tx: Tx, operation_id: str, values: Mapping[str, object]) -> None:
    """Write where the operation stands now; the lease has been checked before."""
    tx.later(_CHANGE, {"at_id": operation_id, **values})


def withdraw(tx: Tx, operation_id: str) -> None:
    """
    Let nothing more of an operation be sent, whoever works on it.

    It needs no lease: it only says sooner than planned that nobody is waiting any more.
    Its payment's row is locked.
    """
    tx.later(_CHANGE, {"at_id": operation_id, "execute_before": tx.now})


def attempt_at(tx: Tx, operation_id: str, recovery_point: str) -> AttemptRow | None:
    """Return the latest attempt of the operation at this recovery point."""
    given = {"at_id": operation_id, "point": recovery_point}
    row = tx.on(attempt).execute(_ATTEMPT, given).one_or_none()
    return None if row is None else AttemptRow(**row._mapping)


def open_attempt(tx: Tx, values: Mapping[str, object]) -> AttemptRow:
    """Write an attempt down, before it is sent."""
    tx.later(_OPEN_ATTEMPT, values)
    return AttemptRow(**values)  # type: ignore[arg-type]


def settle_attempt(
    tx: Tx, attempt_id: str, outcome: str | None, request_id: str | None = None
) -> None:
    """Write the folded outcome of an attempt; None while nobody knows it."""
    given = request_id and request_id[:_REQUEST_ID]
    tx.later(_SETTLE, {"at_id": attempt_id, "outcome": outcome, "request_id": given})


def store_answer(tx: Tx, attempt_id: str, answer: Answer) -> None:
    """Keep what the PSP answered; needs no lease and can be refused by nothing."""
    kind, body = encode_answer(answer)
    row = {
        "id": tx.new_uuid(),
        "attempt_id": attempt_id,
        "kind": kind,
        "body": body,
        "request_id": answer.request_id and answer.request_id[:_REQUEST_ID],
        "replayed": answer.replayed,
        "received_at": tx.now,
    }
    tx.later(_STORE_ANSWER, row)


def answers_to(tx: Tx, attempt_id: str) -> tuple[Answer, ...]:
    """Return everything that was heard of an attempt, oldest first."""
    return tuple(row.answer for row in heard(tx, attempt_id))


def heard(tx: Tx, attempt_id: str) -> tuple[AnswerRow, ...]:
    """Return everything that was heard of an attempt, and when, oldest first."""
    rows = tx.on(psp_answer).execute(_ANSWERS, {"at_id": attempt_id})
    return tuple(
        AnswerRow(answer=decode_answer(row.kind, row.body), received_at=row.received_at)
        for row in rows
    )


def attempts_of(tx: Tx, operation_id: str) -> tuple[AttemptRow, ...]:
    """Return every attempt of the operation, in the order in which they began."""
    rows = tx.on(attempt).execute(_ATTEMPTS, {"at_id": operation_id})
    return tuple(AttemptRow(**row._mapping) for row in rows)


def with_key(tx: Tx, psp_keys: Iterable[str]) -> tuple[AttemptRow, ...]:
    """Return the attempts that were sent under these keys."""
    rows = tx.on(attempt).execute(_WITH_KEY, {"keys": sorted(psp_keys)})
    return tuple(AttemptRow(**row._mapping) for row in rows)


def prove_attempt(tx: Tx, attempt_id: str, event_id: str) -> bool:
    """Note the first event that proves that it was executed; False if there is one."""
    given = {"at_id": attempt_id, "event": event_id}
    return tx.on(attempt).execute(_PROVE, given).rowcount == 1
