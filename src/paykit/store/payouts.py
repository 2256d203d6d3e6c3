"""Reading and changing payouts, each of which has a history of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Row, bindparam, select

from paykit.errors import NotFound
from paykit.lifecycle import PAYOUT, PayoutState
from paykit.store import followed
from paykit.store.events import Aggregate, NewEvent
from paykit.store.schema.payouts import payout
from paykit.store.tx import Tx

__all__ = ["PayoutRow", "adopt", "find", "list_page", "load", "save"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRow:
    """A payout as it is stored; see `paykit.store.schema.payouts`."""

    id: str
    merchant_id: str
    binding: str
    psp_reference: str
    state: PayoutState
    raw_status: str
    amount: int
    currency: str
    automatic: bool
    arrival: datetime | None
    failure_code: str | None
    movements: tuple[str, ...]
    event_sequence: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def aggregate(self) -> Aggregate:
        """Whose history it is that its events stand in."""
        return Aggregate("payout", self.id, self.merchant_id)


_LOAD: Final = select(payout).where(payout.c.id == bindparam("payout_id"))
_LOCK: Final = _LOAD.with_for_update()
_LOCK_BY_REFERENCE: Final = (
    select(payout)
    .where(
        payout.c.binding == bindparam("binding"),
        payout.c.psp_reference == bindparam("psp_reference"),
    )
    .with_for_update()
)


def _row(row: Row[tuple[object, ...]]) -> PayoutRow:
    values = dict(row._mapping)
    values["state"] = PayoutState(values["state"])
    values["movements"] = tuple(values["movements"])
    return PayoutRow(**values)


def find(tx: Tx, *, binding: str, psp_reference: str) -> PayoutRow | None:
    """Find and lock the payout with this id at the PSP; None if there is none."""
    key = {"binding": binding, "psp_reference": psp_reference}
    row = tx.connection.execute(_LOCK_BY_REFERENCE, key).one_or_none()
    return None if row is None else _row(row)


def load(tx: Tx, payout_id: str, *, merchant: str | None, lock: bool) -> PayoutRow:
    """
    Return one payout, its row locked on demand.

    Raises `NotFound` if there is none, or if it is another merchant's.
    """
    statement = _LOCK if lock else _LOAD
    found = tx.connection.execute(statement, {"payout_id": payout_id}).one_or_none()
    if found is None or (merchant is not None and found.merchant_id != merchant):
        raise NotFound(f"no payout {payout_id!r} of this merchant")
    return _row(found)


def adopt(tx: Tx, values: Mapping[str, object]) -> PayoutRow | None:
    """
    Insert a payout in its first state, and lock it.

    Return None if somebody else was faster.
    """
    first = {"state": PAYOUT.initial.value, "movements": [], **values}
    if not followed.adopt(tx, payout, first):
        return None
    return load(tx, str(values["id"]), merchant=None, lock=True)


def save(
    tx: Tx,
    row: PayoutRow,
    changes: Mapping[str, object],
    *,
    cause: str,
    happened: Sequence[NewEvent] = (),
) -> PayoutRow:
    """Write `changes` and log what `happened`; see `paykit.store.followed.write`."""
    followed.write(tx, payout, row, changes, cause=cause, happened=happened)
    return load(tx, row.id, merchant=None, lock=True)


def list_page(
    tx: Tx, *, merchant: str, limit: int, after: str | None, state: str | None
) -> tuple[PayoutRow, ...]:
    """Return payouts of a merchant, newest first, after the id `after`."""
    statement = select(payout).where(payout.c.merchant_id == merchant)
    if state is not None:
        statement = statement.where(payout.c.state == state)
    last = None if after is None else load(tx, after, merchant=merchant, lock=False)
    page = followed.newest_first(statement, payout, after=last, limit=limit)
    return tuple(_row(row) for row in tx.connection.execute(page))
