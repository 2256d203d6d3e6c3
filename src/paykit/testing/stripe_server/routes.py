"""Which request means which verb of the provider: Stripe's paths as one table."""

from __future__ import annotations

from typing import Final

__all__ = ["ROUTES", "find_verb"]

ROUTES: Final = {
    ("POST", "payment_intents"): "create_payment",
    ("GET", "payment_intents"): "find_payment",
    ("GET", "payment_intents/*"): "read_payment",
    ("POST", "payment_intents/*"): "update_payment",
    ("POST", "payment_intents/*/confirm"): "confirm_payment",
    ("POST", "payment_intents/*/capture"): "capture_payment",
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
}
"""The verb for a method and a path below ``/v1/``; ``*`` is the object's id."""

_PREFIX: Final = "/v1/"


def find_verb(method: str, path: str) -> tuple[str, str] | None:
    """Return the verb and the id in `path`; None if Stripe has no such endpoint."""
    if not path.startswith(_PREFIX):
        return None
    parts = path.removeprefix(_PREFIX).split("/")
    target = parts[1] if len(parts) > 1 else ""
    pattern = "/".join([parts[0], *(["*"] if target else []), *parts[2:]])
    verb = ROUTES.get((method, pattern))
    return None if verb is None else (verb, target)
