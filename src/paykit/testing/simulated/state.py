"""The simulated provider's memory: an account's objects, and what accounts share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from paykit.clock import World
from paykit.testing.simulated.errors import not_found
from paykit.testing.simulated.objects import (
    Json,
    SimBalanceTransaction,
    SimCharge,
    SimEvent,
    SimIntent,
    SimObject,
    SimRefund,
)
from paykit.testing.simulated.render import render

__all__ = ["Cause", "Shared", "State"]

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Cause:
    """The request that is being executed; events name it."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class Shared:
    """What all accounts of a provider have in common: ids and the stream of events."""

    world: World
    tag: str
    """Part of every id, so that two simulated providers do not share ids."""
    counters: Counter[str] = field(default_factory=Counter)
    events: dict[str, SimEvent] = field(default_factory=dict)

    def next_id(self, prefix: str) -> str:
        """Return a fresh id, such as ``pi_sim0000001``."""
        self.counters[prefix] += 1
        return f"{prefix}_{self.tag}{self.counters[prefix]:07d}"


@dataclass(slots=True)
class State:
    """What the provider remembers of one account, in the order of creation."""

    shared: Shared
    account: str
    intents: dict[str, SimIntent] = field(default_factory=dict)
    charges: dict[str, SimCharge] = field(default_factory=dict)
    refunds: dict[str, SimRefund] = field(default_factory=dict)
    balance: dict[str, SimBalanceTransaction] = field(default_factory=dict)
    unposted: list[str] = field(default_factory=list)
    """Charges captured, whose balance transaction comes after the answer."""
    cause: Cause = Cause()

    def now(self) -> datetime:
        """Return the time in whole seconds, which is all that Stripe tells."""
        return self.shared.world.now().replace(microsecond=0)

    def new_id(self, prefix: str) -> str:
        """Return a fresh id; see `Shared.next_id`."""
        return self.shared.next_id(prefix)

    def events(self) -> dict[str, SimEvent]:
        """Return the account's events."""
        shared = self.shared.events
        return {key: row for key, row in shared.items() if row.account == self.account}

    def intent(self, reference: str, *, param: str = "intent") -> SimIntent:
        """Return the payment, or raise 404."""
        return _found(self.intents, "payment_intent", reference, param)

    def charge(self, reference: str, *, param: str = "charge") -> SimCharge:
        """Return the charge, or raise 404."""
        return _found(self.charges, "charge", reference, param)

    def refund(self, reference: str) -> SimRefund:
        """Return the refund, or raise 404."""
        return _found(self.refunds, "refund", reference, "refund")

    def latest_charge(self, intent: SimIntent) -> SimCharge | None:
        """Return the charge of the last attempt, if one was made."""
        return (
            None if intent.latest_charge is None else self.charge(intent.latest_charge)
        )

    def release_of(self, charge: SimCharge) -> SimRefund | None:
        """Return what shows that a part of `charge` was never captured."""
        for refund in reversed(self.refunds.values()):
            if refund.charge == charge.id and refund.release:
                return refund
        return None

    def emit(
        self,
        type: str,
        subject: SimIntent | SimCharge | SimRefund,
        previous: Json | None = None,
    ) -> None:
        """Write an event about `subject` as it looks right now."""
        event = SimEvent(
            id=self.new_id("evt"),
            created=self.now(),
            account=self.account,
            type=type,
            object=render(subject),
            previous=previous,
            request_id=self.cause.request_id,
            idempotency_key=self.cause.idempotency_key,
        )
        self.shared.events[event.id] = event

    def by_id(self, reference: str) -> SimObject | None:
        """Return whatever `reference` names; None if nothing does."""
        return (
            self.intents.get(reference)
            or self.charges.get(reference)
            or self.refunds.get(reference)
            or self.balance.get(reference)
        )


def _found(table: dict[str, _Found], kind: str, reference: str, param: str) -> _Found:
    found = table.get(reference)
    if found is None:
        raise not_found(kind, reference, param=param)
    return found
