"""Reading and changing payments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    Row,
    bindparam,
    insert,
    select,
    update,
)

from paykit.errors import InProgress, NotFound, RefundExceedsCaptured
from paykit.lifecycle import PaymentState
from paykit.money import Money
from paykit.store import clocks, events
from paykit.store.claims import unclaimed
from paykit.store.events import Aggregate, NewEvent
from paykit.store.schema.payments import payment
from paykit.store.tx import Params, Tx, Write, many

__all__ = [
    "Availability",
    "PaymentRow",
    "find",
    "insert_payment",
    "list_page",
    "load",
    "lock_all",
    "reserve_refund",
    "save",
    "touch",
]


class Availability(StrEnum):
    """Whether a card offers what was asked for at creation (Stripe: ``status``)."""

    REQUESTED = auto()
    """The PSP has not shown yet what the card offers."""
    AVAILABLE = auto()
    UNAVAILABLE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """A payment as it is stored; see `paykit.store.schema.payments`."""

    id: str
    merchant_id: str
    operation_id: str
    binding: str
    state: PaymentState
    currency: str
    capture: str
    amount: int
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    reference: str | None = None
    description: str | None = None
    psp_reference: str | None = None
    charge_reference: str | None = None
    amount_asked: int | None = None
    refund_reserved: int = 0
    cancel_reason: str | None = None
    capturable: int = 0
    captured: int = 0
    refunded: int = 0
    refunded_external: int = 0
    disputed: int = 0
    returned: int = 0
    capture_before: datetime | None = None
    multicapture: str | None = None
    incremental_authorization: str | None = None
    next_action: dict[str, str | None] | None = None
    decline: dict[str, str | None] | None = None
    version: int = 1
    event_sequence: int = 0

    @property
    def aggregate(self) -> Aggregate:
        """Whose history it is that its events stand in."""
        return Aggregate("payment", self.id, self.merchant_id)

    @property
    def refundable(self) -> int:
        """What can still be refunded, in minor units; never negative."""
        return max(0, self.captured - self.refund_reserved - self.refunded_external)


def _stale(rows: Sequence[Params]) -> InProgress:
    ids = ", ".join(str(row["at_id"]) for row in rows)
    return InProgress(f"payment {ids} was changed meanwhile; repeat the call")


_FIXED: Final = frozenset(
    {
        "id",
        "merchant_id",
        "operation_id",
        "reference",
        "binding",
        "currency",
        "capture",
        "created_at",
    }
)
_CHANGING: Final = tuple(c.name for c in payment.columns if c.name not in _FIXED)
_LOAD: Final = select(payment).where(payment.c.id == bindparam("payment_id"))
_LOCK: Final = _LOAD.with_for_update()
_LOCK_BY_REFERENCE: Final = (
    select(payment)
    .where(
        payment.c.binding == bindparam("binding"),
        payment.c.psp_reference == bindparam("reference"),
    )
    .with_for_update()
)
_LOCK_ALL: Final = (
    select(payment)
    .where(
        payment.c.id.in_(bindparam("ids", expanding=True))
        | (
            payment.c.binding.in_(bindparam("bindings", expanding=True))
            & payment.c.psp_reference.in_(bindparam("references", expanding=True))
        )
    )
    .order_by(payment.c.id)
    .with_for_update()
)
_INSERT: Final = Write(payment, 10, many(insert(payment)))
_SAVE: Final = Write(
    payment,
    30,
    many(
        update(payment).where(
            payment.c.id == bindparam("at_id"),
            payment.c.version == bindparam("at_version"),
        ),
        stale=_stale,
    ),
)
"""The whole row: one statement for every change, so that changes can go together."""

_RESERVE: Final = (
    update(payment)
    .where(payment.c.id == bindparam("at_id"))
    .where(
        payment.c.refund_reserved
        + payment.c.refunded_external
        + bindparam("more", type_=BigInteger)
        <= payment.c.captured
    )
    .values(
        refund_reserved=payment.c.refund_reserved + bindparam("more", type_=BigInteger),
        version=payment.c.version + 1,
    )
)
_BY_REFERENCE: Final = f"{payment.name} by reference"
_PSP_ID: Final = "{}/{}"


def _row(row: Row[tuple[object, ...]]) -> PaymentRow:
    values = dict(row._mapping)
    values["state"] = PaymentState(values["state"])
    return PaymentRow(**values)


def _keep(tx: Tx, row: PaymentRow) -> PaymentRow:
    """Remember a row that we have locked, as it is now."""
    tx.rows[payment.name, row.id] = row
    if row.psp_reference is not None:
        tx.rows[_BY_REFERENCE, _PSP_ID.format(row.binding, row.psp_reference)] = row.id
    return row


def _kept(tx: Tx, payment_id: str) -> PaymentRow | None:
    return cast("PaymentRow | None", tx.rows.get((payment.name, payment_id)))


def _locked(tx: Tx, payment_id: str) -> PaymentRow | None:
    """Return the payment with this id, its row locked."""
    if (payment.name, payment_id) in tx.rows:
        return _kept(tx, payment_id)
    row = tx.on(payment).execute(_LOCK, {"payment_id": payment_id}).one_or_none()
    return None if row is None else _keep(tx, _row(row))


def _locked_by_reference(tx: Tx, binding: str, reference: str) -> PaymentRow | None:
    key = (_BY_REFERENCE, _PSP_ID.format(binding, reference))
    if key in tx.rows:
        id_ = tx.rows[key]
        return None if id_ is None else _kept(tx, str(id_))
    given = {"binding": binding, "reference": reference}
    row = tx.on(payment).execute(_LOCK_BY_REFERENCE, given).one_or_none()
    return None if row is None else _keep(tx, _row(row))


def lock_all(tx: Tx, wanted: Iterable[tuple[str, str | None, str | None]]) -> None:
    """
    Lock what `find` will be asked for, in the order of ids, with one query.

    `wanted` are (binding, the PSP's id, ours); what is not there is remembered too.
    """
    wanted = list(wanted)
    ids = {ours for _, _, ours in wanted if ours is not None}
    references = {(b, theirs) for b, theirs, _ in wanted if theirs is not None}
    tx.rows.update(dict.fromkeys(((payment.name, id_) for id_ in ids), None))
    tx.rows.update(
        ((_BY_REFERENCE, _PSP_ID.format(*pair)), None) for pair in references
    )
    if not ids and not references:
        return
    given = {
        "ids": sorted(ids),
        "bindings": sorted({binding for binding, _ in references}),
        "references": sorted({reference for _, reference in references}),
    }
    for row in tx.on(payment).execute(_LOCK_ALL, given):
        _keep(tx, _row(row))


def load(tx: Tx, payment_id: str, *, merchant: str | None, lock: bool) -> PaymentRow:
    """
    Return one payment, its row locked on demand.

    Raises `NotFound` if there is none, or if it is another merchant's.
    """
    row = _locked(tx, payment_id) if lock else _read(tx, payment_id)
    if row is None or (merchant is not None and row.merchant_id != merchant):
        raise NotFound(f"no payment {payment_id!r} of this merchant")
    return row


def _read(tx: Tx, payment_id: str) -> PaymentRow | None:
    kept = _kept(tx, payment_id)
    if kept is not None:
        return kept
    row = tx.on(payment).execute(_LOAD, {"payment_id": payment_id}).one_or_none()
    return None if row is None else _row(row)


def find(
    tx: Tx, *, binding: str, psp_reference: str | None, payment_id: str | None
) -> PaymentRow | None:
    """Find and lock a payment by the PSP's id, or else by ours from its metadata."""
    if psp_reference is not None:
        row = _locked_by_reference(tx, binding, psp_reference)
        if row is not None:
            return row
    found = None if payment_id is None else _locked(tx, payment_id)
    return None if found is None or found.binding != binding else found


def insert_payment(
    tx: Tx, row: PaymentRow, *, cause: str, happened: Sequence[NewEvent]
) -> PaymentRow:
    """Insert a payment and log what `happened`; return the one there is, locked."""
    found = _locked(tx, row.id)
    if found is not None:
        return found
    row = replace(row, event_sequence=len(happened))
    # Not asdict: the parts of a row are flat, and it would copy them.
    values = {column.name: getattr(row, column.name) for column in payment.columns}
    tx.later(_INSERT, {**values, "state": row.state.value})
    _log(tx, row, 1, cause, happened)
    unclaimed(tx, row.id)
    return _keep(tx, row)


def _log(
    tx: Tx, row: PaymentRow, first: int, cause: str, happened: Sequence[NewEvent]
) -> None:
    events.append(
        tx,
        about=row.aggregate,
        first_sequence=first,
        cause=cause,
        events=happened,
    )


def save(
    tx: Tx,
    row: PaymentRow,
    changes: Mapping[str, object],
    *,
    cause: str,
    happened: Sequence[NewEvent] = (),
) -> PaymentRow:
    """
    Write `changes` and log what `happened`, in one step of the version.

    `InProgress` is raised, at the end of the phase, if somebody else has changed the
    payment since `row` was read: the row lock makes that impossible unless the host
    bypasses paykit.
    """
    if not changes and not happened:
        return row
    return _write(tx, row, changes, cause, happened)


def touch(tx: Tx, row: PaymentRow) -> None:
    """
    Count the version of `row` on, unless that was done since it was read.

    What somebody has read of the PSP while it stood there is then no longer the newest.
    """
    if _read(tx, row.id) == row:
        _write(tx, row, {}, "", ())


def _write(
    tx: Tx,
    row: PaymentRow,
    changes: Mapping[str, object],
    cause: str,
    happened: Sequence[NewEvent],
) -> PaymentRow:
    values = cast("dict[str, Any]", dict(changes))
    values["state"] = PaymentState(values.get("state", row.state))
    after = replace(
        row,
        **values,
        version=row.version + 1,
        event_sequence=row.event_sequence + len(happened),
        updated_at=tx.now,
    )
    written = {name: getattr(after, name) for name in _CHANGING}
    written |= {"state": after.state.value, "at_id": row.id, "at_version": row.version}
    tx.later(_SAVE, written)
    _log(tx, after, row.event_sequence + 1, cause, happened)
    other_end = after.capture_before != row.capture_before
    clocks.follow(tx, row.id, row.state, after.state, other_end=other_end)
    return _keep(tx, after)


def reserve_refund(tx: Tx, row: PaymentRow, amount: Money) -> PaymentRow:
    """
    Reserve `amount` of what was captured, pending refunds counted.

    One conditional UPDATE, so that concurrent refunds cannot both fit; raises
    `RefundExceedsCaptured` if it does not fit.
    """
    given = {"at_id": row.id, "more": amount.minor, "updated_at": tx.now}
    if tx.connection.execute(_RESERVE, given).rowcount != 1:
        raise RefundExceedsCaptured(
            f"payment {row.id}: {amount} is more than the "
            f"{Money(row.refundable, row.currency)} that can still be refunded"
        )
    tx.rows.pop((payment.name, row.id), None)
    return load(tx, row.id, merchant=None, lock=True)


def list_page(
    tx: Tx,
    *,
    merchant: str,
    limit: int,
    after: str | None,
    state: str | None,
    reference: str | None,
) -> tuple[PaymentRow, ...]:
    """Return payments of a merchant, newest first, after the id `after`."""
    statement = select(payment).where(payment.c.merchant_id == merchant)
    if state is not None:
        statement = statement.where(payment.c.state == state)
    if reference is not None:
        statement = statement.where(payment.c.reference == reference)
    if after is not None:
        last = load(tx, after, merchant=merchant, lock=False)
        statement = statement.where(
            (payment.c.created_at < last.created_at)
            | ((payment.c.created_at == last.created_at) & (payment.c.id < last.id))
        )
    order = (payment.c.created_at.desc(), payment.c.id.desc())
    rows = tx.connection.execute(statement.order_by(*order).limit(limit))
    return tuple(_row(row) for row in rows)
