"""Reads and searches: the evidence that ends a doubt (DESIGN section 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.psp import (
    FindPayment,
    FindRefund,
    ReadPayment,
    ReadRefund,
    Rejected,
    SearchPayments,
    Succeeded,
)
from paykit.testing.conformance.answers import (
    nothing_in,
    payment_in,
    refund_in,
    require,
)
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["ReadingRules"]

_A_WHILE = timedelta(minutes=1)


class ReadingRules(Base):
    """Found if it is there, definitely None if it is not, and Rejected for nonsense."""

    def test_find_payment_finds_by_metadata(self, client: Client) -> None:
        """At once: the search comes a moment after the lost answer."""
        since = client.world.now() - _A_WHILE
        mine, other = client.new_name(), client.new_name()
        client.opened(metadata={"conformance": other})
        payment = client.opened(metadata={"conformance": mine, "more": "x"})
        client.opened(metadata={"conformance": other})
        found = client.ask(FindPayment(metadata={"conformance": mine}, since=since))
        assert payment_in(found).reference == payment

    def test_find_payment_looks_at_every_page(self, client: Client) -> None:
        """What stands on the second one is not missing."""
        if self.page_size is None:
            pytest.skip("no `page_size` was given")
        since = client.world.now() - _A_WHILE
        metadata = {"conformance": client.new_name()}
        payment = client.opened(metadata=metadata)
        for _ in range(self.page_size):
            client.opened()
        found = client.ask(FindPayment(metadata=metadata, since=since))
        assert payment_in(found).reference == payment

    def test_find_payment_says_definitely_none(self, client: Client) -> None:
        """Not an error and not unknown; a part of the metadata is not enough."""
        since = client.world.now() - _A_WHILE
        mine = client.new_name()
        client.opened(metadata={"conformance": mine})
        absent = {"conformance": client.new_name()}
        nothing_in(client.ask(FindPayment(metadata=absent, since=since)))
        more = {"conformance": mine, "more": "x"}
        nothing_in(client.ask(FindPayment(metadata=more, since=since)))

    def test_a_search_finds_the_payment_or_nothing_yet(self, client: Client) -> None:
        """It may be behind by the lag, and takes no other payment for the one."""
        _searchable(client)
        mine, other = client.new_name(), client.new_name()
        client.opened(metadata={"conformance": other})
        payment = client.opened(metadata={"conformance": mine})
        found = client.ask(SearchPayments(metadata={"conformance": mine}))
        assert isinstance(found, Succeeded), f"not an answer to a search: {found}"
        if found.snapshot is not None:
            assert payment_in(found).reference == payment

    def test_a_search_says_that_it_found_nothing(self, client: Client) -> None:
        """Not an error and not unknown: what it proves, time tells."""
        _searchable(client)
        absent = {"conformance": client.new_name(), "with": 'it\'s "quoted"'}
        nothing_in(client.ask(SearchPayments(metadata=absent)))

    def test_find_refund_finds_by_metadata(self, client: Client) -> None:
        """Among the refunds of the payment."""
        payment = client.paid()
        request = client.refunding(payment, self.amount)
        made = refund_in(client.ask(request))
        wanted = FindRefund(payment=payment, metadata=request.metadata)
        assert refund_in(client.ask(wanted)).reference == made.reference

    def test_find_refund_says_definitely_none(self, client: Client) -> None:
        """Of a payment without refunds, and of one with another payment's."""
        first, second = client.paid(), client.paid()
        request = client.refunding(first, self.amount)
        client.ask(request)
        absent = {"conformance": client.new_name()}
        nothing_in(client.ask(FindRefund(payment=first, metadata=absent)))
        wanted = request.metadata
        nothing_in(client.ask(FindRefund(payment=second, metadata=wanted)))

    def test_reading_an_unknown_payment_is_rejected(self, client: Client) -> None:
        """Definite: it does not exist."""
        answer = client.ask(ReadPayment(payment=self.unknown_payment))
        assert isinstance(answer, Rejected), f"not rejected: {answer}"

    def test_reading_an_unknown_refund_is_rejected(self, client: Client) -> None:
        """Definite: it does not exist."""
        answer = client.ask(ReadRefund(refund=self.unknown_refund))
        assert isinstance(answer, Rejected), f"not rejected: {answer}"

    def test_two_reads_without_a_change_are_equal(self, client: Client) -> None:
        """A snapshot is the same wherever it comes from, so its facts are."""
        payment = client.paid()
        assert client.payment(payment) == client.payment(payment)


def _searchable(client: Client) -> None:
    can = client.psp.capabilities
    require(can.search, "search for payments", can)
