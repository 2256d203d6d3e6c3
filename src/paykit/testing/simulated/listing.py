"""Lists of the simulated account: newest first, a page at a time, consistent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from paykit.testing.simulated.errors import invalid, not_found
from paykit.testing.simulated.objects import (
    SimBalanceTransaction,
    SimCharge,
    SimEvent,
    SimIntent,
    SimObject,
    SimRefund,
)
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = [
    "Page",
    "list_balance",
    "list_charges",
    "list_events",
    "list_payments",
    "list_refunds",
]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: Sequence[SimObject]
    has_more: bool


_T = TypeVar("_T", SimIntent, SimCharge, SimRefund, SimBalanceTransaction, SimEvent)

_BOUNDS: Final[dict[str, Callable[[int, int], bool]]] = {
    "gt": lambda created, bound: created > bound,
    "gte": lambda created, bound: created >= bound,
    "lt": lambda created, bound: created < bound,
    "lte": lambda created, bound: created <= bound,
}


def list_payments(state: State, params: Params) -> Page:
    """``GET /v1/payment_intents``, by customer and time of creation."""
    customer = params.text("customer")
    return _page(
        (
            intent
            for intent in state.intents.values()
            if customer in (None, intent.details.get("customer"))
        ),
        params,
    )


def list_charges(state: State, params: Params) -> Page:
    """``GET /v1/charges``, by payment."""
    intent = params.text("payment_intent")
    return _page(
        (c for c in state.charges.values() if intent in (None, c.intent)), params
    )


def list_refunds(state: State, params: Params) -> Page:
    """``GET /v1/refunds``, by payment or charge."""
    intent, charge = params.text("payment_intent"), params.text("charge")
    if intent is not None:
        state.intent(intent, param="payment_intent")
    return _page(
        (
            refund
            for refund in state.refunds.values()
            if intent in (None, refund.intent) and charge in (None, refund.charge)
        ),
        params,
    )


def list_balance(state: State, params: Params) -> Page:
    """``GET /v1/balance_transactions``, by source, type and currency."""
    source, type_, currency = map(params.text, ("source", "type", "currency"))
    return _page(
        (
            transaction
            for transaction in state.balance.values()
            # A charge's list shows its refunds' movements too.
            if source in (None, transaction.source, transaction.charge)
            and type_ in (None, transaction.type)
            and currency in (None, transaction.currency)
        ),
        params,
    )


def list_events(state: State, params: Params) -> Page:
    """``GET /v1/events``, by type and by whether they were delivered."""
    single = params.text("type")
    types = params.texts("types") or (() if single is None else (single,))
    delivered = params.values.get("delivery_success")
    return _page(
        (
            event
            for event in state.events().values()
            if (not types or event.type in types)
            and delivered in (None, event.delivered)
        ),
        params,
    )


def _page(objects: Iterable[_T], params: Params) -> Page:
    """Cut one page out of `objects`, which are in the order of creation."""
    newest_first = [item for item in objects if _created_within(item, params)][::-1]
    limit = 10 if params.number("limit") is None else params.number("limit") or 0
    if not 1 <= limit <= 100:
        raise invalid(
            "Invalid integer: limit is between 1 and 100", code=None, param="limit"
        )
    after, before = params.text("starting_after"), params.text("ending_before")
    if before is not None:
        rest = newest_first[: _position(newest_first, before, "ending_before")]
        return Page(rest[-limit:], has_more=len(rest) > limit)
    start = 0
    if after is not None:
        start = _position(newest_first, after, "starting_after") + 1
    rest = newest_first[start:]
    return Page(rest[:limit], has_more=len(rest) > limit)


def _position(items: Sequence[SimObject], reference: str, param: str) -> int:
    for position, item in enumerate(items):
        if item.id == reference:
            return position
    raise not_found("object", reference, param=param)


def _created_within(item: SimObject, params: Params) -> bool:
    created = int(item.created.timestamp())
    return all(
        name in _BOUNDS and isinstance(bound, int) and _BOUNDS[name](created, bound)
        for name, bound in params.table("created").items()
    )
