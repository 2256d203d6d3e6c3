"""Reading and changing refunds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, insert, select, update

from paykit.errors import InProgress, NotFound
from paykit.lifecycle import RefundState
from paykit.store.schema.payments import refund
from paykit.store.tx import Tx

__all__ = ["RefundRow", "find", "insert_refund", "load", "of_payment", "peek", "save"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRow:
    """A refund as it is stored."""

    id: str
    merchant_id: str
    payment_id: str
    operation_id: str | None
    origin: str
    binding: str
    psp_reference: str | None
    state: RefundState
    amount: int
    currency: str
    reason: str | None
    failure_reason: str | None
    metadata: dict[str, str]
    version: int
    created_at: datetime
    updated_at: datetime


def _row(row: Row[tuple[object, ...]]) -> RefundRow:
    values = dict(row._mapping)
    values["state"] = RefundState(values["state"])
    return RefundRow(**values)


def load(tx: Tx, refund_id: str) -> RefundRow:
    """Return one refund; raises `NotFound`. Its payment's row should be locked."""
    found = peek(tx, refund_id)
    if found is None:
        raise NotFound(f"no refund {refund_id!r}")
    return found


def peek(tx: Tx, refund_id: str) -> RefundRow | None:
    """Return one refund, or None."""
    statement = select(refund).where(refund.c.id == refund_id)
    row = tx.connection.execute(statement).one_or_none()
    return None if row is None else _row(row)


def find(
    tx: Tx, *, binding: str, psp_reference: str, refund_id: str | None
) -> RefundRow | None:
    """Find a refund by the PSP's id, or else by ours from its metadata."""
    statement = select(refund).where(
        refund.c.binding == binding, refund.c.psp_reference == psp_reference
    )
    row = tx.connection.execute(statement).one_or_none()
    if row is not None:
        return _row(row)
    found = None if refund_id is None else peek(tx, refund_id)
    if found is None or found.binding != binding:
        return None
    # One row is one object: another one with our id is money that left a second time.
    return found if found.psp_reference in (None, psp_reference) else None


def insert_refund(tx: Tx, values: Mapping[str, object]) -> RefundRow:
    """Insert a refund in its first state, unless it is there already."""
    id_ = str(values["id"])
    existing = peek(tx, id_)
    if existing is not None:
        return existing
    tx.connection.execute(insert(refund), dict(values))
    return load(tx, id_)


def save(tx: Tx, row: RefundRow, changes: Mapping[str, object]) -> RefundRow:
    """Write `changes` in one step of the version; raises `InProgress` if stale."""
    values = {**changes, "version": row.version + 1, "updated_at": tx.now}
    statement = (
        update(refund)
        .where(refund.c.id == row.id, refund.c.version == row.version)
        .values(**values)
    )
    if tx.connection.execute(statement).rowcount != 1:
        raise InProgress(f"refund {row.id} was changed meanwhile; repeat the call")
    return load(tx, row.id)


def of_payment(tx: Tx, payment_id: str) -> tuple[RefundRow, ...]:
    """Return the refunds of a payment, oldest first."""
    statement = select(refund).where(refund.c.payment_id == payment_id)
    rows = tx.connection.execute(statement.order_by(refund.c.created_at, refund.c.id))
    return tuple(_row(row) for row in rows)
