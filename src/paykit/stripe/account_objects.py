"""
What Stripe's objects of a whole account say, in paykit's words: its payouts.

The rules of `paykit.stripe.objects` hold here too.
"""

from __future__ import annotations

from typing import Final

from paykit.psp.payouts import PayoutSnapshot, PayoutStatus
from paykit.stripe import fields, objects
from paykit.stripe.fields import JsonObject

__all__ = ["PAYOUT_MOVEMENTS", "payout"]

_PAYOUT_STATUS: Final = {
    status.value: status
    for status in PayoutStatus
    if status is not PayoutStatus.UNRECOGNIZED
}
"""Stripe's words for the status of a payout are ours."""

PAYOUT_MOVEMENTS: Final = ("balance_transaction", "failure_balance_transaction")
"""What took the money from the balance, and what brought it back; ids, or expanded."""


def payout(thing: JsonObject) -> PayoutSnapshot:
    """Read a Payout; raises `Unreadable`."""
    objects.expect(thing, "payout")
    raw_status = fields.text(thing, "status")
    shown = [thing.get(name) for name in PAYOUT_MOVEMENTS]
    return PayoutSnapshot(
        reference=fields.text(thing, "id"),
        status=_PAYOUT_STATUS.get(raw_status, PayoutStatus.UNRECOGNIZED),
        raw_status=raw_status,
        amount=fields.integer(thing, "amount"),
        currency=fields.text(thing, "currency"),
        automatic=fields.flag(thing, "automatic"),
        arrival=fields.moment(thing, "arrival_date"),
        failure_code=fields.optional_text(thing, "failure_code"),
        movements=tuple(
            objects.balance_transaction(one) for one in shown if isinstance(one, dict)
        ),
        named=_only_named(thing),
    )


def _only_named(thing: JsonObject) -> tuple[str, ...]:
    """Return the ids of the movements that are not expanded."""
    return tuple(
        found
        for name in PAYOUT_MOVEMENTS
        if not isinstance(thing.get(name), dict)
        and (found := fields.reference(thing, name)) is not None
    )
