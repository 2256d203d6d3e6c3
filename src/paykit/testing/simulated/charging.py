"""How simulated money moves: attempts, authorizations, and what banks do afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from paykit.testing.simulated import disputes
from paykit.testing.simulated.balance import post_capture, post_failure
from paykit.testing.simulated.capturing import take
from paykit.testing.simulated.declines import DEBIT_DECLINES
from paykit.testing.simulated.errors import unexpected_state
from paykit.testing.simulated.fields import asked_of_card, charge_details, is_held
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import SimCharge, SimDecline, SimIntent
from paykit.testing.simulated.state import State

__all__ = ["attempt", "fall_back", "post_late", "return_debit", "settle"]

_AUTHORIZED_FOR: Final = timedelta(days=7)
"""How long a card authorization holds (Visa, paid online by the customer)."""

_RETURNED: Final = SimDecline(
    "debit_not_authorized",
    None,
    None,
    DEBIT_DECLINES["debit_not_authorized"].message,
)


def attempt(
    state: State, intent: SimIntent, *, authenticated: bool = False
) -> SimDecline | None:
    """Charge the payment's method now; return why that was declined, if it was."""
    method = METHODS[intent.payment_method or ""]
    intent.last_error = None
    if method.slow:
        _start_slow(state, intent)
        return None
    if method.decline is not None:
        charge = _new_charge(state, intent, "failed")
        charge.authenticated = authenticated
        return _fail(state, intent, charge, method.decline)
    _authorize(state, intent, authenticated)
    return None


def fall_back(intent: SimIntent) -> None:
    """Put the payment back to where it waits for a payment method."""
    intent.status = "requires_payment_method"
    intent.payment_method = None


def settle(state: State, charge: SimCharge) -> None:
    """Let a pending charge come to its end, as its payment method says."""
    method = METHODS[charge.payment_method]
    if charge.status != "pending" or not method.settles:
        return
    intent = state.intent(charge.intent)
    if method.decline is not None:
        _fail(state, intent, charge, method.decline)
        return
    charge.status = "succeeded"
    take(state, intent, charge, charge.amount)
    state.emit("charge.succeeded", charge)
    state.emit("payment_intent.succeeded", intent)
    _maybe_dispute(state, charge)


def post_late(state: State) -> None:
    """Post what ``automatic_async`` left for the moment after the answer."""
    unposted, state.unposted = state.unposted, []
    for reference in unposted:
        charge = state.charge(reference)
        post_capture(state, charge)
        state.emit("charge.updated", charge, {"balance_transaction": None})
        _maybe_dispute(state, charge)


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


def _authorize(state: State, intent: SimIntent, authenticated: bool) -> None:
    charge = _new_charge(state, intent, "succeeded")
    charge.authenticated = authenticated
    if is_held(intent):
        charge.capture_before = charge.created + _AUTHORIZED_FOR
        charge.multicapture = asked_of_card(intent, "multicapture")
        charge.incremental = asked_of_card(intent, "incremental_authorization")
        intent.amount_capturable = intent.amount
        intent.status = "requires_capture"
        changed = "payment_intent.amount_capturable_updated"
    else:
        take(state, intent, charge, intent.amount)
        changed = "payment_intent.succeeded"
    state.emit("charge.succeeded", charge)
    state.emit(changed, intent)
    _maybe_dispute(state, charge)


def _maybe_dispute(state: State, charge: SimCharge) -> None:
    """Dispute a charge whose card does that, once its money is on the balance."""
    if charge.balance_transaction is not None:
        disputes.open_for(state, charge)


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
        details=charge_details(intent),
    )
    state.charges[charge.id] = charge
    intent.latest_charge = charge.id
    return charge
