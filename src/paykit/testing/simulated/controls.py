"""What banks, networks and reviewers do around payments, without a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final, TypeAlias, TypeVar

from paykit.testing.simulated import (
    billing,
    disputes,
    fraud_warnings,
    payouts,
    reviews,
    setup_intents,
    webhook_endpoints,
)
from paykit.testing.simulated.account_objects import SimEndpoint
from paykit.testing.simulated.billing_objects import SimSubscription
from paykit.testing.simulated.errors import not_found, unexpected_state
from paykit.testing.simulated.objects import DEFAULT_ACCOUNT, SimCharge
from paykit.testing.simulated.state import Shared, State

__all__ = ["Controls"]

_Row = TypeVar("_Row")

_Unasked: TypeAlias = Callable[[str], AbstractContextManager[list[State]]]
"""Gives all accounts to change, the named one first."""


class Controls:
    """
    What happens at the provider by itself; every method is thread-safe.

    They raise `ProviderError` if there is no such object, or if it is not in a state
    for that. Ids are enough: the account they belong to is found.
    """

    def __init__(self, shared: Shared, unasked: _Unasked) -> None:
        """`unasked` gives access to the accounts, with the provider's lock held."""
        self._shared: Final = shared
        self._unasked: Final = unasked

    def open_dispute(
        self,
        payment: str,
        *,
        kind: str = "fraudulent",
        amount: int | None = None,
    ) -> str:
        """
        Let the cardholder dispute a captured payment and return the dispute's id.

        The `kind` is one of Stripe's reasons, or ``inquiry``, which only asks.
        The `amount`, in minor units, may be more than what was charged.
        """
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, charge = _captured(states, payment)
            return disputes.open_dispute(state, charge, kind, amount).id

    def resolve_dispute(self, dispute: str, outcome: disputes.Outcome) -> None:
        """Let the card's network decide; a lost dispute may still be won."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, row = _row(states, lambda one: one.disputes, "dispute", dispute)
            disputes.resolve(state, row, outcome)

    def warn_of_fraud(
        self, payment: str, *, fraud_type: str = "unauthorized_use_of_card"
    ) -> str:
        """Let the issuer warn of a payment early and return the warning's id."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, charge = _captured(states, payment)
            return fraud_warnings.warn(state, charge, fraud_type).id

    def open_review(self, payment: str, *, reason: str = "rule") -> str:
        """Put a payment under review and return the review's id."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, charge = _charged(states, payment)
            return reviews.open_review(state, charge, reason).id

    def close_review(self, review: str, *, reason: str = "approved") -> None:
        """Close a review with one of Stripe's words, such as ``refunded_as_fraud``."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, row = _row(states, lambda one: one.reviews, "review", review)
            reviews.close_review(state, row, reason)

    def create_automatic_payout(
        self, currency: str = "usd", *, account: str = DEFAULT_ACCOUNT
    ) -> str:
        """Pay out the whole balance in `currency` and return the payout's id."""
        with self._unasked(account) as states:
            return payouts.pay_out(states[0], currency).id

    def advance_payout(self, payout: str, status: str) -> None:
        """Let the bank bring a payout to ``in_transit``, ``paid`` or ``failed``."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, row = _row(states, lambda one: one.payouts, "payout", payout)
            payouts.advance(state, row, status)

    def start_subscription(
        self,
        metadata: Mapping[str, str] | None = None,
        *,
        amount: int = 1000,
        currency: str = "usd",
        paid: bool = True,
        account: str = DEFAULT_ACCOUNT,
    ) -> str:
        """
        Let somebody subscribe on a hosted page and return the subscription's id.

        A period costs `amount` minor units. Without `paid` the first invoice stays
        open, and the subscription ``incomplete``.
        """
        with self._unasked(account) as states:
            started = billing.start(
                states[0], metadata or {}, amount, currency, paid=paid
            )
            return started.id

    def renew_subscription(self, subscription: str) -> None:
        """Let the period end: the next one is paid, or a planned cancellation comes."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            billing.renew(*_subscription(states, subscription))

    def fail_renewal(self, subscription: str) -> None:
        """Let the period end and the charge for the next one fail: ``past_due``."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            billing.fail_renewal(*_subscription(states, subscription))

    def pay_invoice(self, invoice: str) -> None:
        """Let an open invoice be paid, also of a subscription that has ended."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, row = _row(states, lambda one: one.invoices, "invoice", invoice)
            billing.pay(state, row)

    def cancel_subscription(
        self, subscription: str, *, at_period_end: bool = False
    ) -> None:
        """
        End a subscription, at once or with its period.

        The latter can be taken back with `keep_subscription`. One whose first invoice
        is not paid expires.
        """
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, row = _subscription(states, subscription)
            billing.cancel(state, row, at_period_end=at_period_end)

    def keep_subscription(self, subscription: str) -> None:
        """Take back that a subscription is to end with its period."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            billing.keep(*_subscription(states, subscription))

    def complete_setup(self, setup: str, *, success: bool = True) -> None:
        """Let the payer pass 3-D Secure for a setup intent, or fail it."""
        with self._unasked(DEFAULT_ACCOUNT) as states:
            state, row = _row(states, lambda one: one.setups, "setupintent", setup)
            setup_intents.authenticate(state, row, success=success)

    def roll_secret(self, endpoint: str, *, keep_seconds: float = 0.0) -> str:
        """
        Return a new secret of a webhook endpoint.

        The old one signs for `keep_seconds` more, at Stripe up to a day.
        """
        with self._unasked(DEFAULT_ACCOUNT) as states:
            kind = "webhook_endpoint"
            state, row = _row(states, lambda one: one.endpoints, kind, endpoint)
            return webhook_endpoints.roll_secret(state, row, keep_seconds)

    def add_thin_endpoint(
        self,
        url: str,
        enabled_events: Iterable[str] = ("*",),
        *,
        account: str = DEFAULT_ACCOUNT,
    ) -> SimEndpoint:
        """Add an endpoint for thin events, such as ``v1.payment_intent.succeeded``."""
        with self._unasked(account) as states:
            return webhook_endpoints.add_thin(states[0], url, list(enabled_events))

    def set_search_lag(self, seconds: float) -> None:
        """Let searches be so far behind what happens."""
        with self._unasked(DEFAULT_ACCOUNT):
            self._shared.search_lag = timedelta(seconds=seconds)


def _row(
    states: Iterable[State],
    table: Callable[[State], Mapping[str, _Row]],
    kind: str,
    reference: str,
) -> tuple[State, _Row]:
    """Return an object and the account it belongs to; raises 404."""
    for state in states:
        if reference in table(state):
            return state, table(state)[reference]
    raise not_found(kind, reference, param=kind)


def _subscription(
    states: Iterable[State], subscription: str
) -> tuple[State, SimSubscription]:
    return _row(states, lambda one: one.subscriptions, "subscription", subscription)


def _charged(states: Iterable[State], payment: str) -> tuple[State, SimCharge]:
    """Return the latest charge of a payment and its account."""
    state, intent = _row(states, lambda one: one.intents, "payment_intent", payment)
    charge = state.latest_charge(intent)
    if charge is None:
        raise unexpected_state("This PaymentIntent has no charge.", intent)
    return state, charge


def _captured(states: Iterable[State], payment: str) -> tuple[State, SimCharge]:
    """Return the charge that took the money of a payment, and its account."""
    state, charge = _charged(states, payment)
    if charge.amount_captured == 0:
        intent = state.intents[payment]
        raise unexpected_state("This PaymentIntent took no money yet.", intent)
    return state, charge
