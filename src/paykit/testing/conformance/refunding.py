"""Giving money back."""

from __future__ import annotations

from paykit.money import Money
from paykit.psp import ReadRefund, RefundStatus
from paykit.testing.conformance.answers import refund_in, refused, require
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["RefundingRules"]

_UNDER_WAY = (RefundStatus.PENDING, RefundStatus.SUCCEEDED)


class RefundingRules(Base):
    """Once per key, in parts, and never more than was taken."""

    def test_a_full_refund_gives_everything_back(self, client: Client) -> None:
        """And its parts say whose it is."""
        payment = client.paid()
        request = client.refunding(payment, self.amount)
        refund = refund_in(client.ask(request))
        assert refund.status in _UNDER_WAY
        assert refund.amount == self.amount.minor
        assert refund.currency == self.amount.currency
        assert refund.payment == payment
        assert refund.charge == client.charge(payment).reference
        assert refund.metadata == request.metadata
        assert client.charge(payment).refunded == self.amount.minor

    def test_a_refund_does_not_lower_what_was_captured(self, client: Client) -> None:
        """Both totals only grow, or facts would be counted twice."""
        payment = client.paid()
        client.ask(client.refunding(payment, self.amount))
        assert client.payment(payment).captured == self.amount.minor
        assert client.charge(payment).captured == self.amount.minor

    def test_two_partial_refunds_are_two_refunds(self, client: Client) -> None:
        """Another key is another refund, also of the same amount."""
        self._require_partial(client)
        payment = client.paid()
        first = refund_in(client.ask(client.refunding(payment, self.part)))
        second = refund_in(client.ask(client.refunding(payment, self.part)))
        assert first.reference != second.reference
        assert client.charge(payment).refunded == 2 * self.part.minor

    def test_one_key_refunds_once(self, client: Client) -> None:
        """However often it is sent."""
        self._require_partial(client)
        payment = client.paid()
        call = client.prepare(client.refunding(payment, self.part))
        refunds = {refund_in(client.send(call)).reference for _ in range(3)}
        assert len(refunds) == 1
        assert client.charge(payment).refunded == self.part.minor

    def test_a_refund_above_the_rest_is_refused(self, client: Client) -> None:
        """Refused, not cut down to what is left."""
        self._require_partial(client)
        payment = client.paid()
        client.ask(client.refunding(payment, self.part))
        refused(client.ask(client.refunding(payment, self.amount)))
        assert client.charge(payment).refunded == self.part.minor

    def test_nothing_is_left_after_a_full_refund(self, client: Client) -> None:
        """The second one is refused, and the first one stands."""
        payment = client.paid()
        client.ask(client.refunding(payment, self.amount))
        refused(client.ask(client.refunding(payment, self.amount)))
        assert client.charge(payment).refunded == self.amount.minor

    def test_what_was_not_paid_is_not_refunded(self, client: Client) -> None:
        """There is nothing to give back."""
        refused(client.ask(client.refunding(client.opened(), self.amount)))

    def test_what_was_not_captured_is_not_refunded(self, client: Client) -> None:
        """A part that was released is not there to be given back again."""
        self._require_partial(client)
        capabilities = client.psp.capabilities
        require(capabilities.manual_capture, "manual capture", capabilities)
        payment = client.held()
        refused(client.ask(client.refunding(payment, self.part)))
        assert client.payment(payment).capturable == self.amount.minor

    def test_a_refund_is_read_as_it_was_answered(self, client: Client) -> None:
        """The same refund is the same fact, wherever it is seen."""
        made = refund_in(client.ask(client.refunding(client.paid(), self.amount)))
        shown = refund_in(client.ask(ReadRefund(refund=made.reference)))
        assert (shown.reference, shown.payment, shown.charge) == (
            made.reference,
            made.payment,
            made.charge,
        )
        seen, answered = Money(shown.amount, shown.currency), self.amount
        assert seen == answered
        assert shown.metadata == made.metadata

    def _require_partial(self, client: Client) -> None:
        capabilities = client.psp.capabilities
        require(capabilities.partial_refund, "partial refund", capabilities)
