"""The simulated provider's memory: an account's objects, and what accounts share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from paykit.clock import World
from paykit.testing.simulated.account_objects import (
    SimEndpoint,
    SimPayout,
    SimSetupIntent,
    SimTestClock,
)
from paykit.testing.simulated.billing_objects import SimInvoice, SimSubscription
from paykit.testing.simulated.claims import SimDispute, SimReview, SimWarning
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
from paykit.testing.simulated.subscriptions import heard_by

__all__ = ["Cause", "Shared", "State"]

_Found = TypeVar("_Found")

_SEARCH_LAG: Final = timedelta(seconds=60)
_EVENTS_FOR: Final = timedelta(days=30)


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
    endpoints: dict[str, dict[str, SimEndpoint]] = field(default_factory=dict)
    """The webhook endpoints of each account: some hear of other accounts too."""
    search_lag: timedelta = _SEARCH_LAG
    """How far searches are behind what has happened; at Stripe up to an hour."""

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
    disputes: dict[str, SimDispute] = field(default_factory=dict)
    reviews: dict[str, SimReview] = field(default_factory=dict)
    warnings: dict[str, SimWarning] = field(default_factory=dict)
    payouts: dict[str, SimPayout] = field(default_factory=dict)
    setups: dict[str, SimSetupIntent] = field(default_factory=dict)
    subscriptions: dict[str, SimSubscription] = field(default_factory=dict)
    invoices: dict[str, SimInvoice] = field(default_factory=dict)
    endpoints: dict[str, SimEndpoint] = field(default_factory=dict)
    clocks: dict[str, SimTestClock] = field(default_factory=dict)
    unposted: list[str] = field(default_factory=list)
    """Charges captured, whose balance transaction comes after the answer."""
    cause: Cause = Cause()

    def __post_init__(self) -> None:
        self.shared.endpoints[self.account] = self.endpoints

    def now(self) -> datetime:
        """Return the time in whole seconds, which is all that Stripe tells."""
        return self.shared.world.now().replace(microsecond=0)

    def new_id(self, prefix: str) -> str:
        """Return a fresh id; see `Shared.next_id`."""
        return self.shared.next_id(prefix)

    def events(self) -> dict[str, SimEvent]:
        """Return the account's events, for the 30 days that Stripe shows them."""
        oldest = self.now() - _EVENTS_FOR
        return {
            key: row
            for key, row in self.shared.events.items()
            if row.account == self.account and row.created > oldest
        }

    def intent(self, reference: str, *, param: str = "intent") -> SimIntent:
        """Return the payment, or raise 404."""
        return _found(self.intents, "payment_intent", reference, param)

    def charge(self, reference: str, *, param: str = "charge") -> SimCharge:
        """Return the charge, or raise 404."""
        return _found(self.charges, "charge", reference, param)

    def refund(self, reference: str) -> SimRefund:
        """Return the refund, or raise 404."""
        return _found(self.refunds, "refund", reference, "refund")

    def dispute(self, reference: str) -> SimDispute:
        """Return the dispute, or raise 404."""
        return _found(self.disputes, "dispute", reference, "dispute")

    def payout(self, reference: str) -> SimPayout:
        """Return the payout, or raise 404."""
        return _found(self.payouts, "payout", reference, "payout")

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

    def emit(self, type: str, subject: SimObject, previous: Json | None = None) -> None:
        """Write an event about `subject` as it looks right now."""
        self.note_change(subject)
        event = SimEvent(
            id=self.new_id("evt"),
            created=self.now(),
            account=self.account,
            type=type,
            object=self.show(subject),
            previous=previous,
            request_id=self.cause.request_id,
            idempotency_key=self.cause.idempotency_key,
            waiting=heard_by(self.shared.endpoints, self.account, type),
        )
        self.shared.events[event.id] = event

    def note_change(self, subject: SimObject | Json) -> None:
        """Note when `subject` changed, if search can find its kind."""
        if isinstance(subject, SimIntent | SimCharge):
            subject.changed = self.now()

    def show(self, subject: SimObject) -> Json:
        """Return `subject` as Stripe shows it at this time."""
        body = render(subject)
        if isinstance(subject, SimBalanceTransaction):
            available = subject.is_available(self.now())
            body["status"] = "available" if available else "pending"
        return body

    def by_id(self, reference: str) -> SimObject | None:
        """Return whatever `reference` names; None if nothing does."""
        tables: tuple[Mapping[str, SimObject], ...] = (
            self.intents,
            self.charges,
            self.refunds,
            self.balance,
            self.disputes,
            self.reviews,
            self.payouts,
        )
        return next((t[reference] for t in tables if reference in t), None)


def _found(table: dict[str, _Found], kind: str, reference: str, param: str) -> _Found:
    found = table.get(reference)
    if found is None:
        raise not_found(kind, reference, param=param)
    return found
