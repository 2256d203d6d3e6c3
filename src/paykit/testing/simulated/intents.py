"""The endpoints of payments that are not made yet: create, update, cancel."""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.amounts import check_charge
from paykit.testing.simulated.captures import end_hold
from paykit.testing.simulated.confirming import (
    CONFIRMABLE,
    check_return,
    choose_method,
    confirm_now,
    known_method,
    no_method,
)
from paykit.testing.simulated.errors import invalid, unexpected_state
from paykit.testing.simulated.fields import capture_method, carry, require
from paykit.testing.simulated.objects import SimIntent
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = ["cancel", "create", "update"]

_USER_REASONS: Final = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_CANCELABLE: Final = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
)
_ALWAYS_CHANGEABLE: Final = frozenset({"description", "expand", "metadata"})
"""What may still be updated after the payment was made."""


def create(state: State, _target: str, params: Params) -> SimIntent:
    """``POST /v1/payment_intents``."""
    amount, currency = params.number("amount") or 0, params.text("currency") or ""
    method = known_method(params)
    check_charge(amount, currency)
    if params.flag("confirm") and method is None:
        raise no_method(None)
    if params.flag("confirm"):
        check_return(_may_redirect(params), params, None)
    intent = SimIntent(
        id=state.new_id("pi"),
        created=state.now(),
        amount=amount,
        currency=currency.lower(),
        capture_method=capture_method(params) or "automatic_async",
        redirects=_may_redirect(params),
    )
    state.intents[intent.id] = intent
    carry(intent, params)
    choose_method(intent, params)
    state.emit("payment_intent.created", intent)
    if params.flag("confirm"):
        confirm_now(state, intent, params)
    return intent


def update(state: State, target: str, params: Params) -> SimIntent:
    """
    ``POST /v1/payment_intents/:id``; Stripe sends no event for it.

    Whoever changes the amount while the payer acts has to confirm again. Any update
    clears the last error.
    """
    intent = state.intent(target)
    if not params.values.keys() <= _ALWAYS_CHANGEABLE:
        require(intent, CONFIRMABLE, "updated")
    amount, currency = params.number("amount"), params.text("currency")
    new_amount = intent.amount if amount is None else amount
    new_currency = (currency or intent.currency).lower()
    known_method(params)
    if (intent.amount, intent.currency) != (new_amount, new_currency):
        check_charge(new_amount, new_currency)
        intent.amount, intent.currency = new_amount, new_currency
        if intent.status == "requires_action":
            intent.status = "requires_confirmation"
    carry(intent, params)
    choose_method(intent, params)
    intent.last_error = None
    return intent


def cancel(state: State, target: str, params: Params) -> SimIntent:
    """``POST /v1/payment_intents/:id/cancel``; releases what was authorized."""
    intent = state.intent(target)
    reason = params.text("cancellation_reason")
    if reason is not None and reason not in _USER_REASONS:
        raise invalid(
            f"Invalid cancellation_reason: must be one of {', '.join(_USER_REASONS)}",
            code=None,
            param="cancellation_reason",
        )
    require(intent, _CANCELABLE, "canceled")
    if intent.amount_received:
        raise unexpected_state(
            "This PaymentIntent could not be canceled because it has been partially "
            "captured. Release the rest by a capture with `amount_to_capture=0`.",
            intent,
        )
    if intent.status == "requires_capture":
        end_hold(state, intent, "charge.refunded", None)
    intent.status = "canceled"
    intent.canceled_at = state.now()
    intent.cancellation_reason = reason
    state.emit("payment_intent.canceled", intent)
    return intent


def _may_redirect(params: Params) -> bool:
    """Whether the new payment accepts methods that send the payer elsewhere."""
    automatic = params.table("automatic_payment_methods")
    never = automatic.get("allow_redirects") == "never"
    return not never and not params.texts("allowed_payment_method_types")
