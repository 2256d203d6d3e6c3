"""The endpoints of PaymentIntents: create, update, confirm, capture, cancel."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from paykit.errors import InvalidMoney
from paykit.money import CURRENCIES, Money, chargeable
from paykit.testing.simulated.charging import attempt, fall_back, release, take
from paykit.testing.simulated.errors import (
    card_error,
    invalid,
    not_found,
    unexpected_state,
)
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import SimDecline, SimIntent
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = [
    "authenticate",
    "cancel",
    "capture",
    "confirm",
    "create",
    "expire",
    "update",
]

_ECHOED: Final = (
    "customer",
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_CAPTURE_METHODS: Final = ("automatic", "automatic_async", "manual")
_USER_REASONS: Final = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_CONFIRMABLE: Final = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
)
_CANCELABLE: Final = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
)

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


def create(state: State, _target: str, params: Params) -> SimIntent:
    """``POST /v1/payment_intents``."""
    amount, currency = params.number("amount") or 0, params.text("currency") or ""
    _check_money(amount, currency)
    method = _known_method(params)
    if params.flag("confirm") and method is None:
        raise _no_method(None)
    if params.flag("confirm"):
        _check_return(_may_redirect(params), params, None)
    intent = SimIntent(
        id=state.new_id("pi"),
        created=state.now(),
        amount=amount,
        currency=currency.lower(),
        capture_method=_capture_method(params) or "automatic_async",
        redirects=_may_redirect(params),
    )
    state.intents[intent.id] = intent
    _apply(intent, params)
    state.emit("payment_intent.created", intent)
    if params.flag("confirm"):
        _confirm(state, intent, params)
    return intent


def update(state: State, target: str, params: Params) -> SimIntent:
    """``POST /v1/payment_intents/:id``; Stripe sends no event for it."""
    intent = state.intent(target)
    amount = params.number("amount")
    currency = params.text("currency") or intent.currency
    if amount is not None or params.text("currency"):
        _check_money(intent.amount if amount is None else amount, currency)
        _require(intent, _CONFIRMABLE, "updated")
        intent.amount = intent.amount if amount is None else amount
        intent.currency = currency.lower()
    _known_method(params)
    _apply(intent, params)
    return intent


def confirm(state: State, target: str, params: Params) -> SimIntent:
    """``POST /v1/payment_intents/:id/confirm``."""
    intent = state.intent(target)
    _known_method(params)
    _capture_method(params)
    _check_return(intent.redirects, params, intent)
    _confirm(state, intent, params)
    return intent


def capture(state: State, target: str, params: Params) -> SimIntent:
    """``POST /v1/payment_intents/:id/capture``: one shot, the rest is released."""
    intent = state.intent(target)
    _require(intent, ("requires_capture",), "captured")
    charge = state.charge(intent.latest_charge or "")
    amount = params.number("amount_to_capture")
    amount = intent.amount_capturable if amount is None else amount
    _check_capture(amount, intent)
    intent.metadata = params.metadata(intent.metadata)
    take(state, intent, charge, amount)
    state.emit("charge.captured", charge)
    state.emit("payment_intent.succeeded", intent)
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
    _require(intent, _CANCELABLE, "canceled")
    _end(state, intent, reason, "charge.refunded", None)
    return intent


def expire(state: State, intent: SimIntent, reason: str) -> None:
    """Let the authorization run out, as the provider does after `capture_before`."""
    _require(intent, ("requires_capture",), "expired")
    _end(state, intent, reason, "charge.expired", "expired_uncaptured_charge")


def authenticate(state: State, intent: SimIntent, *, success: bool) -> None:
    """Let the payer finish (or fail) what `next_action` asked for."""
    _require(intent, ("requires_action",), "authenticated")
    if success:
        attempt(state, intent)
        return
    intent.last_error = _AUTHENTICATION_FAILED
    fall_back(intent)
    state.emit("payment_intent.payment_failed", intent)


def _confirm(state: State, intent: SimIntent, params: Params) -> None:
    _require(intent, _CONFIRMABLE, "confirmed")
    _apply(intent, params)
    intent.return_url = params.text("return_url") or intent.return_url
    if intent.payment_method is None:
        raise _no_method(intent)
    if METHODS[intent.payment_method].authenticate:
        _ask_payer(state, intent, params)
    else:
        attempt(state, intent)


def _ask_payer(state: State, intent: SimIntent, params: Params) -> None:
    if params.flag("off_session") or params.flag("error_on_requires_action"):
        intent.last_error = replace(_AUTHENTICATION_REQUIRED)
        fall_back(intent)
        state.emit("payment_intent.payment_failed", intent)
        raise card_error(intent.last_error, intent)
    intent.status = "requires_action"
    intent.last_error = None
    state.emit("payment_intent.requires_action", intent)


def _apply(intent: SimIntent, params: Params) -> None:
    """Take over what may be set in every call before the payment is made."""
    intent.metadata = params.metadata(intent.metadata)
    for name in _ECHOED:
        if name in params.values:
            intent.details[name] = params.values[name] or None
    intent.capture_method = _capture_method(params) or intent.capture_method
    method = params.text("payment_method")
    if method is not None:
        intent.payment_method = method
        if intent.status == "requires_payment_method":
            intent.status = "requires_confirmation"


def _end(
    state: State, intent: SimIntent, reason: str | None, told: str, why: str | None
) -> None:
    """Cancel the payment; `told` is the event about an authorization, if it had one."""
    held = intent.status == "requires_capture"
    intent.status = "canceled"
    intent.amount_capturable = 0
    intent.canceled_at = state.now()
    intent.cancellation_reason = reason
    if held:
        charge = state.charge(intent.latest_charge or "")
        release(state, charge, why)
        state.emit(told, charge)
    state.emit("payment_intent.canceled", intent)


def _require(intent: SimIntent, statuses: tuple[str, ...], done: str) -> None:
    if intent.status not in statuses:
        raise unexpected_state(
            f"This PaymentIntent could not be {done} because it has a status of "
            f"{intent.status}. Only a PaymentIntent with one of the following statuses "
            f"may be {done}: {', '.join(statuses)}.",
            intent,
        )


def _check_money(amount: int, currency: str) -> None:
    if currency.lower() not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}", code=None, param="currency")
    if amount < 1:
        raise invalid(
            "Invalid positive integer",
            code="parameter_invalid_integer",
            param="amount",
        )
    try:
        chargeable(Money(amount, currency))
    except InvalidMoney as error:
        message = f"Invalid amount. {error}"
        raise invalid(message, code=None, param="amount") from error


def _may_redirect(params: Params) -> bool:
    """Whether the new payment accepts methods that send the payer elsewhere."""
    automatic = params.table("automatic_payment_methods")
    never = automatic.get("allow_redirects") == "never"
    return not never and not params.texts("allowed_payment_method_types")


def _check_return(redirects: bool, params: Params, intent: SimIntent | None) -> None:
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


def _check_capture(amount: int, intent: SimIntent) -> None:
    if amount < 1:
        raise invalid(
            "Invalid positive integer",
            code="parameter_invalid_integer",
            param="amount_to_capture",
        )
    if amount > intent.amount_capturable:
        error = invalid(
            "The provided capture amount is greater than the amount that can be "
            f"captured for this PaymentIntent ({intent.amount_capturable}).",
            code="amount_too_large",
            param="amount_to_capture",
        )
        error.executed = True
        raise error


def _known_method(params: Params) -> str | None:
    method = params.text("payment_method")
    if method is not None and method not in METHODS:
        raise not_found("PaymentMethod", method, param="payment_method")
    return method


def _capture_method(params: Params) -> str | None:
    method = params.text("capture_method")
    if method is not None and method not in _CAPTURE_METHODS:
        raise invalid(
            f"Invalid capture_method: must be one of {', '.join(_CAPTURE_METHODS)}",
            code=None,
            param="capture_method",
        )
    return method


def _no_method(intent: SimIntent | None) -> Exception:
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
