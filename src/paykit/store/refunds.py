"""Reading and changing refunds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Row, bindparam, insert, select, update

from paykit.errors import InProgress, NotFound
from paykit.lifecycle import RefundState
from paykit.store import clocks
from paykit.store.schema.payments import refund
from paykit.store.tx import Params, Tx, Write, many

__all__ = [
    "RefundRow",
    "find",
    "insert_refund",
    "load",
    "look_up_all",
    "of_payment",
    "peek",
    "save",
]


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


def _stale(rows: Sequence[Params]) -> InProgress:
    ids = ", ".join(str(row["at_id"]) for row in rows)
    return InProgress(f"refund {ids} was changed meanwhile; repeat the call")


_CHANGING: Final = (
    "psp_reference",
    "state",
    "reason",
    "failure_reason",
    "metadata",
    "version",
    "updated_at",
)
_FRESH: Final = dict.fromkeys(
    ("operation_id", "psp_reference", "reason", "failure_reason")
)
_LOAD: Final = select(refund).where(refund.c.id == bindparam("refund_id"))
_BY_REFERENCE: Final = select(refund).where(
    refund.c.binding == bindparam("binding"),
    refund.c.psp_reference == bindparam("reference"),
)
_ALL: Final = select(refund).where(
    refund.c.id.in_(bindparam("ids", expanding=True))
    | (
        refund.c.binding.in_(bindparam("bindings", expanding=True))
        & refund.c.psp_reference.in_(bindparam("references", expanding=True))
    )
)
_OF_PAYMENT: Final = (
    select(refund)
    .where(refund.c.payment_id == bindparam("at_payment"))
    .order_by(refund.c.created_at, refund.c.id)
)
_INSERT: Final = Write(refund, 20, many(insert(refund)))
_SAVE: Final = Write(
    refund,
    21,
    many(
        update(refund).where(
            refund.c.id == bindparam("at_id"),
            refund.c.version == bindparam("at_version"),
        ),
        stale=_stale,
    ),
)
_REFERENCES: Final = f"{refund.name} by reference"
_PSP_ID: Final = "{}/{}"


def _row(row: Row[tuple[object, ...]]) -> RefundRow:
    values = dict(row._mapping)
    values["state"] = RefundState(values["state"])
    return RefundRow(**values)


def _keep(tx: Tx, row: RefundRow) -> RefundRow:
    """Remember a row whose payment we have locked, as it is now."""
    tx.rows[refund.name, row.id] = row
    if row.psp_reference is not None:
        tx.rows[_REFERENCES, _PSP_ID.format(row.binding, row.psp_reference)] = row.id
    return row


def load(tx: Tx, refund_id: str) -> RefundRow:
    """Return one refund; raises `NotFound`. Its payment's row should be locked."""
    found = peek(tx, refund_id)
    if found is None:
        raise NotFound(f"no refund {refund_id!r}")
    return found


def peek(tx: Tx, refund_id: str) -> RefundRow | None:
    """Return one refund, or None."""
    key = (refund.name, refund_id)
    if key in tx.rows:
        return cast("RefundRow | None", tx.rows[key])
    row = tx.on(refund).execute(_LOAD, {"refund_id": refund_id}).one_or_none()
    return None if row is None else _row(row)


def _by_reference(tx: Tx, binding: str, reference: str) -> RefundRow | None:
    key = (_REFERENCES, _PSP_ID.format(binding, reference))
    if key in tx.rows:
        id_ = tx.rows[key]
        return None if id_ is None else peek(tx, str(id_))
    given = {"binding": binding, "reference": reference}
    row = tx.on(refund).execute(_BY_REFERENCE, given).one_or_none()
    return None if row is None else _row(row)


def look_up_all(tx: Tx, wanted: Iterable[tuple[str, str, str | None]]) -> None:
    """
    Read what `find` will be asked for with one query; nothing is read if it is nothing.

    `wanted` are (binding, the PSP's id, ours); what is not there is remembered too.
    Their payments must be locked, so that nobody else changes them meanwhile.
    """
    wanted = list(wanted)
    if not wanted:
        return
    ids = {ours for _, _, ours in wanted if ours is not None}
    keys = (_PSP_ID.format(binding, theirs) for binding, theirs, _ in wanted)
    tx.rows.update(dict.fromkeys(((refund.name, id_) for id_ in ids), None))
    tx.rows.update(dict.fromkeys(((_REFERENCES, key) for key in keys), None))
    given = {
        "ids": sorted(ids),
        "bindings": sorted({binding for binding, _, _ in wanted}),
        "references": sorted({theirs for _, theirs, _ in wanted}),
    }
    for row in tx.on(refund).execute(_ALL, given):
        _keep(tx, _row(row))


def find(
    tx: Tx, *, binding: str, psp_reference: str, refund_id: str | None
) -> RefundRow | None:
    """Find a refund by the PSP's id, or else by ours from its metadata."""
    row = _by_reference(tx, binding, psp_reference)
    if row is not None:
        return row
    found = None if refund_id is None else peek(tx, refund_id)
    if found is None or found.binding != binding:
        return None
    # One row is one object: another one with our id is money that left a second time.
    return found if found.psp_reference in (None, psp_reference) else None


def insert_refund(tx: Tx, values: Mapping[str, object]) -> RefundRow:
    """Insert a refund in its first state, unless it is there already."""
    existing = peek(tx, str(values["id"]))
    if existing is not None:
        return existing
    row = {**_FRESH, "version": 1, **values}
    tx.later(_INSERT, row)
    given = cast("dict[str, Any]", {**row, "state": RefundState(str(row["state"]))})
    return _keep(tx, RefundRow(**given))


def save(tx: Tx, row: RefundRow, changes: Mapping[str, object]) -> RefundRow:
    """
    Write `changes` in one step of the version.

    `InProgress` is raised, at the end of the phase, if `row` is stale.
    """
    values = cast("dict[str, Any]", dict(changes))
    values["state"] = RefundState(values.get("state", row.state))
    after = replace(row, **values, version=row.version + 1, updated_at=tx.now)
    written = {name: getattr(after, name) for name in _CHANGING}
    written |= {"state": after.state.value, "at_id": row.id, "at_version": row.version}
    tx.later(_SAVE, written)
    clocks.follow(tx, row.id, row.state, after.state)
    return _keep(tx, after)


def of_payment(tx: Tx, payment_id: str) -> tuple[RefundRow, ...]:
    """Return the refunds of a payment, oldest first."""
    rows = tx.on(refund).execute(_OF_PAYMENT, {"at_payment": payment_id})
    return tuple(_row(row) for row in rows)
