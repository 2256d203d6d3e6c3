"""Lists of the simulated account: newest first, a page at a time, consistent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, Protocol, TypeVar

from paykit.testing.simulated import payouts
from paykit.testing.simulated.errors import invalid, not_found
from paykit.testing.simulated.objects import SimEvent, SimObject
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = [
    "Page",
    "list_balance",
    "list_charges",
    "list_clocks",
    "list_disputes",
    "list_endpoints",
    "list_events",
    "list_payments",
    "list_payouts",
    "list_refunds",
    "list_reviews",
    "list_setups",
    "list_warnings",
]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: Sequence[SimObject]
    has_more: bool


class _About(Protocol):
    """Whatever names the payment and the charge that it is about."""

    intent: str
    charge: str


_T = TypeVar("_T", bound=SimObject)

_MOST_TYPES: Final = 20
"""How many types of events one list may ask for."""

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
        state.intents,
        params,
        lambda intent: customer in (None, intent.details.get("customer")),
    )


def list_charges(state: State, params: Params) -> Page:
    """``GET /v1/charges``, by payment."""
    intent = params.text("payment_intent")
    return _page(state.charges, params, lambda row: intent in (None, row.intent))


def list_refunds(state: State, params: Params) -> Page:
    """``GET /v1/refunds``, by payment or charge."""
    intent = params.text("payment_intent")
    if intent is not None:
        state.intent(intent, param="payment_intent")
    return _page(state.refunds, params, _about(params))


def list_disputes(state: State, params: Params) -> Page:
    """``GET /v1/disputes``, by payment or charge."""
    return _page(state.disputes, params, _about(params))


def list_warnings(state: State, params: Params) -> Page:
    """``GET /v1/radar/early_fraud_warnings``, by payment or charge."""
    return _page(state.warnings, params, _about(params))


def list_reviews(state: State, params: Params) -> Page:
    """``GET /v1/reviews``: the open ones."""
    return _page(state.reviews, params, lambda review: review.open)


def list_balance(state: State, params: Params) -> Page:
    """
    ``GET /v1/balance_transactions``, by source, payout, type and currency.

    Those of a payout are known for automatic ones that have arrived, and hold the
    payout's own movement too.
    """
    source, type_, currency = map(params.text, ("source", "type", "currency"))
    payout = params.text("payout")
    if payout is not None:
        payout = payouts.attributed(state, payout)
    return _page(
        state.balance,
        params,
        # A charge's list shows its refunds' movements too.
        lambda row: (
            source in (None, row.source, row.charge)
            and payout in (None, row.payout)
            and type_ in (None, row.type)
            and currency in (None, row.currency)
        ),
    )


def list_payouts(state: State, params: Params) -> Page:
    """``GET /v1/payouts``, by status, destination and day of arrival."""
    status, destination = params.text("status"), params.text("destination")
    return _page(
        state.payouts,
        params,
        lambda payout: (
            status in (None, payout.status)
            and destination in (None, payout.destination)
            and _is_within(payout.arrives, params, "arrival_date")
        ),
    )


def list_setups(state: State, params: Params) -> Page:
    """``GET /v1/setup_intents``, by customer and payment method."""
    customer, method = params.text("customer"), params.text("payment_method")
    return _page(
        state.setups,
        params,
        lambda setup: (
            customer in (None, setup.customer)
            and method in (None, setup.payment_method)
        ),
    )


def list_endpoints(state: State, params: Params) -> Page:
    """``GET /v1/webhook_endpoints``."""
    return _page(state.endpoints, params)


def list_clocks(state: State, params: Params) -> Page:
    """``GET /v1/test_helpers/test_clocks``."""
    return _page(state.clocks, params)


def list_events(state: State, params: Params) -> Page:
    """``GET /v1/events`` of 30 days, by type and by whether they were delivered."""
    types, delivered = _types(params), params.values.get("delivery_success")

    def wanted(event: SimEvent) -> bool:
        named = not types or any(fnmatchcase(event.type, type_) for type_ in types)
        return named and delivered in (None, event.pending == 0)

    return _page(state.events(), params, wanted)


def _types(params: Params) -> Sequence[str]:
    """Return the types asked for; a single one may have a ``*`` for a group."""
    single, several = params.text("type"), params.texts("types")
    if single is not None and several:
        message = "You may only specify one of these parameters: type, types."
        raise invalid(message, code=None, param="types")
    if len(several) > _MOST_TYPES:
        message = f"Invalid array: types has at most {_MOST_TYPES} elements."
        raise invalid(message, code=None, param="types")
    return several or (() if single is None else (single,))


def _about(params: Params) -> Callable[[_About], bool]:
    """Return whether a row is about the payment or charge asked for."""
    intent, charge = params.text("payment_intent"), params.text("charge")
    return lambda row: intent in (None, row.intent) and charge in (None, row.charge)


def _page(
    table: Mapping[str, _T],
    params: Params,
    wanted: Callable[[_T], bool] = lambda row: True,
) -> Page:
    """Cut one page out of the wanted rows of `table`, which is in order of creation."""
    limit = 10 if params.number("limit") is None else params.number("limit") or 0
    if not 1 <= limit <= 100:
        raise invalid(
            "Invalid integer: limit is between 1 and 100", code=None, param="limit"
        )
    after, before = params.text("starting_after"), params.text("ending_before")
    newest_first = list(table.values())[::-1]
    if before is not None:
        newest_first = newest_first[: _position(table, before, "ending_before")]
    elif after is not None:
        newest_first = newest_first[_position(table, after, "starting_after") + 1 :]
    found = [
        row
        for row in newest_first
        if _is_within(row.created, params, "created") and wanted(row)
    ]
    # The page before an object ends right before it, not at the newest.
    items = found[:limit] if before is None else found[-limit:]
    return Page(items, has_more=len(found) > limit)


def _position(table: Collection[str], reference: str, param: str) -> int:
    """Return the place of an object, newest first, whether or not it is wanted."""
    for position, key in enumerate(reversed(list(table))):
        if key == reference:
            return position
    raise not_found("object", reference, param=param)


def _is_within(moment: datetime, params: Params, param: str) -> bool:
    """Whether `moment` is within the bounds that `param` sets, if it does."""
    seconds = int(moment.timestamp())
    return all(
        name in _BOUNDS and isinstance(bound, int) and _BOUNDS[name](seconds, bound)
        for name, bound in params.table(param).items()
    )
