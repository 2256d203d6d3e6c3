"""Raising an authorization, where the card offers it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paykit.money import Money
from paykit.psp import (
    ConfirmPayment,
    Declined,
    IncrementAuthorization,
    PaymentStatus,
)
from paykit.testing.conformance.answers import payment_in, refused, require, told
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["IncreasingRules"]


class IncreasingRules(Base):
    """To the new total, once; and a decline leaves what there was."""

    def test_an_authorization_is_raised_to_the_new_total(self, client: Client) -> None:
        """The amount of the request is the total, not what is added to it."""
        payment = self._held_to_raise(client)
        total = self._total()
        request = IncrementAuthorization(payment=payment, amount=total)
        raised = payment_in(client.ask(request))
        assert raised.status is PaymentStatus.AUTHORIZED
        assert (raised.amount, raised.capturable) == (total.minor, total.minor)
        shown = client.payment(payment)
        assert (shown.amount, shown.capturable) == (total.minor, total.minor)

    def test_same_key_raises_once_and_is_told_the_same(self, client: Client) -> None:
        """The repetition is no conflict: it is the raising's own answer."""
        payment = self._held_to_raise(client)
        request = IncrementAuthorization(payment=payment, amount=self._total())
        call = client.prepare(request)
        first, second = client.send(call), client.send(call)
        assert payment_in(first).amount == self._total().minor
        assert told(second) == told(first)

    def test_a_declined_raise_leaves_the_authorization(self, client: Client) -> None:
        """The issuer's no is an answer, and what was authorized can be captured."""
        if self.raise_declined_method is None:
            pytest.skip("no `raise_declined_method` was given")
        payment = self._held_to_raise(client, self.raise_declined_method)
        request = IncrementAuthorization(payment=payment, amount=self._total())
        answer = client.ask(request)
        assert isinstance(answer, Declined), f"not a decline: {answer}"
        assert answer.decline.code
        shown = client.payment(payment)
        assert shown.status is PaymentStatus.AUTHORIZED
        assert (shown.amount, shown.capturable) == (
            self.amount.minor,
            self.amount.minor,
        )

    def test_an_authorization_is_not_lowered(self, client: Client) -> None:
        """Refused, and nothing is released."""
        payment = self._held_to_raise(client)
        refused(client.ask(IncrementAuthorization(payment=payment, amount=self.part)))
        assert client.payment(payment).capturable == self.amount.minor

    def _held_to_raise(self, client: Client, method: str | None = None) -> str:
        can = client.psp.capabilities
        require(can.incremental_authorization, "raising of an authorization", can)
        request = replace(
            client.creation(capture="manual"), incremental_authorization=True
        )
        payment = payment_in(client.ask(request)).reference
        method = method or self.good_method
        confirm = ConfirmPayment(payment=payment, payment_method=method)
        held = payment_in(client.ask(confirm))
        assert held.status is PaymentStatus.AUTHORIZED, "it was to be only held"
        if not client.charge(payment).incremental_authorization:
            pytest.skip("the test account's cards offer no raising")
        return payment

    def _total(self) -> Money:
        """Less than twice the amount: taken for an addition it would differ."""
        return Money(self.amount.minor + self.part.minor, self.amount.currency)
