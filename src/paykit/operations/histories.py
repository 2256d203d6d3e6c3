"""Writing into a history by what it is about, whatever that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from paykit.store import payments, payouts, subscriptions
from paykit.store.events import NewEvent
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


def _payout(tx: Tx, payout_id: str, told: NewEvent, cause: str) -> None:
    row = payouts.load(tx, payout_id, merchant=None, lock=True)
    payouts.save(tx, row, {}, cause=cause, happened=[told])


def _subscription(tx: Tx, subscription_id: str, told: NewEvent, cause: str) -> None:
    row = subscriptions.load(tx, subscription_id, merchant=None, lock=True)
    subscriptions.save(tx, row, {}, cause=cause, happened=[told])


_LOAD: Final[Mapping[str, Callable[..., object]]] = {
    "payment": payments.load,
    "payout": payouts.load,
    "subscription": subscriptions.load,
}
_TELL: Final[Mapping[str, _Tell]] = {
    "payment": _payment,
    "payout": _payout,
    "subscription": _subscription,
}
"""By `paykit.store.events.Aggregate.kind`."""
