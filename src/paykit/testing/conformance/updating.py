"""Changing a payment that is not paid yet."""

from __future__ import annotations

from paykit.psp import ConfirmPayment, Rejected, UpdatePayment
from paykit.testing.conformance.answers import payment_in, refused, require, told
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["UpdatingRules"]


class UpdatingRules(Base):
    """What is given changes, what is not given stays, and what is paid is kept."""

    def test_an_unpaid_payment_gets_another_amount(self, client: Client) -> None:
        """And is then paid with that one."""
        _require_updates(client)
        payment = client.opened()
        request = UpdatePayment(payment=payment, amount=self.part)
        assert payment_in(client.ask(request)).amount == self.part.minor
        assert client.payment(payment).amount == self.part.minor
        confirm = ConfirmPayment(payment=payment, payment_method=self.good_method)
        assert payment_in(client.ask(confirm)).captured == self.part.minor

    def test_a_change_adds_to_the_metadata_and_leaves_the_amount(
        self, client: Client
    ) -> None:
        """paykit finds its objects by what stands there."""
        _require_updates(client)
        payment = client.opened(metadata={"kept": "yes", "changed": "1"})
        more = {"changed": "2", "added": "3"}
        client.ask(UpdatePayment(payment=payment, metadata=more))
        shown = client.payment(payment)
        assert shown.metadata == {"kept": "yes", **more}
        assert shown.amount == self.amount.minor

    def test_same_key_changes_once_and_is_told_the_same(self, client: Client) -> None:
        """Also after another change: the repetition does not turn it back."""
        _require_updates(client)
        payment = client.opened()
        call = client.prepare(UpdatePayment(payment=payment, amount=self.part))
        first = client.send(call)
        client.ask(UpdatePayment(payment=payment, amount=self.amount))
        assert told(client.send(call)) == told(first)
        assert client.payment(payment).amount == self.amount.minor

    def test_a_paid_payment_keeps_its_amount(self, client: Client) -> None:
        """Refused: the payer has agreed to what was charged."""
        _require_updates(client)
        payment = client.paid()
        refused(client.ask(UpdatePayment(payment=payment, amount=self.part)))
        shown = client.payment(payment)
        assert (shown.amount, shown.captured) == (self.amount.minor,) * 2

    def test_changing_an_unknown_payment_is_rejected(self, client: Client) -> None:
        """It is definite: nothing was done, and nothing will be."""
        _require_updates(client)
        request = UpdatePayment(payment=self.unknown_payment, amount=self.part)
        assert isinstance(client.ask(request), Rejected)


def _require_updates(client: Client) -> None:
    capabilities = client.psp.capabilities
    require(capabilities.update_payment, "change of a payment", capabilities)
