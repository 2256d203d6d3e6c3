"""Reading and changing disputes. The row of their payment is locked first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, bindparam, insert, select, update

from paykit.errors import InProgress
from paykit.lifecycle import DisputeState
from paykit.store.schema.disputes import dispute
from paykit.store.tx import Tx

__all__ = ["DisputeRow", "find", "insert_dispute", "of_payment", "save"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRow:
    """A dispute as it is stored; see `paykit.store.schema.disputes`."""

    id: str
    merchant_id: str
    payment_id: str
    binding: str
    psp_reference: str
    charge_reference: str | None
    state: DisputeState
    raw_status: str
    reason: str | None
    amount: int
    currency: str
    evidence_due_by: datetime | None
    submissions: int
    charge_refundable: bool
    movements: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime


_by_reference = select(dispute).where(
    dispute.c.binding == bindparam("binding"),
    dispute.c.psp_reference == bindparam("psp_reference"),
)
_of_payment = (
    select(dispute)
    .where(dispute.c.payment_id == bindparam("payment_id"))
    .order_by(dispute.c.created_at, dispute.c.id)
)


def _row(row: Row[tuple[object, ...]]) -> DisputeRow:
    values = dict(row._mapping)
    values["state"] = DisputeState(values["state"])
    values["movements"] = tuple(values["movements"])
    return DisputeRow(**values)


def find(tx: Tx, *, binding: str, psp_reference: str) -> DisputeRow | None:
    """Return the dispute with this id at the PSP, or None."""
    key = {"binding": binding, "psp_reference": psp_reference}
    row = tx.connection.execute(_by_reference, key).one_or_none()
    return None if row is None else _row(row)


def insert_dispute(tx: Tx, values: Mapping[str, object]) -> DisputeRow:
    """Insert a dispute in its first state."""
    tx.connection.execute(insert(dispute), dict(values))
    return _load(tx, str(values["id"]))


def save(tx: Tx, row: DisputeRow, changes: Mapping[str, object]) -> DisputeRow:
    """Write `changes` in one step of the version; raises `InProgress` if stale."""
    values = {**changes, "version": row.version + 1, "updated_at": tx.now}
    statement = (
        update(dispute)
        .where(dispute.c.id == row.id, dispute.c.version == row.version)
        .values(**values)
    )
    if tx.connection.execute(statement).rowcount != 1:
        raise InProgress(f"dispute {row.id} was changed meanwhile; repeat the call")
    return _load(tx, row.id)


def of_payment(tx: Tx, payment_id: str) -> tuple[DisputeRow, ...]:
    """Return the disputes of a payment, oldest first."""
    rows = tx.connection.execute(_of_payment, {"payment_id": payment_id})
    return tuple(_row(row) for row in rows)


def _load(tx: Tx, dispute_id: str) -> DisputeRow:
    statement = select(dispute).where(dispute.c.id == dispute_id)
    return _row(tx.connection.execute(statement).one())
