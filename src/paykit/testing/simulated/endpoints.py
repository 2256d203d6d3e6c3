"""The table of endpoints: which verb does what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from paykit.testing.simulated import (
    captures,
    clocks,
    confirming,
    deliveries,
    disputes,
    intents,
    listing,
    payouts,
    refunds,
    reviews,
    search,
    setup_intents,
    webhook_endpoints,
)
from paykit.testing.simulated.errors import not_found
from paykit.testing.simulated.listing import Page
from paykit.testing.simulated.objects import Json, SimIntent, SimObject
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.render import expand, render_page
from paykit.testing.simulated.state import State

__all__ = ["ANSWERS", "LISTS", "READS", "WRITES", "perform"]

Act: TypeAlias = Callable[[State, str, Params], SimObject | Json]
List: TypeAlias = Callable[[State, Params], Page]

WRITES: Final[Mapping[str, Act]] = {
    "create_payment": intents.create,
    "update_payment": intents.update,
    "confirm_payment": confirming.confirm,
    "capture_payment": captures.capture,
    "increment_authorization": captures.increment,
    "cancel_payment": intents.cancel,
    "create_refund": refunds.create,
    "update_refund": refunds.update,
    "update_dispute": disputes.update,
    "close_dispute": disputes.close,
    "approve_review": reviews.approve,
    "create_payout": payouts.create,
    "update_payout": payouts.update,
    "cancel_payout": payouts.cancel,
    "create_webhook_endpoint": webhook_endpoints.create,
    "update_webhook_endpoint": webhook_endpoints.update,
    "delete_webhook_endpoint": webhook_endpoints.delete,
    "create_setup": setup_intents.create,
    "update_setup": setup_intents.update,
    "confirm_setup": setup_intents.confirm,
    "cancel_setup": setup_intents.cancel,
    "create_clock": clocks.create,
    "advance_clock": clocks.advance,
    "delete_clock": clocks.delete,
}
"""Endpoints that change something; only these take an idempotency key."""

READS: Final[Mapping[str, tuple[str, str]]] = {
    "read_payment": ("intents", "payment_intent"),
    "read_charge": ("charges", "charge"),
    "read_refund": ("refunds", "refund"),
    "read_balance_transaction": ("balance", "balance_transaction"),
    "read_event": ("events", "event"),
    "read_dispute": ("disputes", "dispute"),
    "read_warning": ("warnings", "issuer fraud record"),
    "read_review": ("reviews", "review"),
    "read_payout": ("payouts", "payout"),
    "read_webhook_endpoint": ("endpoints", "webhook_endpoint"),
    "read_setup": ("setups", "setupintent"),
    "read_subscription": ("subscriptions", "subscription"),
    "read_invoice": ("invoices", "invoice"),
}
"""Endpoints that show one object: where it is kept, and what it is called."""

ANSWERS: Final[Mapping[str, Act]] = {
    "read_balance": payouts.balance,
    "read_clock": clocks.read,
    "read_thin_event": deliveries.read_thin,
    "search_payments": search.search_payments,
    "search_charges": search.search_charges,
}
"""Endpoints that show something that is found out when it is asked for."""

LISTS: Final[Mapping[str, tuple[List, str]]] = {
    "find_payment": (listing.list_payments, "/v1/payment_intents"),
    "list_charges": (listing.list_charges, "/v1/charges"),
    "find_refund": (listing.list_refunds, "/v1/refunds"),
    "list_balance_transactions": (listing.list_balance, "/v1/balance_transactions"),
    "list_events": (listing.list_events, "/v1/events"),
    "list_disputes": (listing.list_disputes, "/v1/disputes"),
    "list_warnings": (listing.list_warnings, "/v1/radar/early_fraud_warnings"),
    "list_reviews": (listing.list_reviews, "/v1/reviews"),
    "list_payouts": (listing.list_payouts, "/v1/payouts"),
    "list_webhook_endpoints": (listing.list_endpoints, "/v1/webhook_endpoints"),
    "list_setups": (listing.list_setups, "/v1/setup_intents"),
    "list_clocks": (listing.list_clocks, "/v1/test_helpers/test_clocks"),
}
"""Endpoints that show a page of objects."""


def perform(state: State, verb: str, target: str, params: Params) -> Json:
    """Execute one request and return the body of its answer; or `ProviderError`."""
    paths = params.texts("expand")
    if verb in LISTS:
        list_objects, url = LISTS[verb]
        page = list_objects(state, params)
        body = render_page(
            [state.show(item) for item in page.items], url, has_more=page.has_more
        )
    elif verb in READS:
        found = _read(state, verb, target)
        if isinstance(found, SimIntent):
            confirming.check_secret(found, params)
        body = state.show(found)
    elif verb in ANSWERS:
        body = _shown(state, ANSWERS[verb](state, target, params))
    else:
        done = WRITES[verb](state, target, params)
        state.note_change(done)
        body = _shown(state, done)
    expand(body, paths, lambda reference: _show(state, reference))
    return body


def _shown(state: State, answer: SimObject | Json) -> Json:
    return answer if isinstance(answer, dict) else state.show(answer)


def _read(state: State, verb: str, target: str) -> SimObject:
    table, kind = READS[verb]
    rows: Mapping[str, SimObject] = (
        state.events() if table == "events" else getattr(state, table)
    )
    found = rows.get(target)
    if found is None:
        raise not_found(kind, target, param="id")
    return found


def _show(state: State, reference: str) -> Json:
    found = state.by_id(reference)
    if found is None:
        return {"id": reference, "object": "unknown"}
    return state.show(found)
