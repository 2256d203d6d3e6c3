"""Payouts, setup intents, webhook endpoints and test clocks as Stripe's JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, assert_never

from paykit.testing.simulated.account_objects import (
    SimEndpoint,
    SimPayout,
    SimSetupIntent,
    SimTestClock,
)
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.timestamps import seconds

__all__ = ["render_account"]

_CLOCK_LIVES: Final = timedelta(days=30)


def render_account(
    subject: SimPayout | SimSetupIntent | SimEndpoint | SimTestClock,
) -> Json:
    """Return `subject` as Stripe shows it."""
    match subject:
        case SimPayout():
            return _payout(subject)
        case SimSetupIntent():
            return _setup(subject)
        case SimEndpoint():
            return _endpoint(subject)
        case SimTestClock():
            return _clock(subject)
    assert_never(subject)


def _payout(payout: SimPayout) -> Json:
    return {
        "id": payout.id,
        "object": "payout",
        "amount": payout.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": seconds(payout.arrives),
        "automatic": payout.automatic,
        "balance_transaction": payout.balance_transaction,
        "created": seconds(payout.created),
        "currency": payout.currency,
        "description": payout.description,
        "destination": payout.destination,
        "failure_balance_transaction": payout.failure_balance_transaction,
        "failure_code": payout.failure_code,
        "failure_message": payout.failure_message,
        "livemode": False,
        "metadata": {**payout.metadata},
        "method": payout.method,
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": payout.reconciliation_status,
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": payout.statement_descriptor,
        "status": payout.status,
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


def _setup(setup: SimSetupIntent) -> Json:
    return {
        "id": setup.id,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "attach_to_self": None,
        "automatic_payment_methods": {
            "allow_redirects": "always" if setup.redirects else "never",
            "enabled": True,
        },
        "cancellation_reason": setup.cancellation_reason,
        "client_secret": setup.client_secret,
        "created": seconds(setup.created),
        "customer": setup.customer,
        "customer_account": None,
        "description": setup.description,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": setup.last_error,
        "latest_attempt": None,
        "livemode": False,
        "managed_payments": None,
        "mandate": None,
        "metadata": {**setup.metadata},
        "next_action": _next_action(setup),
        "on_behalf_of": None,
        "payment_method": setup.payment_method,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": setup.status,
        "usage": setup.usage,
    }


def _endpoint(endpoint: SimEndpoint) -> Json:
    """Return a ``webhook_endpoint`` without its secret, which only creation tells."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": endpoint.api_version,
        "application": None,
        "created": seconds(endpoint.created),
        "description": endpoint.description,
        "enabled_events": [*endpoint.enabled_events],
        "livemode": False,
        "metadata": {**endpoint.metadata},
        "status": "enabled" if endpoint.enabled else "disabled",
        "url": endpoint.url,
    }


def _clock(clock: SimTestClock) -> Json:
    details: Json = {}
    if clock.target is not None:
        details = {"advancing": {"target_frozen_time": seconds(clock.target)}}
    return {
        "id": clock.id,
        "object": "test_helpers.test_clock",
        "created": seconds(clock.created),
        "deletes_after": seconds(clock.created + _CLOCK_LIVES),
        "frozen_time": seconds(clock.frozen_time),
        "livemode": False,
        "name": clock.name,
        "status": "ready" if clock.target is None else "advancing",
        "status_details": details,
    }


def _next_action(setup: SimSetupIntent) -> Json | None:
    if setup.status != "requires_action":
        return None
    if setup.return_url is None:
        source = {"type": "three_d_secure_redirect", "three_d_secure_2_source": "src_1"}
        return {"type": "use_stripe_sdk", "use_stripe_sdk": source}
    url = f"https://hooks.stripe.com/3d_secure_2/hosted?setup_intent={setup.id}"
    redirect = {"url": url, "return_url": setup.return_url}
    return {"type": "redirect_to_url", "redirect_to_url": redirect}
