"""The cases that are open: what waits for a person, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select

from paykit.store.schema.cases import case
from paykit.store.tx import Tx, Write, many

__all__ = ["CaseRow", "close_case", "count", "of_operation", "open_case", "page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """An operation that waits for a person."""

    id: UUID
    operation_id: str
    merchant_id: str
    payment_id: str | None
    name: str
    why: str
    seen: list[dict[str, object]]
    opened_at: datetime


_OPEN: Final = Write(case, 44, many(insert(case)))
_CLOSE: Final = delete(case).where(case.c.operation_id == bindparam("at_id"))
_ONE: Final = select(case).where(case.c.operation_id == bindparam("at_id"))


def open_case(tx: Tx, values: Mapping[str, object]) -> None:
    """Open a case for an operation that has none."""
    row = {"id": tx.new_uuid(), "opened_at": tx.now, **values}
    tx.later(_OPEN, row)


def close_case(tx: Tx, operation_id: str) -> bool:
    """Close the operation's case; False if somebody else has, or if there is none.

    Whoever it is true for goes on with the operation, and nobody else. The payment's
    row is locked first by everybody who needs both.
    """
    return tx.on(case).execute(_CLOSE, {"at_id": operation_id}).rowcount == 1


def of_operation(tx: Tx, operation_id: str) -> CaseRow | None:
    """Return the operation's case while it is open."""
    row = tx.on(case).execute(_ONE, {"at_id": operation_id}).one_or_none()
    return None if row is None else CaseRow(**row._mapping)


def page(tx: Tx, *, limit: int, after: UUID | None) -> Sequence[CaseRow]:
    """Return up to `limit` cases, oldest first, those after the id `after`."""
    statement = select(case).order_by(case.c.id).limit(limit)
    if after is not None:
        statement = statement.where(case.c.id > after)
    return [CaseRow(**row._mapping) for row in tx.on(case).execute(statement)]


def count(tx: Tx) -> int:
    """Return how many operations wait for a person."""
    return tx.on(case).scalar(select(func.count()).select_from(case)) or 0
