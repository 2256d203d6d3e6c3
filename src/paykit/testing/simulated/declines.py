"""
Why test payment methods are declined: code, decline code, advice and message.

Stripe has about fifty decline codes (https://docs.stripe.com/declines/codes); these are
the ones that a test card or a test bank account can produce.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from paykit.testing.simulated.objects import SimDecline

__all__ = ["CARD_DECLINES", "DEBIT_DECLINES"]

_TRY_LATER: Final = "try_again_later"
_STOP: Final = "do_not_try_again"
_CHECK: Final = "confirm_card_data"


def _card(code: str, decline_code: str, advice: str, message: str) -> SimDecline:
    return SimDecline(code, decline_code, advice, message)


def _debit(decline_code: str, message: str) -> SimDecline:
    return SimDecline("payment_method_customer_decline", decline_code, None, message)


CARD_DECLINES: Final[Mapping[str, SimDecline]] = MappingProxyType(
    {
        "generic_decline": _card(
            "card_declined", "generic_decline", _TRY_LATER, "Your card was declined."
        ),
        "insufficient_funds": _card(
            "card_declined",
            "insufficient_funds",
            _TRY_LATER,
            "Your card has insufficient funds.",
        ),
        "lost_card": _card(
            "card_declined", "lost_card", _STOP, "Your card was declined."
        ),
        "stolen_card": _card(
            "card_declined", "stolen_card", _STOP, "Your card was declined."
        ),
        "fraudulent": _card(
            "card_declined", "fraudulent", _STOP, "Your card was declined."
        ),
        "card_velocity_exceeded": _card(
            "card_declined",
            "card_velocity_exceeded",
            _TRY_LATER,
            "Your card was declined for making repeated attempts too frequently or "
            "exceeding its amount limit.",
        ),
        "expired_card": _card(
            "expired_card", "expired_card", _STOP, "Your card has expired."
        ),
        "incorrect_cvc": _card(
            "incorrect_cvc",
            "incorrect_cvc",
            _CHECK,
            "Your card's security code is incorrect.",
        ),
        "incorrect_number": _card(
            "incorrect_number",
            "incorrect_number",
            _CHECK,
            "Your card number is incorrect.",
        ),
        "processing_error": _card(
            "processing_error",
            "processing_error",
            _TRY_LATER,
            "An error occurred while processing your card. Try again in a little bit.",
        ),
    }
)
"""Refusals of cards, by their decline code."""

DEBIT_DECLINES: Final[Mapping[str, SimDecline]] = MappingProxyType(
    {
        "insufficient_funds": _debit(
            "insufficient_funds", "The customer's bank account has insufficient funds."
        ),
        "account_closed": _debit(
            "account_closed", "The customer's bank account has been closed."
        ),
        "no_account": _debit(
            "no_account", "The customer's bank account could not be located."
        ),
        "debit_not_authorized": _debit(
            "debit_not_authorized",
            "The customer has notified their bank that this payment was unauthorized.",
        ),
        "invalid_currency": _debit(
            "invalid_currency",
            "The customer's bank account does not take debits in this currency.",
        ),
    }
)
"""Why a bank debit fails days after it was accepted, by its decline code."""
