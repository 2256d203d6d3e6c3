"""Payouts: what the books of a whole account follow."""

from __future__ import annotations

from paykit.psp import PayoutSnapshot, PayoutStatus, ReadPayout, Rejected, Succeeded
from paykit.testing.conformance.answers import balance_in
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["PayingOutRules"]

_RETURNED = frozenset({PayoutStatus.FAILED, PayoutStatus.CANCELED})


class PayingOutRules(Base):
    """A payout is read with everything that it has moved on the balance."""

    def test_a_payout_is_read_with_all_that_it_has_moved(
        self, client: Client, payout: str
    ) -> None:
        """Nothing is only named; what failed has moved nothing in the end."""
        answer = client.ask(ReadPayout(payout=payout))
        assert isinstance(answer, Succeeded), f"not a success: {answer}"
        seen = answer.snapshot
        assert isinstance(seen, PayoutSnapshot), f"no payout: {answer}"
        assert seen.reference == payout
        assert seen.named == (), "a movement is named and not shown"
        assert seen.movements, "money moved, and the payout shows nothing"
        left = 0 if seen.status in _RETURNED else -seen.amount
        assert balance_in(seen.movements, seen.currency) == left

    def test_reading_an_unknown_payout_is_rejected(
        self, client: Client, payout: str
    ) -> None:
        """Definite: it does not exist."""
        answer = client.ask(ReadPayout(payout=f"{payout}0unknown"))
        assert isinstance(answer, Rejected), f"not rejected: {answer}"
