"""Which parameters the endpoints around payments take, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

__all__ = ["REQUIRED", "TAKES", "Kind"]

Kind: TypeAlias = Literal["flag", "number", "range", "table", "text", "texts"]
"""How a parameter is read; a range is a point in time or its bounds."""

_PAGE: Final[Mapping[str, Kind]] = {
    "limit": "number",
    "starting_after": "text",
    "ending_before": "text",
    "created": "range",
}
_SEARCH: Final[Mapping[str, Kind]] = {
    "query": "text",
    "limit": "number",
    "page": "text",
}
_SETUP: Final[Mapping[str, Kind]] = {
    "customer": "text",
    "description": "text",
    "metadata": "table",
    "payment_method": "text",
    "payment_method_options": "table",
}
_SETUP_CONFIRMATION: Final[Mapping[str, Kind]] = {
    "client_secret": "text",
    "mandate_data": "table",
    "payment_method": "text",
    "payment_method_options": "table",
    "return_url": "text",
    "use_stripe_sdk": "flag",
}
_ENDPOINT: Final[Mapping[str, Kind]] = {
    "url": "text",
    "enabled_events": "texts",
    "description": "text",
    "metadata": "table",
}

TAKES: Final[Mapping[str, Mapping[str, Kind]]] = {
    "read_dispute": {},
    "list_disputes": {**_PAGE, "charge": "text", "payment_intent": "text"},
    "update_dispute": {
        "evidence": "table",
        "intended_submission_method": "text",
        "metadata": "table",
        "submit": "flag",
    },
    "close_dispute": {},
    "read_warning": {},
    "list_warnings": {**_PAGE, "charge": "text", "payment_intent": "text"},
    "read_review": {},
    "list_reviews": _PAGE,
    "approve_review": {},
    "read_balance": {},
    "create_payout": {
        "amount": "number",
        "currency": "text",
        "description": "text",
        "destination": "text",
        "metadata": "table",
        "method": "text",
        "source_type": "text",
        "statement_descriptor": "text",
    },
    "read_payout": {},
    "update_payout": {"metadata": "table"},
    "list_payouts": {
        **_PAGE,
        "arrival_date": "range",
        "destination": "text",
        "status": "text",
    },
    "cancel_payout": {},
    "create_webhook_endpoint": {**_ENDPOINT, "api_version": "text", "connect": "flag"},
    "read_thin_event": {},
    "read_webhook_endpoint": {},
    "list_webhook_endpoints": _PAGE,
    "update_webhook_endpoint": {**_ENDPOINT, "disabled": "flag"},
    "delete_webhook_endpoint": {},
    "create_setup": {
        **_SETUP,
        **_SETUP_CONFIRMATION,
        "automatic_payment_methods": "table",
        "confirm": "flag",
        "usage": "text",
    },
    "read_setup": {"client_secret": "text"},
    "list_setups": {**_PAGE, "customer": "text", "payment_method": "text"},
    "update_setup": _SETUP,
    "confirm_setup": _SETUP_CONFIRMATION,
    "cancel_setup": {"cancellation_reason": "text"},
    "read_subscription": {},
    "read_invoice": {},
    "search_payments": _SEARCH,
    "search_charges": _SEARCH,
    "create_clock": {"frozen_time": "number", "name": "text"},
    "read_clock": {},
    "list_clocks": _PAGE,
    "advance_clock": {"frozen_time": "number"},
    "delete_clock": {},
}
"""What each verb takes besides ``expand``."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "create_payout": ("amount", "currency"),
    "create_webhook_endpoint": ("url", "enabled_events"),
    "search_payments": ("query",),
    "search_charges": ("query",),
    "create_clock": ("frozen_time",),
    "advance_clock": ("frozen_time",),
}
"""What has to be there."""
