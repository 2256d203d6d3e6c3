"""Payouts and subscriptions: in the end they are here as the PSP has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection, select

from paykit.psp import (
    PayoutSnapshot,
    PayoutStatus,
    ReadPayout,
    ReadSubscription,
    Snapshot,
    SubscriptionSnapshot,
    Succeeded,
)
from paykit.store import ledger
from paykit.store.schema import payout, subscription
from paykit.testing.simulation.cast import Cast

__all__ = ["payouts_are_booked", "subscriptions_are_followed"]

_RETURNED = frozenset({PayoutStatus.FAILED, PayoutStatus.CANCELED})


def payouts_are_booked(cast: Cast, db: Connection) -> Iterator[str]:
    """Each payout is here, in its state; what the bank got is what the books say."""
    rows = {row.psp_reference: row for row in db.execute(select(payout))}
    paid_out = Counter[str]()
    for reference in _named(cast, "payout"):
        seen = _read(cast, ReadPayout(payout=reference))
        assert isinstance(seen, PayoutSnapshot)
        paid_out[seen.currency] += 0 if seen.status in _RETURNED else seen.amount
        state = rows[reference].state if reference in rows else "not here"
        if state != seen.status.value:
            yield f"{reference} is {state}, at the PSP {seen.status.value}"
    booked = {
        account.currency: account.debits - account.credits
        for account in ledger.trial_balance(db)
        if account.code == "payouts"
    }
    for currency in {*paid_out, *booked}:
        if booked.get(currency, 0) != paid_out[currency]:
            told = f"{paid_out[currency]} {currency} were paid out"
            yield f"{told}, and {booked.get(currency, 0)} is booked"


def subscriptions_are_followed(cast: Cast, db: Connection) -> Iterator[str]:
    """Each subscription is here, in its state, and billed until the same day."""
    rows = {row.psp_reference: row for row in db.execute(select(subscription))}
    for reference in _named(cast, "subscription"):
        seen = _read(cast, ReadSubscription(subscription=reference))
        assert isinstance(seen, SubscriptionSnapshot)
        row = rows.get(reference)
        if row is None:
            yield f"{reference} is not here"
            continue
        ours = (row.state, row.latest_invoice, row.current_period_end)
        theirs = (seen.status.value, seen.latest_invoice, seen.current_period_end)
        if ours != theirs:
            yield f"{reference} is {ours}, at the PSP {theirs}"


def _named(cast: Cast, kind: str) -> list[str]:
    """Return the ids of the objects of a kind that the PSP has told of, in order."""
    objects = (event.object for event in cast.sim.events())
    return list(dict.fromkeys(str(o["id"]) for o in objects if o["object"] == kind))


def _read(cast: Cast, request: ReadPayout | ReadSubscription) -> Snapshot:
    answer = cast.psp.send(cast.psp.prepare(request, None))
    assert isinstance(answer, Succeeded), f"{request} cannot be read"
    return answer.snapshot
