"""Authorizing now and taking the money later."""

from __future__ import annotations

from paykit.money import Money
from paykit.psp import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    Conflict,
    PaymentStatus,
)
from paykit.testing.conformance.answers import payment_in, refused, require
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["CapturingRules"]


class CapturingRules(Base):
    """A hold is taken, in part or whole, or let go: once."""

    def test_a_manual_payment_is_only_authorized(self, client: Client) -> None:
        """The money is held and not taken."""
        self._require_manual(client)
        payment = client.opened(capture="manual")
        request = ConfirmPayment(payment=payment, payment_method=self.good_method)
        held = payment_in(client.ask(request))
        assert held.status is PaymentStatus.AUTHORIZED
        assert (held.capturable, held.captured) == (self.amount.minor, 0)
        assert client.charge(payment).captured == 0

    def test_a_capture_takes_the_whole_amount(self, client: Client) -> None:
        """What was authorized is then paid."""
        self._require_manual(client)
        payment = client.held()
        request = CapturePayment(payment=payment, amount=self.amount)
        taken = payment_in(client.ask(request))
        assert taken.status is PaymentStatus.SUCCEEDED
        assert (taken.capturable, taken.captured) == (0, self.amount.minor)

    def test_a_partial_capture_takes_its_part_and_releases_the_rest(
        self, client: Client
    ) -> None:
        """And what was released is no refund: no payer got that money."""
        self._require_manual(client)
        capabilities = client.psp.capabilities
        require(capabilities.partial_capture, "partial capture", capabilities)
        payment = client.held()
        request = CapturePayment(payment=payment, amount=self.part)
        taken = payment_in(client.ask(request))
        assert taken.status is PaymentStatus.SUCCEEDED
        assert (taken.capturable, taken.captured) == (0, self.part.minor)
        charge = client.charge(payment)
        assert (charge.captured, charge.refunded) == (self.part.minor, 0)

    def test_more_than_was_authorized_is_not_captured(self, client: Client) -> None:
        """The hold stays as it was."""
        self._require_manual(client)
        payment = client.held()
        more = Money(self.amount.minor + self.part.minor, self.amount.currency)
        refused(client.ask(CapturePayment(payment=payment, amount=more)))
        assert client.payment(payment).captured == 0

    def test_cancel_releases_what_was_authorized(self, client: Client) -> None:
        """Nothing is held or taken afterwards."""
        self._require_manual(client)
        payment = client.held()
        canceled = payment_in(client.ask(CancelPayment(payment=payment)))
        assert canceled.status is PaymentStatus.CANCELED
        assert (canceled.capturable, canceled.captured) == (0, 0)
        assert client.payment(payment).status is PaymentStatus.CANCELED

    def test_capture_after_cancel_is_a_conflict(self, client: Client) -> None:
        """Definite, so that the operation ends: never unknown, never an exception."""
        self._require_manual(client)
        payment = client.held()
        client.ask(CancelPayment(payment=payment))
        answer = client.ask(CapturePayment(payment=payment, amount=self.amount))
        assert isinstance(answer, Conflict), f"not a conflict: {answer}"
        assert client.payment(payment).captured == 0

    def test_a_second_capture_is_a_conflict(self, client: Client) -> None:
        """Often it is our own, done before: paykit reads, then decides."""
        self._require_manual(client)
        payment = client.held()
        request = CapturePayment(payment=payment, amount=self.amount)
        client.ask(request)
        answer = client.ask(request)
        assert isinstance(answer, Conflict), f"not a conflict: {answer}"
        assert client.payment(payment).captured == self.amount.minor

    def _require_manual(self, client: Client) -> None:
        capabilities = client.psp.capabilities
        require(capabilities.manual_capture, "manual capture", capabilities)
