"""Writing into a history by what it is about, whatever that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from paykit.store import payments
from paykit.store.events import NewEvent
from paykit.store.followed import FollowedTable
from paykit.store.payouts import PAYOUTS
from paykit.store.subscriptions import SUBSCRIPTIONS
from paykit.store.tx import Tx

__all__ = ["lock", "tell"]

_Tell: TypeAlias = Callable[[Tx, str, NewEvent, str], None]


def lock(tx: Tx, aggregate: str, aggregate_id: str) -> None:
    """Lock the row of what is there, before anything that it is locked for."""
    _LOAD[aggregate](tx, aggregate_id, merchant=None, lock=True)


def tell(
    tx: Tx, aggregate: str, aggregate_id: str, told: NewEvent, *, cause: str
) -> None:
    """Write `told` into the history of what is there, and lock its row for that."""
    _TELL[aggregate](tx, aggregate_id, told, cause)


def _payment(tx: Tx, payment_id: str, told: NewEvent, cause: str) -> None:
    row = payments.load(tx, payment_id, merchant=None, lock=True)
    payments.save(tx, row, {}, cause=cause, happened=[told])


def _followed(table: FollowedTable[Any]) -> _Tell:
    def write(tx: Tx, id_: str, told: NewEvent, cause: str) -> None:
        row = table.load(tx, id_, merchant=None, lock=True)
        table.save(tx, row, {}, cause=cause, happened=[told])

    return write


_LOAD: Final[Mapping[str, Callable[..., object]]] = {
    "payment": payments.load,
    "payout": PAYOUTS.load,
    "subscription": SUBSCRIPTIONS.load,
}
_TELL: Final[Mapping[str, _Tell]] = {
    "payment": _payment,
    "payout": _followed(PAYOUTS),
    "subscription": _followed(SUBSCRIPTIONS),
}
"""By `paykit.store.events.Aggregate.kind`."""
