"""Writing one movement on the account's balance."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from paykit.testing.simulated.movements import SimBalanceTransaction
from paykit.testing.simulated.objects import SimCharge
from paykit.testing.simulated.state import State

__all__ = ["available_on", "post"]

_SETTLES_AFTER: Final = timedelta(days=2)
"""How long captured money is pending before it can be paid out (the US)."""

_AT_ONCE: Final = "pm_card_bypassPending"
"""The start of the names of test cards whose money is available at once."""


def available_on(state: State, charge: SimCharge, category: str) -> datetime | None:
    """
    Return when money of `charge` can be paid out, None for at once.

    Captured money is pending for some days; whatever goes back to the charge meanwhile
    is taken from what is pending.
    """
    if category == "charge":
        at_once = charge.payment_method.startswith(_AT_ONCE)
        return None if at_once else state.now() + _SETTLES_AFTER
    captured = state.balance.get(charge.balance_transaction or "")
    return None if captured is None else captured.available_on


def post(
    state: State,
    *,
    source: str,
    charge: str | None,
    category: str,
    type: str,
    amount: int,
    currency: str,
    fee: int = 0,
    available_on: datetime | None = None,
) -> SimBalanceTransaction:
    """Write a movement and return it; without `available_on` it counts at once."""
    movement = SimBalanceTransaction(
        id=state.new_id("txn"),
        created=state.now(),
        source=source,
        charge=charge,
        type=type,
        reporting_category=category,
        amount=amount,
        fee=fee,
        currency=currency,
        available_on=available_on,
    )
    state.balance[movement.id] = movement
    return movement
