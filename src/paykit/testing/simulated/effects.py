"""What really happened at the provider, counted: what tests assert on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass

from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.state import State

__all__ = ["Effects", "effects_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """
    The effects on payments, by the payment's id; a payment without any is there with 0.

    Amounts are minor units. ``effects.charges == {"pi_1": 1}`` says: charged once.
    """

    charges: Mapping[str, int]
    """Charges that the issuer approved: authorizations and direct charges."""
    attempts: Mapping[str, int]
    """All charges, the failed ones too."""
    captures: Mapping[str, int]
    """How often money was taken; with multicapture more than once from one charge."""
    captured: Mapping[str, int]
    refunds: Mapping[str, int]
    """Refunds that did not fail, without the release of what was not captured."""
    refunded: Mapping[str, int]
    balance: Mapping[str, int]
    """
    By currency, not by payment: the net of all movements on our balance.

    Without payouts if payments were chosen: these pay out no payment in particular.
    """

    def as_json(self) -> Json:
        """Return it as plain values."""
        return asdict(self)


def effects_of(states: Iterable[State], metadata: Mapping[str, str]) -> Effects:
    """Count what happened to the payments that carry all of `metadata`."""
    tally = _Tally()
    for state in states:
        # A dictionary, not a set: its order is always the same.
        chosen = {
            intent.id: intent
            for intent in state.intents.values()
            if metadata.items() <= intent.metadata.items()
        }
        tally.count(state, chosen)
        if not metadata:
            tally.count_payouts(state)
    return Effects(
        charges=dict(tally.charges),
        attempts=dict(tally.attempts),
        captures=dict(tally.captures),
        captured=dict(tally.captured),
        refunds=dict(tally.refunds),
        refunded=dict(tally.refunded),
        balance=dict(tally.balance),
    )


class _Tally:
    """The counters of an `Effects`, while they are counted."""

    def __init__(self) -> None:
        self.charges = Counter[str]()
        self.attempts = Counter[str]()
        self.captures = Counter[str]()
        self.captured = Counter[str]()
        self.refunds = Counter[str]()
        self.refunded = Counter[str]()
        self.balance = Counter[str]()
        self._by_intent = (
            self.charges,
            self.attempts,
            self.captures,
            self.captured,
            self.refunds,
            self.refunded,
        )

    def count(self, state: State, chosen: Collection[str]) -> None:
        """Add what happened to the `chosen` payments of one account."""
        for intent in chosen:
            for by_intent in self._by_intent:
                by_intent[intent] += 0
            self.captures[intent] += state.intents[intent].captures
        self._count_charges(state, chosen)
        self._count_refunds(state, chosen)
        for movement in state.balance.values():
            charge = state.charges.get(movement.charge or "")
            if charge is not None and charge.intent in chosen:
                self.balance[movement.currency] += movement.amount - movement.fee

    def count_payouts(self, state: State) -> None:
        """Add what payouts moved on the balance of one account."""
        for movement in state.balance.values():
            if movement.source in state.payouts:
                self.balance[movement.currency] += movement.amount - movement.fee

    def _count_charges(self, state: State, chosen: Collection[str]) -> None:
        for charge in state.charges.values():
            if charge.intent in chosen:
                self.attempts[charge.intent] += 1
                self.charges[charge.intent] += charge.status == "succeeded"
                self.captured[charge.intent] += charge.amount_captured

    def _count_refunds(self, state: State, chosen: Collection[str]) -> None:
        for refund in state.refunds.values():
            given_back = refund.status != "failed" and not refund.release
            if refund.intent in chosen and given_back:
                self.refunds[refund.intent] += 1
                self.refunded[refund.intent] += refund.amount
