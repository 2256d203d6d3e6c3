"""What moved on the balance: the ledger's witness (DESIGN law 8)."""

from __future__ import annotations

from paykit.psp import BalanceTransaction, CapturePayment, ListBalanceTransactions
from paykit.testing.conformance.answers import (
    balance_in,
    movements_in,
    refund_in,
    require,
)
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["BalanceRules"]


class BalanceRules(Base):
    """The movements of a charge or refund add up to what it moved."""

    def test_balance_transactions_of_a_charge_add_up(self, client: Client) -> None:
        """To what was captured, before fees."""
        charge = client.charge(client.paid())
        movements = _movements(client, charge.reference)
        assert movements, "money moved, and the balance shows nothing"
        assert balance_in(movements, charge.currency) == self.amount.minor
        assert sum(movement.fee for movement in movements) >= 0

    def test_balance_transactions_of_a_partial_capture_add_up(
        self, client: Client
    ) -> None:
        """Also where the provider takes in everything and gives the rest back."""
        capabilities = client.psp.capabilities
        require(capabilities.manual_capture, "manual capture", capabilities)
        require(capabilities.partial_capture, "partial capture", capabilities)
        payment = client.held()
        client.ask(CapturePayment(payment=payment, amount=self.part))
        charge = client.charge(payment)
        movements = _movements(client, charge.reference)
        assert balance_in(movements, charge.currency) == self.part.minor

    def test_balance_transactions_of_a_refund_take_it_away(
        self, client: Client
    ) -> None:
        """With the opposite sign of a charge."""
        refund = refund_in(client.ask(client.refunding(client.paid(), self.amount)))
        movements = _movements(client, refund.reference)
        assert balance_in(movements, refund.currency) == -self.amount.minor

    def test_an_uncaptured_charge_moved_nothing(self, client: Client) -> None:
        """An empty list is an answer, not an error."""
        capabilities = client.psp.capabilities
        require(capabilities.manual_capture, "manual capture", capabilities)
        charge = client.charge(client.held())
        assert _movements(client, charge.reference) == ()


def _movements(client: Client, source: str) -> tuple[BalanceTransaction, ...]:
    listed = movements_in(client.ask(ListBalanceTransactions(source=source)))
    references = [movement.reference for movement in listed]
    assert len(references) == len(set(references)), "one movement, listed twice"
    assert all(movement.category for movement in listed)
    return listed
