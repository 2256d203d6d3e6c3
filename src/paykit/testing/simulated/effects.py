"""What really happened at the provider, counted: what tests assert on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
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
    """Charges that money was taken from."""
    captured: Mapping[str, int]
    refunds: Mapping[str, int]
    """Refunds that did not fail, without the release of what was not captured."""
    refunded: Mapping[str, int]
    balance: Mapping[str, int]
    """By currency, not by payment: the net of all movements on our balance."""

    def as_json(self) -> Json:
        """Return it as plain values."""
        return asdict(self)


def effects_of(states: Iterable[State], metadata: Mapping[str, str]) -> Effects:
    """Count what happened to the payments that carry all of `metadata`."""
    charges, attempts, captures, captured, refunds, refunded, balance = (
        Counter[str]() for _ in range(7)
    )
    for state in states:
        chosen = {
            intent.id
            for intent in state.intents.values()
            if metadata.items() <= intent.metadata.items()
        }
        for counter in (charges, attempts, captures, captured, refunds, refunded):
            counter.update(dict.fromkeys(chosen, 0))
        for charge in state.charges.values():
            if charge.intent in chosen:
                attempts[charge.intent] += 1
                charges[charge.intent] += charge.status == "succeeded"
                captures[charge.intent] += charge.captured
                captured[charge.intent] += charge.amount_captured
        for refund in state.refunds.values():
            counts = refund.status != "failed" and not refund.release
            if refund.intent in chosen and counts:
                refunds[refund.intent] += 1
                refunded[refund.intent] += refund.amount
        for movement in state.balance.values():
            if state.charges[movement.charge].intent in chosen:
                balance[movement.currency] += movement.amount - movement.fee
    return Effects(
        charges=charges,
        attempts=attempts,
        captures=captures,
        captured=captured,
        refunds=refunds,
        refunded=refunded,
        balance=balance,
    )
