"""The simulated objects as Stripe's JSON: one renderer for answers and webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, assert_never

from paykit.testing.simulated.errors import ProviderError
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import (
    DEFAULT_ACCOUNT,
    Json,
    SimBalanceTransaction,
    SimCharge,
    SimDecline,
    SimEvent,
    SimIntent,
    SimObject,
    SimRefund,
)

__all__ = ["API_VERSION", "expand", "render", "render_error", "render_page"]

API_VERSION: Final = "2026-10-28.endive"
"""The version of Stripe's API that the shapes below follow."""


def render(subject: SimObject) -> Json:
    """Return `subject` as Stripe shows it, with nothing expanded."""
    match subject:
        case SimIntent():
            return _intent(subject)
        case SimCharge():
            return _charge(subject)
        case SimRefund():
            return _refund(subject)
        case SimBalanceTransaction():
            return _balance_transaction(subject)
        case SimEvent():
            return _event(subject)
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
        body["doc_url"] = _doc_url(error.code)
    if error.param is not None:
        body["param"] = error.param
    if error.decline is not None:
        body.update(_decline_details(error.decline))
    if error.intent is not None:
        body["payment_intent"] = _intent(error.intent)
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


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _doc_url(code: str) -> str:
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def _intent(intent: SimIntent) -> Json:
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_received": intent.amount_received,
        "application_fee_amount": None,
        "automatic_payment_methods": {
            "allow_redirects": "always" if intent.redirects else "never",
            "enabled": True,
        },
        "canceled_at": _seconds(intent.canceled_at),
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": _seconds(intent.created),
        "currency": intent.currency,
        "customer": None,
        "description": None,
        "last_payment_error": _last_error(intent.last_error),
        "latest_charge": intent.latest_charge,
        "livemode": False,
        "metadata": {**intent.metadata},
        "next_action": _next_action(intent),
        "payment_method": intent.payment_method,
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": intent.status,
        "transfer_group": None,
        **intent.details,
    }


def _next_action(intent: SimIntent) -> Json | None:
    if intent.status != "requires_action":
        return None
    if intent.return_url is None:
        source = {"type": "three_d_secure_redirect", "three_d_secure_2_source": "src_1"}
        return {"type": "use_stripe_sdk", "use_stripe_sdk": source}
    url = f"https://hooks.stripe.com/3d_secure_2/hosted?payment_intent={intent.id}"
    redirect = {"url": url, "return_url": intent.return_url}
    return {"type": "redirect_to_url", "redirect_to_url": redirect}


def _last_error(decline: SimDecline | None) -> Json | None:
    if decline is None:
        return None
    return {
        "type": "card_error",
        "code": decline.code,
        "doc_url": _doc_url(decline.code),
        "message": decline.message,
        **_decline_details(decline),
    }


def _decline_details(decline: SimDecline) -> Json:
    """Return what is said about a decline; absent, not null, where nothing is."""
    details = {
        "decline_code": decline.decline_code,
        "advice_code": decline.advice_code,
        "charge": decline.charge,
    }
    return {name: value for name, value in details.items() if value is not None}


def _charge(charge: SimCharge) -> Json:
    decline = charge.decline
    # What was released counts as refunded on the wire (seen in
    # woocommerce/woocommerce-gateway-stripe issue 1073), though no payer got it back.
    refunded = charge.amount_refunded + charge.amount_released
    return {
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": refunded,
        "balance_transaction": charge.balance_transaction,
        "billing_details": {"email": None, "name": None, "phone": None},
        "captured": charge.captured,
        "created": _seconds(charge.created),
        "currency": charge.currency,
        "customer": None,
        "disputed": False,
        "failure_balance_transaction": charge.failure_balance_transaction,
        "failure_code": None if decline is None else decline.code,
        "failure_message": None if decline is None else decline.message,
        "livemode": False,
        "metadata": {**charge.metadata},
        "outcome": _outcome(charge),
        "paid": charge.status == "succeeded",
        "payment_intent": charge.intent,
        "payment_method": charge.payment_method,
        "payment_method_details": _method_details(charge),
        "refunded": refunded == charge.amount,
        "status": charge.status,
    }


def _outcome(charge: SimCharge) -> Json:
    if charge.decline is None:
        return {
            "type": "authorized",
            "network_status": "approved_by_network",
            "reason": None,
            "advice_code": None,
        }
    return {
        "type": "issuer_declined",
        "network_status": "declined_by_network",
        "reason": charge.decline.decline_code,
        "advice_code": charge.decline.advice_code,
    }


def _method_details(charge: SimCharge) -> Json:
    method = METHODS[charge.payment_method]
    details: Json = {"last4": method.last4}
    if method.type == "card":
        details = {
            "brand": method.brand,
            "capture_before": _seconds(charge.capture_before),
            "country": "US",
            "exp_month": 12,
            "exp_year": 2034,
            "funding": "credit",
            "last4": method.last4,
            "multicapture": {"status": "unavailable"},
            "network": method.brand,
        }
    return {"type": method.type, method.type: details}


def _refund(refund: SimRefund) -> Json:
    body: Json = {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": refund.balance_transaction,
        "charge": refund.charge,
        "created": _seconds(refund.created),
        "currency": refund.currency,
        "metadata": {**refund.metadata},
        "payment_intent": refund.intent,
        "reason": refund.reason,
        "receipt_number": None,
        "status": refund.status,
    }
    if refund.status == "pending":
        body["pending_reason"] = "processing"
    if refund.failure_reason is not None:
        body["failure_reason"] = refund.failure_reason
        body["failure_balance_transaction"] = refund.failure_balance_transaction
    return body


def _balance_transaction(transaction: SimBalanceTransaction) -> Json:
    fee: Json = {
        "amount": transaction.fee,
        "currency": transaction.currency,
        "type": "stripe_fee",
    }
    return {
        "id": transaction.id,
        "object": "balance_transaction",
        "amount": transaction.amount,
        "available_on": _seconds(transaction.created),
        "created": _seconds(transaction.created),
        "currency": transaction.currency,
        "description": None,
        "exchange_rate": None,
        "fee": transaction.fee,
        "fee_details": [fee] if transaction.fee else [],
        "net": transaction.amount - transaction.fee,
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
        "created": _seconds(event.created),
        "data": data,
        "livemode": False,
        "pending_webhooks": 0 if event.delivered else 1,
        "request": {"id": event.request_id, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }
