"""The simulated objects as Stripe's JSON: one renderer for answers and webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, assert_never

from paykit.testing.simulated.account_objects import (
    SimEndpoint,
    SimPayout,
    SimSetupIntent,
    SimTestClock,
)
from paykit.testing.simulated.billing_objects import SimInvoice, SimSubscription
from paykit.testing.simulated.claims import SimDispute, SimReview, SimWarning
from paykit.testing.simulated.errors import ProviderError
from paykit.testing.simulated.objects import (
    DEFAULT_ACCOUNT,
    Json,
    SimBalanceTransaction,
    SimCharge,
    SimEvent,
    SimIntent,
    SimObject,
    SimRefund,
)
from paykit.testing.simulated.render_account import render_account
from paykit.testing.simulated.render_billing import render_billing
from paykit.testing.simulated.render_claims import render_claim
from paykit.testing.simulated.render_payments import (
    decline_details,
    doc_url,
    render_charge,
    render_intent,
    render_refund,
)
from paykit.testing.simulated.timestamps import seconds

__all__ = ["API_VERSION", "expand", "render", "render_error", "render_page"]

API_VERSION: Final = "2026-10-28.endive"
"""The version of Stripe's API that the shapes below follow."""


def render(subject: SimObject) -> Json:
    """Return `subject` as Stripe shows it, with nothing expanded."""
    match subject:
        case SimIntent():
            return render_intent(subject)
        case SimCharge():
            return render_charge(subject)
        case SimRefund():
            return render_refund(subject)
        case SimBalanceTransaction():
            return _balance_transaction(subject)
        case SimEvent():
            return _event(subject)
        case SimDispute() | SimReview() | SimWarning():
            return render_claim(subject, _balance_transaction)
        case SimPayout() | SimSetupIntent() | SimEndpoint() | SimTestClock():
            return render_account(subject)
        case SimSubscription() | SimInvoice():
            return render_billing(subject)
    assert_never(subject)


def expand(body: Json, paths: Iterable[str], look_up: Callable[[str], Json]) -> None:
    """Replace the ids at `paths` (``latest_charge.balance_transaction``) by objects."""
    for path in paths:
        _expand_path(body, path.split("."), look_up)


def render_page(items: list[Json], url: str, *, has_more: bool) -> Json:
    """Return one page of a list."""
    return {"object": "list", "url": url, "has_more": has_more, "data": items}


def render_error(error: ProviderError, request_id: str) -> Json:
    """Return the body of a refusal."""
    body: Json = {"type": error.type, "message": error.message}
    if error.code is not None:
        body["code"] = error.code
        body["doc_url"] = doc_url(error.code)
    if error.param is not None:
        body["param"] = error.param
    if error.decline is not None:
        body.update(decline_details(error.decline))
    if error.setup is not None:
        body["setup_intent"] = render_account(error.setup)
    if error.intent is not None:
        body["payment_intent"] = render_intent(error.intent)
    body["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return {"error": body}


def _expand_path(body: object, path: list[str], look_up: Callable[[str], Json]) -> None:
    if isinstance(body, list):
        for item in body:
            _expand_path(item, path, look_up)
    elif isinstance(body, dict) and path:
        name, rest = path[0], path[1:]
        if isinstance(body.get(name), str):
            body[name] = look_up(str(body[name]))
        _expand_path(body.get(name), rest, look_up)


def _balance_transaction(transaction: SimBalanceTransaction) -> Json:
    fee: Json = {
        "amount": transaction.fee,
        "application": None,
        "currency": transaction.currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return {
        "id": transaction.id,
        "object": "balance_transaction",
        "amount": transaction.amount,
        "available_on": seconds(transaction.available_on or transaction.created),
        "balance_type": "payments",
        "created": seconds(transaction.created),
        "currency": transaction.currency,
        "description": None,
        "exchange_rate": None,
        "fee": transaction.fee,
        "fee_details": [fee] if transaction.fee else [],
        "net": transaction.net,
        "reporting_category": transaction.reporting_category,
        "source": transaction.source,
        "status": "available",
        "type": transaction.type,
    }


def _event(event: SimEvent) -> Json:
    data: Json = {"object": event.object}
    if event.previous is not None:
        data["previous_attributes"] = event.previous
    whose: Json = {} if event.account == DEFAULT_ACCOUNT else {"account": event.account}
    return {
        "id": event.id,
        "object": "event",
        **whose,
        "api_version": API_VERSION,
        "created": seconds(event.created),
        "data": data,
        "livemode": False,
        "pending_webhooks": event.pending,
        "request": {"id": event.request_id, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }
