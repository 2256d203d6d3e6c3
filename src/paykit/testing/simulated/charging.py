"""How simulated money moves: attempts, authorizations, captures and releases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from paykit.testing.simulated.balance import post_capture, post_failure
from paykit.testing.simulated.errors import card_error, unexpected_state
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import (
    SimCharge,
    SimDecline,
    SimIntent,
    SimRefund,
)
from paykit.testing.simulated.state import State

__all__ = [
    "attempt",
    "fall_back",
    "post_late",
    "release",
    "return_debit",
    "settle",
    "take",
]

_AUTHORIZED_FOR: Final = timedelta(days=7)
"""How long a card authorization holds (Visa, paid online by the customer)."""

_RETURNED: Final = SimDecline(
    "debit_not_authorized",
    None,
    None,
    "The customer has notified their bank that this payment was unauthorized.",
)


def attempt(state: State, intent: SimIntent) -> None:
    """Charge the payment's method now; raises `ProviderError` 402 if it is declined."""
    method = METHODS[intent.payment_method or ""]
    intent.last_error = None
    if method.slow:
        _start_slow(state, intent)
    elif method.decline is None:
        _authorize(state, intent)
    else:
        charge = _new_charge(state, intent, "failed")
        decline = _fail(state, intent, charge, method.decline)
        raise card_error(decline, intent)


def fall_back(intent: SimIntent) -> None:
    """Put the payment back to where it waits for a payment method."""
    intent.status = "requires_payment_method"
    intent.payment_method = None


def take(state: State, intent: SimIntent, charge: SimCharge, amount: int) -> None:
    """Capture `amount` once and for all; what is left of the authorization goes."""
    charge.captured = True
    charge.amount_captured = amount
    intent.amount_capturable = 0
    intent.amount_received = amount
    intent.status = "succeeded"
    if amount < charge.amount:
        release(state, charge)
    if intent.capture_method == "automatic_async":
        state.unposted.append(charge.id)
    else:
        post_capture(state, charge)


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


def settle(state: State, charge: SimCharge) -> None:
    """Let a pending charge come to its end, as its payment method says."""
    if charge.status != "pending":
        return
    intent = state.intent(charge.intent)
    decline = METHODS[charge.payment_method].decline
    if decline is not None:
        _fail(state, intent, charge, decline)
        return
    charge.status = "succeeded"
    take(state, intent, charge, charge.amount)
    state.emit("charge.succeeded", charge)
    state.emit("payment_intent.succeeded", intent)


def post_late(state: State) -> None:
    """Post what ``automatic_async`` left for the moment after the answer."""
    unposted, state.unposted = state.unposted, []
    for reference in unposted:
        charge = state.charge(reference)
        post_capture(state, charge)
        state.emit("charge.updated", charge, {"balance_transaction": None})


def return_debit(state: State, intent: SimIntent) -> None:
    """Let a charge that had succeeded fail: the payer's bank took the money back."""
    charge = state.latest_charge(intent)
    if charge is None or charge.status != "succeeded" or not charge.captured:
        raise unexpected_state("There is no successful charge to return.", intent)
    charge.status = "failed"
    charge.decline = replace(_RETURNED, charge=charge.id)
    post_failure(state, charge)
    state.emit("charge.failed", charge)


def _fail(
    state: State, intent: SimIntent, charge: SimCharge, reason: SimDecline
) -> SimDecline:
    """End an attempt: the charge failed, the payment waits for another method."""
    decline = replace(reason, charge=charge.id)
    charge.status = "failed"
    charge.decline = intent.last_error = decline
    fall_back(intent)
    state.emit("charge.failed", charge)
    state.emit("payment_intent.payment_failed", intent)
    return decline


def _authorize(state: State, intent: SimIntent) -> None:
    charge = _new_charge(state, intent, "succeeded")
    if intent.capture_method == "manual":
        charge.capture_before = charge.created + _AUTHORIZED_FOR
        intent.amount_capturable = intent.amount
        intent.status = "requires_capture"
        changed = "payment_intent.amount_capturable_updated"
    else:
        take(state, intent, charge, intent.amount)
        changed = "payment_intent.succeeded"
    state.emit("charge.succeeded", charge)
    state.emit(changed, intent)


def _start_slow(state: State, intent: SimIntent) -> None:
    charge = _new_charge(state, intent, "pending")
    intent.status = "processing"
    state.emit("charge.pending", charge)
    state.emit("payment_intent.processing", intent)


def _new_charge(state: State, intent: SimIntent, status: str) -> SimCharge:
    charge = SimCharge(
        id=state.new_id("ch"),
        created=state.now(),
        intent=intent.id,
        amount=intent.amount,
        currency=intent.currency,
        status=status,
        payment_method=intent.payment_method or "",
        metadata={**intent.metadata},
    )
    state.charges[charge.id] = charge
    intent.latest_charge = charge.id
    return charge
