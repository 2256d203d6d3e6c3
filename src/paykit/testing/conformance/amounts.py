"""Money: integers in the minor unit as the provider counts it (DESIGN law 10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from typing import Final

import pytest

from paykit.money import CURRENCIES, Money
from paykit.testing.conformance.answers import payment_in
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["AmountRules"]

_SEVERAL: Final = 3


class AmountRules(Base):
    """What is asked for is what is charged, to the last unit and in any currency."""

    def test_no_minor_unit_is_lost(self, client: Client) -> None:
        """An adapter that goes through a float loses one here."""
        currency = CURRENCIES[self.amount.currency]
        if (currency.exponent, currency.step) != (2, 1):
            pytest.skip("`amount` is in a currency without hundredths")
        for amount in islice(_inexact(self.amount), _SEVERAL):
            _check_kept(client, amount)

    def test_amounts_in_other_currencies_are_kept(self, client: Client) -> None:
        """A yen is the smallest unit, and a Kuwaiti dinar has a thousand."""
        if not self.other_amounts:
            pytest.skip("no `other_amounts` were given")
        for amount in self.other_amounts:
            _check_kept(client, amount)


def _inexact(start: Money) -> Iterator[Money]:
    """Return amounts from `start` on that come back changed from a float."""
    for minor in count(start.minor):
        if int(minor / 100 * 100) != minor:
            yield Money(minor, start.currency)


def _check_kept(client: Client, amount: Money) -> None:
    created = payment_in(client.ask(replace(client.creation(), amount=amount)))
    for seen in (created, client.payment(created.reference)):
        assert Money(seen.amount, seen.currency) == amount
