"""
What each test payment method does.

The names are Stripe's own test names (https://docs.stripe.com/testing), so a test that
passes here can be run against Stripe's test mode unchanged. One is ours, because a
wrong card number fails at Stripe before a payment method exists:
``pm_card_chargeDeclinedIncorrectNumber``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from paykit.testing.simulated.declines import CARD_DECLINES, DEBIT_DECLINES
from paykit.testing.simulated.objects import SimDecline

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True, slots=True)
class Method:
    """The behaviour of one payment method."""

    brand: str
    last4: str
    type: str = "card"
    funding: str = "credit"
    decline: SimDecline | None = None
    """Why the issuer says no; None if it says yes."""
    authenticate: Literal["never", "if_asked", "on_session", "always"] = "if_asked"
    """When the payer must pass 3-D Secure; ``if_asked``: for the merchant only."""
    slow: bool = False
    """Whether the outcome is known only when `settle_charges` is called."""
    settles: bool = True
    """Whether `settle_charges` ends it; some debits stay in processing for ever."""
    refund: Literal["succeeds", "pending", "fails_later"] = "succeeds"
    dispute: Literal["fraudulent", "product_not_received", "inquiry"] | None = None
    """What the cardholder does right after the capture."""
    risk: Literal["normal", "elevated", "highest"] = "normal"
    """Radar's opinion of the payment."""
    blocked: bool = False
    """Whether Radar declined it, and the issuer was never asked."""
    failed_checks: tuple[str, ...] = ()
    """What the issuer found wrong about the card's data, such as ``cvc_check``."""
    increments: bool = True
    """Whether the issuer agrees to a higher authorization."""

    @property
    def flexible(self) -> bool:
        """
        Whether several captures and higher authorizations are possible.

        They are for these brands only, and for merchants on IC+ pricing: the simulated
        account is one. Source: https://docs.stripe.com/payments/multicapture.
        """
        brands = ("visa", "mastercard", "amex", "discover")
        return self.type == "card" and self.brand in brands


_BRANDS: Final[Mapping[str, Method]] = {
    "pm_card_visa": Method("visa", "4242"),
    "pm_card_visa_debit": Method("visa", "5556", funding="debit"),
    "pm_card_mastercard": Method("mastercard", "4444"),
    "pm_card_mastercard_debit": Method("mastercard", "8210", funding="debit"),
    # A prepaid card has what is on it: a higher authorization is declined.
    "pm_card_mastercard_prepaid": Method(
        "mastercard", "5100", funding="prepaid", increments=False
    ),
    "pm_card_amex": Method("amex", "0005"),
    "pm_card_discover": Method("discover", "1117"),
    "pm_card_diners": Method("diners", "0004"),
    "pm_card_jcb": Method("jcb", "0505"),
    "pm_card_unionpay": Method("unionpay", "0005"),
    "pm_card_bypassPending": Method("visa", "0077"),
    "pm_card_bypassPendingInternational": Method("visa", "0278"),
    "pm_card_amex_threeDSecureNotSupported": Method(
        "amex", "0005", authenticate="never"
    ),
}

_DECLINES: Final[Mapping[str, tuple[str, str]]] = {
    "chargeDeclined": ("0002", "generic_decline"),
    "chargeDeclinedInsufficientFunds": ("9995", "insufficient_funds"),
    "chargeDeclinedLostCard": ("9987", "lost_card"),
    "chargeDeclinedStolenCard": ("9979", "stolen_card"),
    "chargeDeclinedExpiredCard": ("0069", "expired_card"),
    "chargeDeclinedIncorrectCvc": ("0127", "incorrect_cvc"),
    "chargeDeclinedProcessingError": ("0119", "processing_error"),
    "chargeDeclinedIncorrectNumber": ("4241", "incorrect_number"),
    "chargeDeclinedVelocityLimitExceeded": ("6975", "card_velocity_exceeded"),
    # This one can be attached to a customer; its charges fail all the same.
    "chargeCustomerFail": ("0341", "generic_decline"),
}

_AUTHENTICATION: Final[Mapping[str, Method]] = {
    "authenticationRequired": Method("visa", "3184", authenticate="always"),
    "authenticationRequiredOnSetup": Method("visa", "3155", authenticate="always"),
    "authenticationRequiredSetupForOffSession": Method(
        "visa", "0446", authenticate="on_session"
    ),
    "authenticationRequiredChargeDeclinedInsufficientFunds": Method(
        "visa",
        "3178",
        authenticate="always",
        decline=CARD_DECLINES["insufficient_funds"],
    ),
    "threeDSecureRequired": Method("visa", "3063", authenticate="always"),
    "threeDSecure2Required": Method("visa", "3220", authenticate="always"),
    "threeDSecureRequiredChargeDeclined": Method(
        "visa", "1629", authenticate="always", decline=CARD_DECLINES["generic_decline"]
    ),
    # The directory of the card's network does not answer.
    "threeDSecureRequiredProcessingError": Method(
        "visa",
        "1280",
        authenticate="never",
        decline=CARD_DECLINES["processing_error"],
    ),
    "threeDSecureOptional": Method("visa", "3055"),
}

_RADAR: Final[Mapping[str, Method]] = {
    "radarBlock": Method(
        "visa",
        "0019",
        decline=CARD_DECLINES["fraudulent"],
        risk="highest",
        blocked=True,
    ),
    "riskLevelHighest": Method(
        "visa",
        "4954",
        decline=CARD_DECLINES["fraudulent"],
        risk="highest",
        blocked=True,
    ),
    "riskLevelElevated": Method("visa", "9235", risk="elevated"),
    "cvcCheckFail": Method("visa", "0101", failed_checks=("cvc_check",)),
    "avsLine1Fail": Method("visa", "0028", failed_checks=("address_line1_check",)),
    "avsZipFail": Method("visa", "0036", failed_checks=("address_postal_code_check",)),
    "avsFail": Method(
        "visa",
        "0010",
        failed_checks=("address_line1_check", "address_postal_code_check"),
    ),
}

_AFTERWARDS: Final[Mapping[str, Method]] = {
    "pendingRefund": Method("visa", "7726", refund="pending"),
    "refundFail": Method("visa", "5126", refund="fails_later"),
    "createDispute": Method("visa", "0259", dispute="fraudulent"),
    "createDisputeProductNotReceived": Method(
        "visa", "2685", dispute="product_not_received"
    ),
    "createDisputeInquiry": Method("visa", "1976", dispute="inquiry"),
}

_US_DEBIT: Final = Method(
    "", "6789", type="us_bank_account", authenticate="never", slow=True
)
_SEPA_DEBIT: Final = Method(
    "", "3201", type="sepa_debit", authenticate="never", slow=True
)
_NO_FUNDS: Final = DEBIT_DECLINES["insufficient_funds"]

_DEBITS: Final[Mapping[str, Method]] = {
    "pm_usBankAccount_success": _US_DEBIT,
    "pm_usBankAccount_processing": replace(_US_DEBIT, last4="0009", settles=False),
    "pm_usBankAccount_dispute": replace(_US_DEBIT, last4="5559", dispute="fraudulent"),
    "pm_usBankAccount_insufficientFunds": replace(
        _US_DEBIT, last4="2227", decline=_NO_FUNDS
    ),
    "pm_usBankAccount_accountClosed": replace(
        _US_DEBIT, last4="1113", decline=DEBIT_DECLINES["account_closed"]
    ),
    "pm_usBankAccount_noAccount": replace(
        _US_DEBIT, last4="1116", decline=DEBIT_DECLINES["no_account"]
    ),
    "pm_usBankAccount_debitNotAuthorized": replace(
        _US_DEBIT, last4="3335", decline=DEBIT_DECLINES["debit_not_authorized"]
    ),
    "pm_usBankAccount_invalidCurrency": replace(
        _US_DEBIT, last4="4440", decline=DEBIT_DECLINES["invalid_currency"]
    ),
    "pm_success_de": replace(_SEPA_DEBIT, last4="3000"),
    "pm_failed_de": replace(_SEPA_DEBIT, decline=DEBIT_DECLINES["no_account"]),
    "pm_insufficientFunds_de": replace(_SEPA_DEBIT, last4="3202", decline=_NO_FUNDS),
    "pm_disputed_de": replace(_SEPA_DEBIT, last4="3207", dispute="fraudulent"),
}


def _named() -> Iterator[tuple[str, Method]]:
    """Go through all methods; declines have a second name with their brand."""
    yield from _BRANDS.items()
    yield from _DEBITS.items()
    for group in (_AUTHENTICATION, _RADAR, _AFTERWARDS):
        yield from ((f"pm_card_{name}", method) for name, method in group.items())
    for name, (last4, code) in _DECLINES.items():
        declined = Method("visa", last4, decline=CARD_DECLINES[code])
        yield f"pm_card_{name}", declined
        yield f"pm_card_visa_{name}", declined


METHODS: Final[Mapping[str, Method]] = MappingProxyType(dict(_named()))
"""Every payment method the simulated provider knows, by Stripe's test name."""
