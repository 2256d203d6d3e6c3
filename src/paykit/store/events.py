"""The immutable event log, and what is still to deliver from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import bindparam, insert, select

from paykit.store import work
from paykit.store.schema.messages import event
from paykit.store.tx import Tx, Write, many

__all__ = [
    "Aggregate",
    "EventRow",
    "NewEvent",
    "append",
    "by_id",
    "by_ids",
    "of_aggregate",
]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Whose history an event stands in; Debezium's word, and domain-driven design's."""

    kind: Literal["payment", "payout", "subscription"]
    id: str
    merchant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happened to a payment or a payout, about to be written down."""

    type: str
    """For example ``payment.succeeded``; what handlers subscribe to."""
    from_state: str | None = None
    to_state: str | None = None
    data: dict[str, object] = field(default_factory=dict)
    """Amounts and ids, no payer data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One line of a history; `aggregate` says of what, ``payment`` for example."""

    id: UUID
    type: str
    aggregate: str
    aggregate_id: str
    merchant_id: str
    sequence: int
    from_state: str | None
    to_state: str | None
    cause: str
    occurred_at: datetime
    payload: dict[str, object]

    @property
    def payment_id(self) -> str | None:
        """The payment that it is about, if it is about one."""
        return self.aggregate_id if self.aggregate == "payment" else None


_INSERT: Final = Write(event, 50, many(insert(event)))
_columns = (
    event.c.id,
    event.c.type,
    event.c.aggregatetype.label("aggregate"),
    event.c.aggregateid.label("aggregate_id"),
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
    about: Aggregate,
    first_sequence: int,
    cause: str,
    events: Sequence[NewEvent],
) -> None:
    """
    Write `events` and queue them for delivery, numbered from `first_sequence`.

    The caller holds the row lock of what they are about, and has counted its sequence
    up.
    """
    for sequence, new in enumerate(events, start=first_sequence):
        id_ = tx.new_uuid()
        payload = {
            "id": str(id_),
            "type": new.type,
            f"{about.kind}_id": about.id,
            "merchant": about.merchant_id,
            "sequence": sequence,
            "from_state": new.from_state,
            "to_state": new.to_state,
            **new.data,
        }
        row = {
            "id": id_,
            "aggregatetype": about.kind,
            "aggregateid": about.id,
            "type": new.type,
            "payload": payload,
            "merchant_id": about.merchant_id,
            "sequence": sequence,
            "from_state": new.from_state,
            "to_state": new.to_state,
            "cause": cause,
            "occurred_at": tx.now,
        }
        tx.later(_INSERT, row)
        work.put(tx, "delivery", str(id_), group=about.id, position=sequence)


def by_id(tx: Tx, event_id: UUID) -> EventRow:
    """Return one event; it must exist."""
    row = tx.on(event).execute(_BY_ID, {"event_id": event_id}).one()
    return EventRow(**row._mapping)


def by_ids(tx: Tx, event_ids: Sequence[UUID]) -> dict[UUID, EventRow]:
    """Return these events, by id; they must exist."""
    rows = tx.on(event).execute(_BY_IDS, {"event_ids": list(event_ids)})
    return {row.id: EventRow(**row._mapping) for row in rows}


def of_aggregate(tx: Tx, aggregate_id: str) -> tuple[EventRow, ...]:
    """Return the whole history of a payment or a payout, oldest first."""
    rows = tx.connection.execute(
        select(*_columns)
        .where(event.c.aggregateid == aggregate_id)
        .order_by(event.c.sequence)
    )
    return tuple(EventRow(**row._mapping) for row in rows)
