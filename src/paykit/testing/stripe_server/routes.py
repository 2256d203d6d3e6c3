"""Which request means which verb of the provider: Stripe's paths as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ROUTES", "Route", "find_route"]

ROUTES: Final = {
    ("POST", "payment_intents"): "create_payment",
    ("GET", "payment_intents"): "find_payment",
    ("GET", "payment_intents/*"): "read_payment",
    ("POST", "payment_intents/*"): "update_payment",
    ("POST", "payment_intents/*/confirm"): "confirm_payment",
    ("POST", "payment_intents/*/capture"): "capture_payment",
    ("POST", "payment_intents/*/increment_authorization"): "increment_authorization",
    ("POST", "payment_intents/*/cancel"): "cancel_payment",
    ("POST", "refunds"): "create_refund",
    ("GET", "refunds"): "find_refund",
    ("GET", "refunds/*"): "read_refund",
    ("POST", "refunds/*"): "update_refund",
    ("GET", "charges"): "list_charges",
    ("GET", "charges/*"): "read_charge",
    ("GET", "balance_transactions"): "list_balance_transactions",
    ("GET", "balance_transactions/*"): "read_balance_transaction",
    ("GET", "events"): "list_events",
    ("GET", "events/*"): "read_event",
    ("GET", "disputes"): "list_disputes",
    ("GET", "disputes/*"): "read_dispute",
    ("POST", "disputes/*"): "update_dispute",
    ("POST", "disputes/*/close"): "close_dispute",
    ("GET", "radar/early_fraud_warnings"): "list_warnings",
    ("GET", "radar/early_fraud_warnings/*"): "read_warning",
    ("GET", "reviews"): "list_reviews",
    ("GET", "reviews/*"): "read_review",
    ("POST", "reviews/*/approve"): "approve_review",
    ("GET", "balance"): "read_balance",
    ("POST", "payouts"): "create_payout",
    ("GET", "payouts"): "list_payouts",
    ("GET", "payouts/*"): "read_payout",
    ("POST", "payouts/*"): "update_payout",
    ("POST", "payouts/*/cancel"): "cancel_payout",
    ("POST", "webhook_endpoints"): "create_webhook_endpoint",
    ("GET", "webhook_endpoints"): "list_webhook_endpoints",
    ("GET", "webhook_endpoints/*"): "read_webhook_endpoint",
    ("POST", "webhook_endpoints/*"): "update_webhook_endpoint",
    ("DELETE", "webhook_endpoints/*"): "delete_webhook_endpoint",
    ("POST", "setup_intents"): "create_setup",
    ("GET", "setup_intents"): "list_setups",
    ("GET", "setup_intents/*"): "read_setup",
    ("POST", "setup_intents/*"): "update_setup",
    ("POST", "setup_intents/*/confirm"): "confirm_setup",
    ("POST", "setup_intents/*/cancel"): "cancel_setup",
    ("GET", "subscriptions/*"): "read_subscription",
    ("GET", "invoices/*"): "read_invoice",
    ("GET", "payment_intents/search"): "search_payments",
    ("GET", "charges/search"): "search_charges",
    ("POST", "test_helpers/test_clocks"): "create_clock",
    ("GET", "test_helpers/test_clocks"): "list_clocks",
    ("GET", "test_helpers/test_clocks/*"): "read_clock",
    ("POST", "test_helpers/test_clocks/*/advance"): "advance_clock",
    ("DELETE", "test_helpers/test_clocks/*"): "delete_clock",
}
"""The verb for a method and a path below ``/v1/``; ``*`` is the object's id."""

_PREFIX: Final = "/v1/"
_THIN_EVENTS: Final = "/v2/core/events/"
"""Where a thin event is read: all that there is of version 2 here."""


@dataclass(frozen=True, slots=True)
class Route:
    """What one request means."""

    method: str
    pattern: str
    """The path below ``/v1/``, with ``*`` for the id."""
    verb: str
    target: str
    """The id in the path; empty if there is none."""


def find_route(method: str, path: str) -> Route | None:
    """Return what `path` means; None if Stripe has no such endpoint."""
    if method == "GET" and path.startswith(_THIN_EVENTS):
        target = path.removeprefix(_THIN_EVENTS)
        return Route(method, "", "read_thin_event", target)
    if not path.startswith(_PREFIX):
        return None
    plain = path.removeprefix(_PREFIX)
    if (method, plain) in ROUTES:
        return Route(method, plain, ROUTES[method, plain], "")
    parts = plain.split("/")
    for position, target in enumerate(parts[1:], 1):
        pattern = "/".join([*parts[:position], "*", *parts[position + 1 :]])
        if target not in ("", "*") and (method, pattern) in ROUTES:
            return Route(method, pattern, ROUTES[method, pattern], target)
    return None
