"""Operations, their attempts at the PSP and the answers, as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from paykit.psp import Answer, Call
from paykit.psp.codec import decode_answer, encode_answer
from paykit.store.payments import insert_or_ignore
from paykit.store.schema.operations import attempt, operation, psp_answer
from paykit.store.tx import Tx

__all__ = [
    "AttemptRow",
    "OperationRow",
    "answers_to",
    "attempt_at",
    "by_id",
    "by_key",
    "cases",
    "change",
    "open_attempt",
    "open_operation",
    "settle_attempt",
    "store_answer",
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

    @property
    def call(self) -> Call:
        """The stored call: the same bytes under the same key, every time."""
        return Call(
            verb=self.verb,
            parameters=self.parameters,
            idempotency_key=self.psp_key,
        )


def _operation(row: Row[tuple[object, ...]]) -> OperationRow:
    return OperationRow(**row._mapping)


def open_operation(tx: Tx, values: Mapping[str, object]) -> bool:
    """Insert an operation; False if its id or its key was used before."""
    statement = insert_or_ignore(tx, operation).values(**values)
    made = tx.connection.execute(statement.returning(operation.c.id)).first()
    # Not rowcount: after an INSERT the driver need not keep it.
    return made is not None


def _find(tx: Tx, *conditions: ColumnElement[bool]) -> OperationRow | None:
    # Not locked: whoever changes an operation holds its row in ``paykit_work``.
    statement = select(operation).where(*conditions)
    row = tx.connection.execute(statement).one_or_none()
    return None if row is None else _operation(row)


def by_key(tx: Tx, merchant: str, idempotency_key: str) -> OperationRow | None:
    """Return the operation under a merchant's idempotency key."""
    return _find(
        tx,
        operation.c.merchant_id == merchant,
        operation.c.idempotency_key == idempotency_key,
    )


def by_id(tx: Tx, operation_id: str) -> OperationRow | None:
    """Return one operation, or None."""
    return _find(tx, operation.c.id == operation_id)


def cases(tx: Tx) -> int:
    """Return how many operations wait for a person."""
    statement = select(func.count()).where(operation.c.status == "case")
    return tx.connection.scalar(statement) or 0


def change(tx: Tx, operation_id: str, values: Mapping[str, object]) -> None:
    """Write where the operation stands now; the lease has been checked before."""
    statement = update(operation).where(operation.c.id == operation_id)
    tx.connection.execute(statement.values(**values))


def attempt_at(tx: Tx, operation_id: str, recovery_point: str) -> AttemptRow | None:
    """Return the latest attempt of the operation at this recovery point."""
    row = tx.connection.execute(
        select(attempt)
        .where(
            attempt.c.operation_id == operation_id,
            attempt.c.recovery_point == recovery_point,
        )
        .order_by(attempt.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else AttemptRow(**row._mapping)


def open_attempt(tx: Tx, values: Mapping[str, object]) -> AttemptRow:
    """Write an attempt down, before it is sent."""
    tx.connection.execute(insert(attempt), dict(values))
    return AttemptRow(**values)  # type: ignore[arg-type]


def settle_attempt(
    tx: Tx, attempt_id: str, outcome: str | None, request_id: str | None = None
) -> None:
    """Write the folded outcome of an attempt; None while nobody knows it."""
    statement = update(attempt).where(attempt.c.id == attempt_id)
    tx.connection.execute(statement.values(outcome=outcome, request_id=request_id))


def store_answer(tx: Tx, attempt_id: str, answer: Answer) -> None:
    """Keep what the PSP answered; needs no lease and can be refused by nothing."""
    kind, body = encode_answer(answer)
    tx.connection.execute(
        insert(psp_answer),
        {
            "id": tx.new_uuid(),
            "attempt_id": attempt_id,
            "kind": kind,
            "body": body,
            "request_id": answer.request_id,
            "replayed": answer.replayed,
            "received_at": tx.now,
        },
    )


def answers_to(tx: Tx, attempt_id: str) -> tuple[Answer, ...]:
    """Return everything that was heard of an attempt, oldest first."""
    rows = tx.connection.execute(
        select(psp_answer.c.kind, psp_answer.c.body)
        .where(psp_answer.c.attempt_id == attempt_id)
        .order_by(psp_answer.c.received_at, psp_answer.c.id)
    )
    return tuple(decode_answer(row.kind, row.body) for row in rows)
