"""The endpoints of authorizations: capture, raise, and what happens if they run out."""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated import disputes
from paykit.testing.simulated.amounts import check_charge, check_part
from paykit.testing.simulated.capturing import (
    MOST_CAPTURES,
    release,
    take,
    take_part,
)
from paykit.testing.simulated.declines import CARD_DECLINES
from paykit.testing.simulated.errors import (
    card_error,
    invalid,
    refusal,
    unexpected_state,
)
from paykit.testing.simulated.fields import require, show_at_capture
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import SimCharge, SimIntent
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = ["capture", "end_hold", "expire", "increment"]

_HELD: Final = ("requires_capture",)

_MOST_INCREMENTS: Final = 10
"""How often a higher authorization may be asked for, declines included."""


def capture(state: State, target: str, params: Params) -> SimIntent:
    """
    ``POST /v1/payment_intents/:id/capture``.

    The rest of the authorization is released, unless ``final_capture`` is false, which
    needs multicapture.
    """
    intent = state.intent(target)
    require(intent, _HELD, "captured")
    charge = state.charge(intent.latest_charge or "")
    final = params.values.get("final_capture") is not False
    amount = params.number("amount_to_capture")
    amount = intent.amount_capturable if amount is None else amount
    _check_capture(amount, intent, charge, final=final)
    intent.metadata = params.metadata(intent.metadata)
    show_at_capture(intent, charge, params)
    if charge.multicapture:
        take_part(state, intent, charge, amount, final=final)
    else:
        take(state, intent, charge, amount)
    if final:
        _tell_end(state, intent, charge)
    return intent


def increment(state: State, target: str, params: Params) -> SimIntent:
    """
    ``POST /v1/payment_intents/:id/increment_authorization``, with the new total.

    A declined request leaves the authorization as it was and can be captured.
    """
    intent = state.intent(target)
    require(intent, _HELD, "incremented")
    charge = state.charge(intent.latest_charge or "")
    amount = params.number("amount") or 0
    _check_increment(amount, intent, charge)
    intent.increments += 1
    if not METHODS[charge.payment_method].increments:
        raise card_error(CARD_DECLINES["insufficient_funds"], intent)
    before = intent.amount_capturable
    intent.metadata = params.metadata(intent.metadata)
    show_at_capture(intent, charge, params)
    intent.amount = intent.amount_capturable = charge.amount = amount
    told = "payment_intent.amount_capturable_updated"
    state.emit(told, intent, {"amount": before, "amount_capturable": before})
    return intent


def expire(state: State, intent: SimIntent, reason: str) -> None:
    """
    Let the authorization run out, as the provider does after `capture_before`.

    What was captured by then is a payment that succeeded; without any capture it is
    canceled.
    """
    require(intent, _HELD, "expired")
    charge = state.charge(intent.latest_charge or "")
    if charge.amount_captured:
        take_part(state, intent, charge, 0, final=True)
        _tell_end(state, intent, charge)
        return
    end_hold(state, intent, "charge.expired", "expired_uncaptured_charge")
    intent.cancellation_reason = reason
    state.emit("payment_intent.canceled", intent)


def end_hold(state: State, intent: SimIntent, told: str, why: str | None) -> None:
    """Cancel the payment and release its authorization; `told` is the event of it."""
    charge = state.charge(intent.latest_charge or "")
    intent.status = "canceled"
    intent.amount_capturable = 0
    intent.canceled_at = state.now()
    release(state, charge, why)
    state.emit(told, charge)


def _tell_end(state: State, intent: SimIntent, charge: SimCharge) -> None:
    """Emit that nothing more will be captured."""
    state.emit("charge.captured", charge)
    state.emit("payment_intent.succeeded", intent)
    disputes.open_for(state, charge)


def _check_capture(
    amount: int, intent: SimIntent, charge: SimCharge, *, final: bool
) -> None:
    """Refuse a capture that the authorization does not allow."""
    if not final and not charge.multicapture:
        raise invalid(
            "You can only set `final_capture` to `false` when multicapture is "
            "available for the PaymentIntent.",
            code=None,
            param="final_capture",
        )
    if amount == 0 and final and charge.amount_captured:
        return
    check_part(amount, intent.currency, "amount_to_capture")
    if intent.captures >= MOST_CAPTURES:
        raise refusal(
            f"This PaymentIntent has been captured {MOST_CAPTURES} times, which is the "
            "maximum. Release what is left with `amount_to_capture=0`.",
            code=None,
            param="amount_to_capture",
        )
    if amount > intent.amount_capturable:
        raise refusal(
            "The provided capture amount is greater than the amount that can be "
            f"captured for this PaymentIntent ({intent.amount_capturable}).",
            code="amount_too_large",
            param="amount_to_capture",
        )


def _check_increment(amount: int, intent: SimIntent, charge: SimCharge) -> None:
    """Refuse a higher authorization that is none, or that cannot be asked for."""
    check_charge(amount, intent.currency)
    if amount <= intent.amount:
        raise invalid(
            "The amount of an incremental authorization must be greater than the "
            f"currently authorized amount ({intent.amount}).",
            code="amount_too_small",
            param="amount",
        )
    if not charge.incremental or charge.amount_captured:
        raise unexpected_state(
            "This PaymentIntent is not eligible for incremental authorization.", intent
        )
    if intent.increments >= _MOST_INCREMENTS:
        raise unexpected_state(
            "This PaymentIntent has reached the maximum of "
            f"{_MOST_INCREMENTS} incremental authorization attempts.",
            intent,
        )
