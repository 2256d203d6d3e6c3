"""
How an authorization becomes money: once, in parts, or not at all.

One capture is the rule; what it leaves is released. With multicapture an authorization
is captured up to 50 times until one capture is the final one. What Stripe shows of the
two differs, and so does what it shows of the rest:

- One capture: one balance transaction over the whole charge and, if a part was left,
  another one that takes it back. The rest counts in ``amount_refunded``.
- Multicapture: one balance transaction for each capture. What is never captured counts
  nowhere, and ``captured`` turns true with the final capture only.

Source: https://docs.stripe.com/payments/multicapture.
"""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.balance import post_capture, post_part
from paykit.testing.simulated.objects import Json, SimCharge, SimIntent, SimRefund
from paykit.testing.simulated.state import State

__all__ = ["MOST_CAPTURES", "release", "take", "take_part"]

MOST_CAPTURES: Final = 50
"""How often one authorization can be captured."""


def take(state: State, intent: SimIntent, charge: SimCharge, amount: int) -> None:
    """Capture `amount` once and for all; what is left of the authorization goes."""
    charge.amount_captured = amount
    intent.captures += 1
    _close(intent, charge)
    if amount < charge.amount:
        release(state, charge)
    if intent.capture_method == "automatic_async":
        state.unposted.append(charge.id)
    else:
        post_capture(state, charge)


def take_part(
    state: State, intent: SimIntent, charge: SimCharge, amount: int, *, final: bool
) -> None:
    """
    Capture `amount` of an authorization with multicapture; emits its events.

    An amount of 0 takes nothing: it only ends the authorization.
    """
    before: Json = {
        "amount_captured": charge.amount_captured,
        "balance_transaction": charge.balance_transaction,
    }
    capturable = intent.amount_capturable
    charge.amount_captured += amount
    intent.amount_received = charge.amount_captured
    intent.amount_capturable -= amount
    if amount:
        intent.captures += 1
        post_part(state, charge, amount)
    if final:
        _close(intent, charge)
    state.emit("charge.updated", charge, before)
    told = "payment_intent.amount_capturable_updated"
    state.emit(told, intent, {"amount_capturable": capturable})


def release(state: State, charge: SimCharge, reason: str | None = None) -> None:
    """
    Give up what was authorized and not captured.

    Stripe shows that as a refund, though no payer gets it, and sends no event about
    that refund.
    """
    charge.amount_released = charge.amount - charge.amount_captured
    refund = SimRefund(
        id=state.new_id("re"),
        created=state.now(),
        intent=charge.intent,
        charge=charge.id,
        amount=charge.amount_released,
        currency=charge.currency,
        release=True,
        reason=reason,
    )
    state.refunds[refund.id] = refund


def _close(intent: SimIntent, charge: SimCharge) -> None:
    """End the authorization: what was captured by now is what the payment brought."""
    charge.captured = True
    intent.amount_capturable = 0
    intent.amount_received = charge.amount_captured
    intent.status = "succeeded"
