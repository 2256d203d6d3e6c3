"""
What moves on the account's balance, and what it costs.

With multicapture every capture writes one movement. Without it a partial capture
writes two: the charge in full, and one that takes the rest back. The second one's
``type`` says refund and only its ``reporting_category`` says
``partial_capture_reversal``: by its type it is a refund that no payer got.
"""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.objects import SimCharge, SimRefund
from paykit.testing.simulated.posting import available_on, post
from paykit.testing.simulated.state import State

__all__ = [
    "post_capture",
    "post_failure",
    "post_part",
    "post_refund",
    "post_refund_failure",
]

_FEE_PER_THOUSAND: Final = 29
_FEE_FIXED: Final = 30
"""Stripe's list price in the US: 2.9 % and 30 minor units, on captured money."""


def post_capture(state: State, charge: SimCharge) -> None:
    """Post a captured charge, and what a partial capture gave back."""
    charge.balance_transaction = _post(
        state, charge, "charge", charge.amount, _fee(charge.amount)
    )
    released = state.release_of(charge)
    if released is not None:
        released.balance_transaction = _post(
            state,
            released,
            "partial_capture_reversal",
            -released.amount,
            _fee(charge.amount_captured) - _fee(charge.amount),
        )


def post_part(state: State, charge: SimCharge, amount: int) -> None:
    """Post one of several captures; the charge shows the last one's movement."""
    charge.balance_transaction = _post(state, charge, "charge", amount, _fee(amount))


def post_refund(state: State, refund: SimRefund) -> None:
    """Post a refund; the fee of the charge is not given back."""
    refund.balance_transaction = _post(state, refund, "refund", -refund.amount)


def post_refund_failure(state: State, refund: SimRefund) -> None:
    """Post the return of a refund that did not reach the payer."""
    refund.failure_balance_transaction = _post(
        state, refund, "refund_failure", refund.amount
    )


def post_failure(state: State, charge: SimCharge) -> None:
    """Post the loss of a charge that failed after it had succeeded."""
    charge.failure_balance_transaction = _post(
        state, charge, "charge_failure", -charge.amount_captured
    )


_TYPES: Final = {
    "charge_failure": "payment_failure_refund",
    "partial_capture_reversal": "refund",
}
"""Stripe's ``type`` of a reporting category, where the two differ."""


def _fee(captured: int) -> int:
    return captured * _FEE_PER_THOUSAND // 1000 + _FEE_FIXED


def _post(
    state: State,
    source: SimCharge | SimRefund,
    category: str,
    amount: int,
    fee: int = 0,
) -> str:
    """Write a movement and return its id."""
    charge = state.charge(source.charge) if isinstance(source, SimRefund) else source
    movement = post(
        state,
        source=source.id,
        charge=charge.id,
        category=category,
        type=_TYPES.get(category, category),
        amount=amount,
        currency=source.currency,
        fee=fee,
        available_on=available_on(state, charge, category),
    )
    return movement.id
