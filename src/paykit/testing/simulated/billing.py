"""
Subscriptions, and the invoices that they are paid by.

They begin and go on without a request: payers subscribe through pages that are the
provider's own, periods end by themselves, and people use the dashboard. An invoice is
made and finalized at once here, where Stripe waits for an hour.
Source: https://docs.stripe.com/billing/subscriptions/overview.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from paykit.testing.simulated.billing_objects import SimInvoice, SimSubscription
from paykit.testing.simulated.errors import refusal
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.state import State
from paykit.testing.simulated.timestamps import seconds

__all__ = ["cancel", "fail_renewal", "keep", "pay", "renew", "start"]

_PERIOD: Final = timedelta(days=30)

_OVER: Final = ("canceled", "incomplete_expired")

_WAITING: Final = ("incomplete", "past_due", "unpaid")
"""Where a subscription waits for its invoice to be paid."""


def start(
    state: State,
    metadata: Mapping[str, str],
    amount: int,
    currency: str,
    *,
    paid: bool,
) -> SimSubscription:
    """Let somebody subscribe; without `paid` the first invoice stays open."""
    now = state.now()
    subscription = SimSubscription(
        id=state.new_id("sub"),
        created=now,
        amount=amount,
        currency=currency,
        period_start=now,
        period_end=now + _PERIOD,
        metadata=dict(metadata),
    )
    state.subscriptions[subscription.id] = subscription
    invoice = _invoice(state, subscription, "subscription_create")
    state.emit("customer.subscription.created", subscription)
    if paid:
        pay(state, invoice)
    return subscription


def renew(state: State, subscription: SimSubscription) -> None:
    """Let the period end: another one is paid for, or a planned cancellation comes."""
    if subscription.cancel_at_period_end:
        _check_alive(subscription)
        _end(state, subscription)
        return
    pay(state, _next_period(state, subscription))


def fail_renewal(state: State, subscription: SimSubscription) -> None:
    """Let the period end, and the charge for the next one fail."""
    invoice = _next_period(state, subscription)
    invoice.attempts += 1
    state.emit("invoice.payment_failed", invoice)
    _become(state, subscription, "past_due")


def pay(state: State, invoice: SimInvoice) -> None:
    """Let an open invoice be paid, whatever has become of its subscription."""
    if invoice.status != "open":
        message = f"Invoice {invoice.id} is {invoice.status}: it cannot be paid."
        raise refusal(message, code=None)
    invoice.status, invoice.paid_at = "paid", state.now()
    invoice.attempts += 1
    state.emit("invoice.paid", invoice)
    state.emit("invoice.payment_succeeded", invoice)
    subscription = state.subscriptions[invoice.subscription]
    if subscription.status in _WAITING and subscription.latest_invoice == invoice.id:
        _become(state, subscription, "active")


def cancel(state: State, subscription: SimSubscription, *, at_period_end: bool) -> None:
    """End a subscription, now or with the period; open invoices stay open."""
    _check_alive(subscription)
    if not at_period_end:
        _end(state, subscription)
        return
    subscription.canceled_at = state.now()
    _plan(state, subscription, at_period_end=True)


def keep(state: State, subscription: SimSubscription) -> None:
    """Take back that a subscription is to end with its period."""
    _check_alive(subscription)
    subscription.canceled_at = None
    _plan(state, subscription, at_period_end=False)


def _end(state: State, subscription: SimSubscription) -> None:
    """End it for good: one that was never paid expires, and its invoice is voided."""
    begun = subscription.status != "incomplete"
    before: Json = {"status": subscription.status}
    subscription.status = "canceled" if begun else "incomplete_expired"
    subscription.ended_at = state.now()
    subscription.canceled_at = subscription.canceled_at or state.now()
    if begun:
        state.emit("customer.subscription.deleted", subscription)
        return
    invoice = state.invoices[str(subscription.latest_invoice)]
    invoice.status, invoice.voided_at = "void", state.now()
    state.emit("invoice.voided", invoice)
    state.emit("customer.subscription.updated", subscription, before)


def _plan(state: State, subscription: SimSubscription, *, at_period_end: bool) -> None:
    before: Json = {"cancel_at_period_end": subscription.cancel_at_period_end}
    subscription.cancel_at_period_end = at_period_end
    state.emit("customer.subscription.updated", subscription, before)


def _become(state: State, subscription: SimSubscription, status: str) -> None:
    before: Json = {"status": subscription.status}
    subscription.status = status
    state.emit("customer.subscription.updated", subscription, before)


def _next_period(state: State, subscription: SimSubscription) -> SimInvoice:
    """Begin the next period and return its invoice, which is open."""
    _check_alive(subscription)
    before: Json = {"latest_invoice": subscription.latest_invoice}
    subscription.period_start = subscription.period_end
    subscription.period_end += _PERIOD
    invoice = _invoice(state, subscription, "subscription_cycle")
    state.emit("customer.subscription.updated", subscription, before)
    return invoice


def _invoice(state: State, subscription: SimSubscription, reason: str) -> SimInvoice:
    invoice = SimInvoice(
        id=state.new_id("in"),
        created=state.now(),
        subscription=subscription.id,
        customer=subscription.customer,
        amount=subscription.amount,
        currency=subscription.currency,
        reason=reason,
        period_start=subscription.period_start,
        period_end=subscription.period_end,
        metadata={**subscription.metadata},
    )
    state.invoices[invoice.id] = invoice
    subscription.latest_invoice = invoice.id
    state.emit("invoice.created", invoice)
    return invoice


def _check_alive(subscription: SimSubscription) -> None:
    if subscription.status in _OVER:
        since = seconds(subscription.ended_at)
        message = f"Subscription {subscription.id} has ended ({since})."
        raise refusal(message, code=None)
