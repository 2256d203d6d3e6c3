"""
Amounts of money as the PSP counts them: integers of the currency's minor unit.

The table below is Stripe's, not ISO 4217's: the two differ for ISK, UGX and MGA, and
whoever takes exponents from ISO or CLDR data charges a hundred times too much or too
little. Stripe sources: https://docs.stripe.com/currencies ("Zero-decimal currencies",
"Special cases", "Three-decimal currencies") and the list of codes that its API prints
when it refuses a currency.

`Money` holds what was asked or seen; `chargeable` tells whether Stripe would take it.
The two are separate because what the PSP *observes* may be an amount that nobody could
ask for (a fee of 3 fils), and must be recorded all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from typing_extensions import override

from paykit.errors import InvalidMoney

__all__ = ["CURRENCIES", "Currency", "Money", "chargeable"]

_LARGEST_CHARGE: Final = 999_999_999_999
"""Twelve digits: what Stripe's currencies page allows for most cards."""

_LARGEST_STORED: Final = 2**63 - 1
"""What a ``bigint`` column holds, in any currency."""

_DECIMAL_TEXT: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,19})?")


@dataclass(frozen=True, slots=True)
class Currency:
    """How the PSP counts one currency."""

    code: str
    """ISO 4217 code in lower case, as Stripe writes it."""

    exponent: int
    """Decimal places of an amount: one major unit is ``10 ** exponent`` minor units."""

    step: int
    """What a chargeable amount must be a multiple of, in minor units."""


# Grouped by (exponent, step). The rules of the groups, from Stripe's page:
#   (0, 1)    "zero-decimal": 500 yen is amount=500.
#   (2, 1)    everything else.
#   (2, 100)  ISK and UGX have no minor unit any more, but keep two decimals in the API;
#             Stripe refuses what is not "evenly divisible by 100".
#   (3, 10)   The last of the three decimals must be 0.
# HUF and TWD look like the third group but are so for payouts only.
# BGN ended in 2026; it stays here because its payments can still be refunded.
_GROUPS: Final[Mapping[tuple[int, int], str]] = {
    (0, 1): "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf",
    (2, 1): """
        aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp
        byn bzd cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel
        gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr
        lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd
        pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std
        szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw
    """,
    (2, 100): "isk ugx",
    (3, 10): "bhd jod kwd omr tnd",
}

CURRENCIES: Final[Mapping[str, Currency]] = MappingProxyType(
    {
        code: Currency(code, exponent, step)
        for (exponent, step), codes in _GROUPS.items()
        for code in codes.split()
    }
)
"""Every currency that can be charged through Stripe, by its lower-case code."""


@dataclass(frozen=True, slots=True)
class Money:
    """
    `minor` units of `currency`: ``Money(1050, "usd")`` is ten dollars and fifty cents.

    Never negative: direction is said by the account or the operation, not by a sign.
    A `bool`, `float` or `Decimal` is refused, and so is a currency that Stripe does not
    know; upper case codes are accepted and kept in lower case. Raises `InvalidMoney`.
    """

    minor: int
    """Smallest units, as the PSP counts them: cents, yen, fils; 0 to 2**63 - 1."""

    currency: str
    """A key of `CURRENCIES`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "currency", _known_code(self.currency))
        _check_minor(self.minor)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return no money at all, of `currency`; the start of a `sum`."""
        return cls(0, currency)

    @classmethod
    def from_decimal(cls, amount: str | Decimal, currency: str) -> Money:
        """
        Return `amount` major units: ``Money.from_decimal("10.50", "usd")``.

        Exact or not at all: nothing is rounded, no sign, exponent, space or thousands
        separator is understood, and a `float` is refused. Raises `InvalidMoney`.
        """
        exponent = CURRENCIES[_known_code(currency)].exponent
        whole, _, fraction = _plain_text(amount).partition(".")
        extra = fraction[exponent:].strip("0")
        if extra:
            raise InvalidMoney(
                f"{currency} has {exponent} decimal places", field="amount"
            )
        return cls(int(whole + fraction[:exponent].ljust(exponent, "0")), currency)

    @property
    def decimal(self) -> Decimal:
        """The exact amount in major units, with all its decimal places."""
        exponent = CURRENCIES[self.currency].exponent
        # Built from its digits: arithmetic would round to the host's decimal context.
        digits = tuple(int(digit) for digit in str(self.minor))
        return Decimal((0, digits, -exponent))

    @override
    def __str__(self) -> str:
        return f"{self.decimal:f} {self.currency.upper()}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + _minor_of(other, self.currency), self.currency)

    def __sub__(self, other: Money) -> Money:
        left = self.minor - _minor_of(other, self.currency)
        if left < 0:
            raise InvalidMoney(f"{other} is more than {self}", field="amount")
        return Money(left, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < _minor_of(other, self.currency)

    def __le__(self, other: Money) -> bool:
        return self.minor <= _minor_of(other, self.currency)

    def __gt__(self, other: Money) -> bool:
        return self.minor > _minor_of(other, self.currency)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= _minor_of(other, self.currency)

    def split(self, weights: Sequence[int]) -> tuple[Money, ...]:
        """
        Return one share per weight; together they are exactly this amount.

        ``split([1, 1, 1])`` makes three shares that differ by one unit at most. The
        unit is the currency's step where the amount is a multiple of it, so shares of a
        chargeable amount can be charged too. Units that do not divide go, one each, to
        the largest remainders, and among equals to the first. Raises `InvalidMoney`.
        """
        _check_weights(weights)
        step = CURRENCIES[self.currency].step
        unit = step if self.minor % step == 0 else 1
        units = _largest_remainders(self.minor // unit, weights)
        return tuple(Money(share * unit, self.currency) for share in units)


def chargeable(money: Money) -> Money:
    """
    Return `money` if Stripe could charge it; raise `InvalidMoney` if it never would.

    Refused are zero, more than twelve digits, and what is no multiple of the currency's
    step (ISK, UGX: 100; BHD, JOD, KWD, OMR, TND: 10). Stripe's minimum is not checked:
    it depends on the currency of settlement, which only Stripe knows.
    """
    step = CURRENCIES[money.currency].step
    if money.minor == 0:
        raise InvalidMoney("an amount of zero cannot be charged", field="amount")
    if money.minor > _LARGEST_CHARGE:
        raise InvalidMoney(f"{money} is above the PSP's twelve digits", field="amount")
    if money.minor % step:
        raise InvalidMoney(
            f"{money}: {money.currency} goes in steps of {step} minor units",
            field="amount",
        )
    return money


def _known_code(currency: object) -> str:
    """Return the normal form of a currency's code, or raise `InvalidMoney`."""
    if not isinstance(currency, str):
        kind = type(currency).__name__
        raise InvalidMoney(f"a currency is a str, not {kind}", field="currency")
    code = currency.lower()
    if not currency.isascii() or code not in CURRENCIES:
        # Shown only if it looks like a code: it could be anything, a card number too.
        shown = repr(currency) if len(currency) == 3 else "not three letters"
        raise InvalidMoney(f"unknown currency: {shown}", field="currency")
    return code


def _check_minor(minor: object) -> None:
    """Raise `InvalidMoney` unless `minor` is an int that a column can hold."""
    if type(minor) is not int:  # bool is a subclass of int, and no amount
        kind = type(minor).__name__
        raise InvalidMoney(f"an amount is an int, not {kind}", field="amount")
    if minor < 0:
        raise InvalidMoney("an amount is never negative", field="amount")
    if minor > _LARGEST_STORED:
        raise InvalidMoney("the amount is too large to store", field="amount")


def _minor_of(other: Money, currency: str) -> int:
    """Return the other operand's minor units, if it is money of the same currency."""
    if not isinstance(other, Money):
        kind = type(other).__name__
        raise InvalidMoney(f"money and {kind} do not mix")
    if other.currency != currency:
        raise InvalidMoney(
            f"{currency} and {other.currency} do not mix", field="currency"
        )
    return other.minor


def _plain_text(amount: object) -> str:
    """Return digits and at most one point, or raise `InvalidMoney`."""
    if not isinstance(amount, str | Decimal):
        kind = type(amount).__name__
        raise InvalidMoney(f"a decimal amount is a str, not {kind}", field="amount")
    # Not f"{amount:f}", which would write out all of Decimal("1E+999999999").
    text = str(amount)
    if not _DECIMAL_TEXT.fullmatch(text):
        raise InvalidMoney("not a plain decimal amount such as 10.50", field="amount")
    return text


def _check_weights(weights: Sequence[int]) -> None:
    """Raise `InvalidMoney` unless the weights can share something out."""
    if not all(type(weight) is int and weight >= 0 for weight in weights):
        raise InvalidMoney("weights are integers, none of them negative")
    if sum(weights) == 0:
        raise InvalidMoney("at least one weight must be above zero")


def _largest_remainders(units: int, weights: Sequence[int]) -> list[int]:
    """Share `units` out in proportion to `weights`, by Hamilton's method."""
    total = sum(weights)
    shares = [units * weight // total for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda index: -(units * weights[index] % total)
    )
    for index in by_remainder[: units - sum(shares)]:
        shares[index] += 1
    return shares
