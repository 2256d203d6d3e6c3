"""Which amounts the simulated provider takes, and how it refuses the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paykit.money import CURRENCIES, Money
from paykit.testing.simulated.errors import invalid

__all__ = ["check_charge", "check_part"]

_LARGEST: Final = 999_999_999_999
"""Twelve digits: https://docs.stripe.com/currencies, "Minimum and maximum charge"."""

_SMALLEST: Final[Mapping[str, int]] = {
    "aed": 200,
    "aud": 50,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 15_00,
    "dkk": 2_50,
    "eur": 50,
    "gbp": 30,
    "hkd": 4_00,
    "huf": 175_00,
    "inr": 50,
    "jpy": 50,
    "mxn": 10_00,
    "myr": 2_00,
    "nok": 3_00,
    "nzd": 50,
    "pln": 2_00,
    "ron": 2_00,
    "sek": 3_00,
    "sgd": 50,
    "thb": 10_00,
    "usd": 50,
}
"""
The least that can be charged, in minor units, for an account that settles everything in
the currency of the charge. At Stripe the minimum is that of the currency of settlement.
"""


def check_charge(amount: int, currency: str) -> None:
    """Refuse an amount that no payment can have; raises `ProviderError`."""
    code = currency.lower()
    if code not in CURRENCIES:
        raise invalid(
            f"Invalid currency: {currency}. Stripe currently supports these "
            f"currencies: {', '.join(CURRENCIES)}",
            code=None,
            param="currency",
        )
    check_part(amount, code, "amount")
    if amount < _SMALLEST.get(code, 1):
        least = Money(_SMALLEST[code], code)
        message = f"Amount must be at least {least.decimal} {code}"
        raise invalid(message, code="amount_too_small", param="amount")
    if amount > _LARGEST:
        most = Money(_LARGEST, code)
        message = f"Amount must be no more than {most.decimal} {code}"
        raise invalid(message, code="amount_too_large", param="amount")


def check_part(amount: int, currency: str, param: str) -> None:
    """Refuse what cannot be an amount of `currency`, of a payment or a part of it."""
    if amount < 1:
        raise invalid(
            "Invalid positive integer", code="parameter_invalid_integer", param=param
        )
    step = CURRENCIES[currency].step
    if amount % step == 0:
        return
    if step == 100:
        message = (
            f"Invalid amount. Currency {currency.upper()} has become effectively "
            "zero-decimal and charged amounts must be evenly divisible by 100."
        )
    else:
        message = (
            f"Invalid amount. {currency.upper()} amounts must be rounded to the "
            "nearest ten: the last digit must be 0."
        )
    raise invalid(message, code=None, param=param)
