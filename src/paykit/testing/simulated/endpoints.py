"""The table of endpoints: which verb does what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from paykit.testing.simulated import intents, listing, refunds
from paykit.testing.simulated.errors import not_found
from paykit.testing.simulated.listing import Page
from paykit.testing.simulated.objects import Json, SimObject
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.render import expand, render, render_page
from paykit.testing.simulated.state import State

__all__ = ["LISTS", "READS", "WRITES", "perform"]

Write: TypeAlias = Callable[[State, str, Params], SimObject]
List: TypeAlias = Callable[[State, Params], Page]

WRITES: Final[Mapping[str, Write]] = {
    "create_payment": intents.create,
    "update_payment": intents.update,
    "confirm_payment": intents.confirm,
    "capture_payment": intents.capture,
    "cancel_payment": intents.cancel,
    "create_refund": refunds.create,
    "update_refund": refunds.update,
}
"""Endpoints that change something; only these take an idempotency key."""

READS: Final[Mapping[str, tuple[str, str]]] = {
    "read_payment": ("intents", "payment_intent"),
    "read_charge": ("charges", "charge"),
    "read_refund": ("refunds", "refund"),
    "read_balance_transaction": ("balance", "balance_transaction"),
    "read_event": ("events", "event"),
}
"""Endpoints that show one object: where it is kept, and what it is called."""

LISTS: Final[Mapping[str, tuple[List, str]]] = {
    "find_payment": (listing.list_payments, "/v1/payment_intents"),
    "list_charges": (listing.list_charges, "/v1/charges"),
    "find_refund": (listing.list_refunds, "/v1/refunds"),
    "list_balance_transactions": (listing.list_balance, "/v1/balance_transactions"),
    "list_events": (listing.list_events, "/v1/events"),
}
"""Endpoints that show a page of objects."""


def perform(state: State, verb: str, target: str, params: Params) -> Json:
    """Execute one request and return the body of its answer; or `ProviderError`."""
    paths = params.texts("expand")
    if verb in LISTS:
        list_objects, url = LISTS[verb]
        page = list_objects(state, params)
        body = render_page(
            [render(item) for item in page.items], url, has_more=page.has_more
        )
    elif verb in READS:
        body = render(_read(state, verb, target))
    else:
        body = render(WRITES[verb](state, target, params))
    expand(body, paths, lambda reference: _show(state, reference))
    return body


def _read(state: State, verb: str, target: str) -> SimObject:
    tables: dict[str, Mapping[str, SimObject]] = {
        "intents": state.intents,
        "charges": state.charges,
        "refunds": state.refunds,
        "balance": state.balance,
        "events": state.events() if verb == "read_event" else {},
    }
    table, kind = READS[verb]
    found = tables[table].get(target)
    if found is None:
        raise not_found(kind, target, param="id")
    return found


def _show(state: State, reference: str) -> Json:
    found = state.by_id(reference)
    return {"id": reference, "object": "unknown"} if found is None else render(found)
