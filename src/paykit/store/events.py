"""The immutable event log, and what is still to deliver from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, insert, select

from paykit.store import work
from paykit.store.schema.messages import event
from paykit.store.tx import Tx, Write, many

__all__ = ["EventRow", "NewEvent", "append", "by_id", "by_ids", "of_payment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happened to a payment, about to be written down."""

    type: str
    """For example ``payment.succeeded``; what handlers subscribe to."""
    from_state: str | None = None
    to_state: str | None = None
    data: dict[str, object] = field(default_factory=dict)
    """Amounts and ids, no payer data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One line of a payment's history."""

    id: UUID
    type: str
    payment_id: str
    merchant_id: str
    sequence: int
    from_state: str | None
    to_state: str | None
    cause: str
    occurred_at: datetime
    payload: dict[str, object]


_INSERT: Final = Write(event, 50, many(insert(event)))
_columns = (
    event.c.id,
    event.c.type,
    event.c.aggregateid.label("payment_id"),
    event.c.merchant_id,
    event.c.sequence,
    event.c.from_state,
    event.c.to_state,
    event.c.cause,
    event.c.occurred_at,
    event.c.payload,
)
_BY_IDS: Final = select(*_columns).where(
    event.c.id.in_(bindparam("event_ids", expanding=True))
)
_BY_ID: Final = select(*_columns).where(event.c.id == bindparam("event_id"))


def append(
    tx: Tx,
    *,
    payment_id: str,
    merchant_id: str,
    first_sequence: int,
    cause: str,
    events: Sequence[NewEvent],
) -> None:
    """
    Write `events` and queue them for delivery, numbered from `first_sequence`.

    The caller holds the payment's row lock and has counted its sequence up.
    """
    for sequence, new in enumerate(events, start=first_sequence):
        id_ = tx.new_uuid()
        payload = {
            "id": str(id_),
            "type": new.type,
            "payment_id": payment_id,
            "merchant": merchant_id,
            "sequence": sequence,
            "from_state": new.from_state,
            "to_state": new.to_state,
            **new.data,
        }
        row = {
            "id": id_,
            "aggregatetype": "payment",
            "aggregateid": payment_id,
            "type": new.type,
            "payload": payload,
            "merchant_id": merchant_id,
            "sequence": sequence,
            "from_state": new.from_state,
            "to_state": new.to_state,
            "cause": cause,
            "occurred_at": tx.now,
        }
        tx.later(_INSERT, row)
        work.put(tx, "delivery", str(id_), group=payment_id, position=sequence)


def by_id(tx: Tx, event_id: UUID) -> EventRow:
    """Return one event; it must exist."""
    row = tx.on(event).execute(_BY_ID, {"event_id": event_id}).one()
    return EventRow(**row._mapping)


def by_ids(tx: Tx, event_ids: Sequence[UUID]) -> dict[UUID, EventRow]:
    """Return these events, by id; they must exist."""
    rows = tx.on(event).execute(_BY_IDS, {"event_ids": list(event_ids)})
    return {row.id: EventRow(**row._mapping) for row in rows}


def of_payment(tx: Tx, payment_id: str) -> tuple[EventRow, ...]:
    """Return the whole history of a payment, oldest first."""
    rows = tx.connection.execute(
        select(*_columns)
        .where(event.c.aggregateid == payment_id)
        .order_by(event.c.sequence)
    )
    return tuple(EventRow(**row._mapping) for row in rows)
