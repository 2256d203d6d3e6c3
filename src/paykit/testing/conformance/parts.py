"""Capturing an authorization in parts, where the card offers it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paykit.money import Money
from paykit.psp import CapturePayment, ConfirmPayment, PaymentSnapshot, PaymentStatus
from paykit.testing.conformance.answers import payment_in, refused, require
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["PartsRules"]


class PartsRules(Base):
    """What is not final keeps the rest, and what is final lets it go."""

    def test_a_part_that_is_not_final_keeps_the_rest_authorized(
        self, client: Client
    ) -> None:
        """A provider that takes silence for "final" would release it for good."""
        payment = self._held_for_parts(client)
        rest = self.amount.minor - self.part.minor
        for captured, capturable in (
            (self.part.minor, rest),
            (2 * self.part.minor, rest - self.part.minor),
        ):
            taken = self._take(client, payment, self.part, final=False)
            assert taken.status is PaymentStatus.AUTHORIZED
            assert (taken.captured, taken.capturable) == (captured, capturable)
            shown = client.payment(payment)
            assert (shown.captured, shown.capturable) == (captured, capturable)
            assert client.charge(payment).captured == captured

    def test_the_last_part_releases_the_rest(self, client: Client) -> None:
        """And the payment is paid with what was captured in all."""
        payment = self._held_for_parts(client)
        self._take(client, payment, self.part, final=False)
        last = self._take(client, payment, self.part, final=True)
        assert last.status is PaymentStatus.SUCCEEDED
        assert (last.captured, last.capturable) == (2 * self.part.minor, 0)
        charge = client.charge(payment)
        assert (charge.captured, charge.refunded) == (2 * self.part.minor, 0)

    def test_zero_and_final_takes_nothing_more(self, client: Client) -> None:
        """The rest is released, and what was captured stays."""
        payment = self._held_for_parts(client)
        self._take(client, payment, self.part, final=False)
        nothing = Money.zero(self.amount.currency)
        closed = self._take(client, payment, nothing, final=True)
        assert closed.status is PaymentStatus.SUCCEEDED
        assert (closed.captured, closed.capturable) == (self.part.minor, 0)

    def test_without_asking_for_it_a_payment_is_captured_once(
        self, client: Client
    ) -> None:
        """The charge says so, and a part that is not final is refused."""
        _require_parts(client)
        payment = client.held()
        assert not client.charge(payment).multicapture
        request = CapturePayment(payment=payment, amount=self.part, final=False)
        refused(client.ask(request))
        assert client.payment(payment).captured == 0

    def _held_for_parts(self, client: Client) -> str:
        _require_parts(client)
        request = replace(client.creation(capture="manual"), multicapture=True)
        payment = payment_in(client.ask(request)).reference
        confirm = ConfirmPayment(payment=payment, payment_method=self.good_method)
        held = payment_in(client.ask(confirm))
        assert held.status is PaymentStatus.AUTHORIZED, "it was to be only held"
        if not client.charge(payment).multicapture:
            pytest.skip("the test account's cards offer no capture in parts")
        return payment

    def _take(
        self, client: Client, payment: str, amount: Money, *, final: bool
    ) -> PaymentSnapshot:
        request = CapturePayment(payment=payment, amount=amount, final=final)
        return payment_in(client.ask(request))


def _require_parts(client: Client) -> None:
    capabilities = client.psp.capabilities
    require(capabilities.multicapture, "capture in parts", capabilities)
