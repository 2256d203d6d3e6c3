"""Subscriptions: what is started at the provider and only followed here."""

from __future__ import annotations

from paykit.psp import (
    InvoiceSnapshot,
    ReadInvoice,
    ReadSubscription,
    Rejected,
    SubscriptionSnapshot,
    Succeeded,
)
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["SubscribingRules"]


class SubscribingRules(Base):
    """A subscription, and the invoice that it is paid by, are read one by one."""

    def test_a_subscription_is_read(self, client: Client, subscription: str) -> None:
        """It says until when it is billed for, and the same each time."""
        seen = _subscription(client, subscription)
        assert seen.reference == subscription
        assert seen.current_period_end is not None, "no end of the period is shown"
        assert _subscription(client, subscription) == seen

    def test_its_latest_invoice_names_it(
        self, client: Client, subscription: str
    ) -> None:
        """Otherwise nobody could tell that an ended subscription is paid for."""
        reference = _subscription(client, subscription).latest_invoice
        assert reference is not None, "the subscription has no invoice"
        answer = client.ask(ReadInvoice(invoice=reference))
        assert isinstance(answer, Succeeded), f"not a success: {answer}"
        assert isinstance(answer.snapshot, InvoiceSnapshot), f"no invoice: {answer}"
        assert answer.snapshot.reference == reference
        assert answer.snapshot.subscription == subscription

    def test_reading_an_unknown_subscription_is_rejected(
        self, client: Client, subscription: str
    ) -> None:
        """Definite: it does not exist."""
        asked = ReadSubscription(subscription=f"{subscription}0unknown")
        answer = client.ask(asked)
        assert isinstance(answer, Rejected), f"not rejected: {answer}"


def _subscription(client: Client, reference: str) -> SubscriptionSnapshot:
    answer = client.ask(ReadSubscription(subscription=reference))
    assert isinstance(answer, Succeeded), f"not a success: {answer}"
    assert isinstance(answer.snapshot, SubscriptionSnapshot), f"not one: {answer}"
    return answer.snapshot
