"""The endpoint that makes the payment, and what the payer has to do for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paykit.testing.simulated.charging import attempt, fall_back
from paykit.testing.simulated.errors import (
    ProviderError,
    card_error,
    invalid,
    not_found,
    unexpected_state,
)
from paykit.testing.simulated.fields import (
    capture_method,
    card_option,
    carry,
    require,
)
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import SimDecline, SimIntent
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = [
    "CONFIRMABLE",
    "authenticate",
    "check_return",
    "check_secret",
    "choose_method",
    "confirm",
    "confirm_now",
    "known_method",
    "no_method",
]

CONFIRMABLE: Final = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
)
"""The statuses of a payment that was not made yet."""

_AUTHENTICATION_REQUIRED: Final = SimDecline(
    "authentication_required",
    "authentication_required",
    None,
    "Your card was declined. This transaction requires authentication.",
)
_AUTHENTICATION_FAILED: Final = SimDecline(
    "payment_intent_authentication_failure",
    None,
    None,
    "The provided PaymentMethod has failed authentication. You can provide "
    "payment_method_data or a new PaymentMethod to attempt to fulfill this "
    "PaymentIntent again.",
)


def confirm(state: State, target: str, params: Params) -> SimIntent:
    """``POST /v1/payment_intents/:id/confirm``."""
    intent = state.intent(target)
    check_secret(intent, params)
    known_method(params)
    capture_method(params)
    check_return(intent.redirects, params, intent)
    confirm_now(state, intent, params)
    return intent


def confirm_now(state: State, intent: SimIntent, params: Params) -> None:
    """Make the payment, or ask the payer to act; 402 if the issuer says no."""
    require(intent, CONFIRMABLE, "confirmed")
    carry(intent, params)
    choose_method(intent, params)
    intent.return_url = params.text("return_url") or intent.return_url
    intent.uses_sdk = params.flag("use_stripe_sdk") or intent.uses_sdk
    if intent.payment_method is None:
        raise no_method(intent)
    if _must_authenticate(intent, params):
        _ask_payer(state, intent, params)
        return
    declined = attempt(state, intent)
    if declined is not None:
        raise card_error(declined, intent)


def authenticate(state: State, intent: SimIntent, *, success: bool) -> None:
    """Let the payer finish (or fail) what `next_action` asked for."""
    require(intent, ("requires_action",), "authenticated")
    if success:
        attempt(state, intent, authenticated=True)
        return
    intent.last_error = _AUTHENTICATION_FAILED
    fall_back(intent)
    state.emit("payment_intent.payment_failed", intent)


def choose_method(intent: SimIntent, params: Params) -> None:
    """Take over the payment method: the payment then waits for its confirmation."""
    method = params.text("payment_method")
    if method is not None:
        intent.payment_method = method
        intent.status = "requires_confirmation"


def known_method(params: Params) -> str | None:
    """Return the payment method in `params`; 404 for one that does not exist."""
    method = params.text("payment_method")
    if method is not None and method not in METHODS:
        raise not_found("PaymentMethod", method, param="payment_method")
    return method


def check_return(redirects: bool, params: Params, intent: SimIntent | None) -> None:
    """Ask for the way back, as Stripe does when a redirect is possible."""
    known = intent is not None and intent.return_url is not None
    if redirects and not known and params.text("return_url") is None:
        raise invalid(
            "This PaymentIntent is configured to accept payment methods that might "
            "redirect your customer off of your page: you must provide a `return_url`, "
            "or set `automatic_payment_methods[allow_redirects]` to `never`.",
            code=None,
            param="return_url",
        )


def check_secret(intent: SimIntent, params: Params) -> None:
    """Refuse a ``client_secret`` that is another payment's."""
    secret = params.text("client_secret")
    if secret not in (None, intent.client_secret):
        raise invalid(
            "The client_secret provided does not match any associated PaymentIntent "
            "on this account.",
            code=None,
            param="client_secret",
        )


def no_method(intent: SimIntent | None) -> ProviderError:
    """Refuse a confirmation that has nothing to be paid with."""
    message = (
        "You cannot confirm this PaymentIntent because it's missing a payment method. "
        "You can either update the PaymentIntent with a payment method and then "
        "confirm it again, or confirm it again directly with a payment method or "
        "ConfirmationToken."
    )
    if intent is None:
        code = "payment_intent_unexpected_state"
        return invalid(message, code=code, param="payment_method")
    return unexpected_state(message, intent)


def _must_authenticate(intent: SimIntent, params: Params) -> bool:
    """Whether the payer must pass 3-D Secure before the card is charged."""
    asked = card_option(intent, "request_three_d_secure")
    match METHODS[intent.payment_method or ""].authenticate:
        case "never":
            return False
        case "if_asked":
            return asked in ("any", "challenge")
        case "on_session":
            return not params.flag("off_session")
        case "always":
            return True


def _ask_payer(state: State, intent: SimIntent, params: Params) -> None:
    if params.flag("off_session") or params.flag("error_on_requires_action"):
        intent.last_error = replace(_AUTHENTICATION_REQUIRED)
        fall_back(intent)
        state.emit("payment_intent.payment_failed", intent)
        raise card_error(intent.last_error, intent)
    intent.status = "requires_action"
    intent.last_error = None
    state.emit("payment_intent.requires_action", intent)
