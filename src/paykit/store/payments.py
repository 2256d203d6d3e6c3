"""Reading and changing payments, their refunds, claims and breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.sql.schema import Table

from paykit.errors import InProgress, NotAllowed, NotFound, RefundExceedsCaptured
from paykit.lifecycle import PaymentEvent, PaymentState
from paykit.money import Money
from paykit.store import events
from paykit.store.events import NewEvent
from paykit.store.schema.breaks import reconciliation_break
from paykit.store.schema.payments import claim, live_reference, payment
from paykit.store.tx import Tx

__all__ = [
    "PaymentRow",
    "claim_command",
    "claimed_by",
    "find",
    "hold_reference",
    "insert_or_ignore",
    "insert_payment",
    "list_page",
    "load",
    "open_break",
    "open_breaks",
    "release_claim",
    "release_reference",
    "reserve_refund",
    "save",
]


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
    refund_reserved: int = 0
    capturable: int = 0
    captured: int = 0
    refunded: int = 0
    refunded_external: int = 0
    capture_before: datetime | None = None
    next_action: dict[str, str | None] | None = None
    decline: dict[str, str | None] | None = None
    version: int = 1
    event_sequence: int = 0

    @property
    def refundable(self) -> int:
        """What can still be refunded, in minor units; never negative."""
        return max(0, self.captured - self.refund_reserved - self.refunded_external)


_load = select(payment).where(payment.c.id == bindparam("payment_id"))
_lock = _load.with_for_update()
_insert = insert(payment)
_claim_of = select(claim.c.operation_id, claim.c.command).where(
    claim.c.thing_id == bindparam("payment_id")
)


def _row(row: Row[tuple[object, ...]]) -> PaymentRow:
    values = dict(row._mapping)
    values["state"] = PaymentState(values["state"])
    return PaymentRow(**values)


def insert_or_ignore(tx: Tx, table: Table) -> PostgresqlInsert | SqliteInsert:
    """
    Return an INSERT that leaves an existing row with the same key alone.

    The result's row count tells which it was. It is asked for: otherwise SQLAlchemy
    closes the cursor of an INSERT first, and psycopg then says -1.
    """
    if tx.connection.dialect.name == "postgresql":
        statement = postgresql.insert(table).on_conflict_do_nothing()
        return statement.execution_options(preserve_rowcount=True)
    return (
        sqlite.insert(table)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True)
    )


def load(tx: Tx, payment_id: str, *, merchant: str | None, lock: bool) -> PaymentRow:
    """
    Return one payment, its row locked on demand.

    Raises `NotFound` if there is none, or if it is another merchant's.
    """
    statement = _lock if lock else _load
    row = tx.connection.execute(statement, {"payment_id": payment_id}).one_or_none()
    if row is None or (merchant is not None and row.merchant_id != merchant):
        raise NotFound(f"no payment {payment_id!r} of this merchant")
    return _row(row)


def find(
    tx: Tx, *, binding: str, psp_reference: str | None, payment_id: str | None
) -> PaymentRow | None:
    """Find and lock a payment by the PSP's id, or else by ours from its metadata."""
    if psp_reference is not None:
        row = tx.connection.execute(
            select(payment)
            .where(
                payment.c.binding == binding, payment.c.psp_reference == psp_reference
            )
            .with_for_update()
        ).one_or_none()
        if row is not None:
            return _row(row)
    if payment_id is None:
        return None
    found = tx.connection.execute(_lock, {"payment_id": payment_id}).one_or_none()
    if found is None or found.binding != binding:
        return None
    return _row(found)


def insert_payment(
    tx: Tx, row: PaymentRow, *, cause: str, happened: Sequence[NewEvent]
) -> PaymentRow:
    """Insert a payment and log what `happened`; return the one there is, locked."""
    found = tx.connection.execute(_lock, {"payment_id": row.id}).one_or_none()
    if found is not None:
        return _row(found)
    row = replace(row, event_sequence=len(happened))
    # Not asdict: the parts of a row are flat, and it would copy them.
    values = {column.name: getattr(row, column.name) for column in payment.columns}
    tx.connection.execute(_insert, {**values, "state": row.state.value})
    _log(tx, row, 1, cause, happened)
    return row


def _log(
    tx: Tx, row: PaymentRow, first: int, cause: str, happened: Sequence[NewEvent]
) -> None:
    events.append(
        tx,
        payment_id=row.id,
        merchant_id=row.merchant_id,
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

    Raises `InProgress` if somebody else has changed the payment since `row` was read,
    which the row lock makes impossible unless the host bypasses paykit.
    """
    if not changes and not happened:
        return row
    values = {
        **changes,
        "version": row.version + 1,
        "event_sequence": row.event_sequence + len(happened),
        "updated_at": tx.now,
    }
    statement = (
        update(payment)
        .where(payment.c.id == row.id, payment.c.version == row.version)
        .values(**values)
    )
    if tx.connection.execute(statement).rowcount != 1:
        raise InProgress(f"payment {row.id} was changed meanwhile; repeat the call")
    _log(tx, row, row.event_sequence + 1, cause, happened)
    after = cast("dict[str, Any]", values)
    return replace(
        row, **{**after, "state": PaymentState(after.get("state", row.state))}
    )


def reserve_refund(tx: Tx, row: PaymentRow, amount: Money) -> PaymentRow:
    """
    Reserve `amount` of what was captured, pending refunds counted.

    One conditional UPDATE, so that concurrent refunds cannot both fit; raises
    `RefundExceedsCaptured` if it does not fit.
    """
    committed = payment.c.refund_reserved + payment.c.refunded_external
    statement = (
        update(payment)
        .where(payment.c.id == row.id)
        .where(committed + amount.minor <= payment.c.captured)
        .values(
            refund_reserved=payment.c.refund_reserved + amount.minor,
            version=payment.c.version + 1,
            updated_at=tx.now,
        )
    )
    if tx.connection.execute(statement).rowcount != 1:
        raise RefundExceedsCaptured(
            f"payment {row.id}: {amount} is more than the "
            f"{Money(row.refundable, row.currency)} that can still be refunded"
        )
    return load(tx, row.id, merchant=None, lock=False)


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


def claimed_by(tx: Tx, payment_id: str) -> tuple[str, PaymentEvent] | None:
    """Return (operation id, command) of what is under way on the payment."""
    row = tx.connection.execute(_claim_of, {"payment_id": payment_id}).one_or_none()
    return None if row is None else (row.operation_id, PaymentEvent(row.command))


def claim_command(
    tx: Tx,
    payment_id: str,
    command: PaymentEvent,
    operation_id: str,
    *,
    holder: tuple[str, PaymentEvent] | None,
    supersedes: frozenset[PaymentEvent] = frozenset(),
) -> None:
    """
    Claim the payment for `command`, or raise `InProgress`.

    `holder` is what `claimed_by` says of it.

    A command may supersede the claim of another one, whose answer is then still
    recorded but ends only its own operation. The payment's row must be locked.
    """
    if holder is None:
        values = {"thing_id": payment_id, "command": command.value}
        values |= {"operation_id": operation_id}
        tx.connection.execute(insert(claim).values(**values, claimed_at=tx.now))
        return
    if holder[0] == operation_id:
        return
    if holder[1] not in supersedes:
        raise InProgress(
            f"payment {payment_id}: {holder[1].value} is under way; "
            "repeat the call when it has ended"
        )
    tx.connection.execute(
        update(claim)
        .where(claim.c.thing_id == payment_id)
        .values(command=command.value, operation_id=operation_id, claimed_at=tx.now)
    )


def release_claim(tx: Tx, payment_id: str, operation_id: str) -> None:
    """Give the claim up, if `operation_id` still holds it."""
    tx.connection.execute(
        delete(claim).where(
            claim.c.thing_id == payment_id, claim.c.operation_id == operation_id
        )
    )


def hold_reference(tx: Tx, *, merchant: str, reference: str, payment_id: str) -> None:
    """
    Let `reference` stand for this payment and no other one.

    Raises `NotAllowed` while another payment of the merchant stands for it.
    """
    values = {"merchant_id": merchant, "reference": reference}
    tx.connection.execute(
        insert_or_ignore(tx, live_reference).values(**values, payment_id=payment_id)
    )
    holder = tx.connection.scalar(
        select(live_reference.c.payment_id).where(
            live_reference.c.merchant_id == merchant,
            live_reference.c.reference == reference,
        )
    )
    if holder != payment_id:
        raise NotAllowed(
            f"reference {reference!r} already has the payment {holder}; "
            "cancel that one first, or repeat the call with its idempotency key"
        )


def release_reference(tx: Tx, row: PaymentRow) -> None:
    """Let the host's reference be used again: the payment ended without money."""
    if row.reference is not None:
        tx.connection.execute(
            delete(live_reference).where(
                live_reference.c.merchant_id == row.merchant_id,
                live_reference.c.reference == row.reference,
                live_reference.c.payment_id == row.id,
            )
        )


def open_break(
    tx: Tx, row: PaymentRow, kind: str, detail: Mapping[str, object]
) -> None:
    """Open a reconciliation break for a person to look at; once per kind."""
    statement = insert_or_ignore(tx, reconciliation_break).values(
        id=f"{row.id}/{kind}",
        merchant_id=row.merchant_id,
        payment_id=row.id,
        kind=kind,
        detail=dict(detail),
        opened_at=tx.now,
    )
    tx.connection.execute(statement)


def open_breaks(tx: Tx) -> int:
    """Return how many reconciliation breaks nobody has resolved yet."""
    open_ones = reconciliation_break.c.resolved_at.is_(None)
    return tx.connection.scalar(select(func.count()).where(open_ones)) or 0
