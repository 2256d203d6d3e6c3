"""
What each test payment method does.

The names are Stripe's own test names (https://docs.stripe.com/testing), so a test that
passes here can be run against Stripe's test mode unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from paykit.testing.simulated.objects import SimDecline

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True, slots=True)
class Method:
    """The behaviour of one payment method."""

    brand: str
    last4: str
    type: str = "card"
    decline: SimDecline | None = None
    """Why the issuer says no; None if it says yes."""
    authenticate: bool = False
    """Whether the payer must act first."""
    slow: bool = False
    """Whether the outcome is known only when `settle_charges` is called."""
    refund: Literal["succeeds", "pending", "fails_later"] = "succeeds"


_TRY_LATER: Final = "try_again_later"
_STOP: Final = "do_not_try_again"
_CHECK: Final = "confirm_card_data"


def _no(
    code: str, decline_code: str | None, advice: str | None, message: str
) -> SimDecline:
    return SimDecline(code, decline_code, advice, message)


_DECLINES: Final[Mapping[str, tuple[str, SimDecline]]] = {
    "chargeDeclined": (
        "0002",
        _no("card_declined", "generic_decline", _TRY_LATER, "Your card was declined."),
    ),
    "chargeDeclinedInsufficientFunds": (
        "9995",
        _no(
            "card_declined",
            "insufficient_funds",
            _TRY_LATER,
            "Your card has insufficient funds.",
        ),
    ),
    "chargeDeclinedLostCard": (
        "9987",
        _no("card_declined", "lost_card", _STOP, "Your card was declined."),
    ),
    "chargeDeclinedStolenCard": (
        "9979",
        _no("card_declined", "stolen_card", _STOP, "Your card was declined."),
    ),
    "chargeDeclinedExpiredCard": (
        "0069",
        _no("expired_card", "expired_card", _STOP, "Your card has expired."),
    ),
    "chargeDeclinedIncorrectCvc": (
        "0127",
        _no(
            "incorrect_cvc",
            "incorrect_cvc",
            _CHECK,
            "Your card's security code is incorrect.",
        ),
    ),
    "chargeDeclinedProcessingError": (
        "0119",
        _no(
            "processing_error",
            "processing_error",
            _TRY_LATER,
            "An error occurred while processing your card. Try again in a little bit.",
        ),
    ),
}

_NO_DEBIT_FUNDS: Final = _no(
    "payment_method_customer_decline",
    "insufficient_funds",
    _TRY_LATER,
    "The customer's bank account has insufficient funds.",
)


def _table() -> dict[str, Method]:
    table = {
        "pm_card_visa": Method("visa", "4242"),
        "pm_card_visa_debit": Method("visa", "5556"),
        "pm_card_mastercard": Method("mastercard", "4444"),
        "pm_card_amex": Method("amex", "0005"),
        "pm_card_bypassPending": Method("visa", "0077"),
        "pm_card_authenticationRequired": Method("visa", "3184", authenticate=True),
        "pm_card_threeDSecure2Required": Method("visa", "3220", authenticate=True),
        "pm_card_pendingRefund": Method("visa", "7726", refund="pending"),
        "pm_card_refundFail": Method("visa", "5126", refund="fails_later"),
        "pm_usBankAccount_success": Method(
            "", "6789", type="us_bank_account", slow=True
        ),
        "pm_usBankAccount_insufficientFunds": Method(
            "", "2227", type="us_bank_account", slow=True, decline=_NO_DEBIT_FUNDS
        ),
    }
    for name, (last4, decline) in _DECLINES.items():
        table[f"pm_card_visa_{name}"] = Method("visa", last4, decline=decline)
        table[f"pm_card_{name}"] = table[f"pm_card_visa_{name}"]
    return table


METHODS: Final[Mapping[str, Method]] = MappingProxyType(_table())
"""Every payment method the simulated provider knows, by Stripe's test name."""
