"""
What a payment only carries along: accepted, checked for its kind, shown, and no more.

Transfers to connected accounts and statement descriptors are such fields here: nothing
is transferred, and no statement is printed.
"""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.errors import invalid, unexpected_state
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import Json, SimCharge, SimIntent
from paykit.testing.simulated.parameters import Params

__all__ = [
    "asked_of_card",
    "capture_method",
    "card_option",
    "carry",
    "charge_details",
    "is_held",
    "require",
    "show_at_capture",
]

_CARRIED: Final = (
    "application_fee_amount",
    "confirmation_method",
    "customer",
    "description",
    "on_behalf_of",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
)
_AT_CAPTURE: Final = (
    "application_fee_amount",
    "description",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
)
"""What a capture or a higher authorization may still set."""

_ON_CHARGE: Final = tuple(
    name
    for name in _CARRIED
    if name not in ("confirmation_method", "setup_future_usage")
)
_CAPTURE_METHODS: Final = ("automatic", "automatic_async", "manual")


def carry(intent: SimIntent, params: Params) -> None:
    """Take over what may be set in every call before the payment is made."""
    intent.metadata = params.metadata(intent.metadata)
    _take_over(intent.details, params, _CARRIED)
    intent.capture_method = capture_method(params) or intent.capture_method
    for kind, options in params.table("payment_method_options").items():
        known = intent.method_options.get(kind)
        old = known if isinstance(known, dict) else {}
        new = options if isinstance(options, dict) else {}
        intent.method_options[kind] = {**old, **new}


def charge_details(intent: SimIntent) -> Json:
    """Return what a new charge shows of its payment."""
    return {name: intent.details.get(name) for name in _ON_CHARGE}


def show_at_capture(intent: SimIntent, charge: SimCharge, params: Params) -> None:
    """Take over what may be set until the money is captured."""
    _take_over(intent.details, params, _AT_CAPTURE)
    charge.details = charge_details(intent)


def card_option(intent: SimIntent, name: str) -> object:
    """Return ``payment_method_options[card][name]``, None if it was not sent."""
    options = intent.method_options.get("card")
    return options.get(name) if isinstance(options, dict) else None


def is_held(intent: SimIntent) -> bool:
    """Whether confirming only authorizes; an option of cards may say so, too."""
    method = METHODS[intent.payment_method or ""]
    by_card = method.type == "card" and card_option(intent, "capture_method")
    return "manual" in (intent.capture_method, by_card)


def asked_of_card(intent: SimIntent, feature: str) -> bool:
    """Whether a feature of cards was asked for, and is to be had for this one."""
    asked = card_option(intent, f"request_{feature}") == "if_available"
    return asked and METHODS[intent.payment_method or ""].flexible


def capture_method(params: Params) -> str | None:
    """Return the capture method in `params`; raises `ProviderError` for no such one."""
    method = params.text("capture_method")
    if method is not None and method not in _CAPTURE_METHODS:
        raise invalid(
            f"Invalid capture_method: must be one of {', '.join(_CAPTURE_METHODS)}",
            code=None,
            param="capture_method",
        )
    return method


def require(intent: SimIntent, statuses: tuple[str, ...], done: str) -> None:
    """Refuse what the payment's status does not allow, as Stripe words it."""
    if intent.status not in statuses:
        raise unexpected_state(
            f"This PaymentIntent could not be {done} because it has a status of "
            f"{intent.status}. Only a PaymentIntent with one of the following statuses "
            f"may be {done}: {', '.join(statuses)}.",
            intent,
        )


def _take_over(details: Json, params: Params, names: tuple[str, ...]) -> None:
    for name in names:
        if name in params.values:
            details[name] = params.values[name] or None
