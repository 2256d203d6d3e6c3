"""
What we send to Stripe: each request as an HTTP method, a path and parameters.

Pure, both ways. `prepare` writes the call down as canonical JSON, which paykit stores
before anything is sent; `read_call` reads it again, also when another release wrote it.
From that text on nothing is decided any more: `paykit.stripe.adapter` sends exactly it.

Parameters are the plain dicts of the SDK, typed with its own TypedDicts, so that a
parameter that Stripe takes away (``payment_method_types`` went in 2026-09-30.endive)
is found by mypy.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, assert_never

from paykit.errors import UsageError
from paykit.psp.port import Call
from paykit.psp.requests import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    CreateRefund,
    FindPayment,
    FindRefund,
    IncrementAuthorization,
    ListBalanceTransactions,
    ListEvents,
    ListWebhookEndpoints,
    ReadCharge,
    ReadDispute,
    ReadInvoice,
    ReadPayment,
    ReadPayout,
    ReadRefund,
    ReadSubscription,
    Request,
    SearchPayments,
    UpdatePayment,
)
from paykit.stripe import fields, listing
from paykit.stripe.account_objects import PAYOUT_MOVEMENTS

if TYPE_CHECKING:
    from stripe.params import (
        BalanceTransactionListParams,
        PaymentIntentCancelParams,
        PaymentIntentCaptureParams,
        PaymentIntentConfirmParams,
        PaymentIntentCreateParams,
        PaymentIntentCreateParamsPaymentMethodOptionsCard,
        PaymentIntentIncrementAuthorizationParams,
        PaymentIntentListParams,
        PaymentIntentRetrieveParams,
        PaymentIntentSearchParams,
        PaymentIntentUpdateParams,
        PayoutRetrieveParams,
        RefundCreateParams,
        RefundListParams,
    )

__all__ = ["API_VERSION", "PAGE_SIZE", "Params", "WireCall", "prepare", "read_call"]

API_VERSION: Final = "2026-10-28.endive"
"""
The version of Stripe's API that paykit's tables were written and tested for.

Create webhook endpoints with the same one: events of another version are read again.
"""

PAGE_SIZE: Final = 100
"""The most that Stripe lists at once."""

Method: TypeAlias = Literal["get", "post"]
Params: TypeAlias = Mapping[str, object]

_PAYMENTS: Final = "/v1/payment_intents"
_REFUNDS: Final = "/v1/refunds"
_BALANCE: Final = "/v1/balance_transactions"
_EVENTS: Final = "/v1/events"
_ENDPOINTS: Final = "/v1/webhook_endpoints"

_WITH_CHARGE: Final = "latest_charge"
"""Expanded wherever Stripe returns one payment: fact keys need the charge."""

_CLOCK_SKEW: Final = timedelta(minutes=5)
"""
How far Stripe's clock may be behind ours. A payment that was created "before" we asked
for it must still be found, or a search would call it definitely absent.
"""

_CANCEL_REASONS: Final = frozenset(
    {"abandoned", "duplicate", "fraudulent", "requested_by_customer"}
)
_REFUND_REASONS: Final = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
"""The words Stripe takes. Others stay with paykit: a wrong word would be refused, and
neither a cancel nor a refund should fail for its reason's sake."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCall:
    """A stored `Call`, read back: what goes over the wire."""

    verb: str
    method: Method
    path: str
    params: dict[str, object]
    idempotency_key: str | None
    version: str
    """The API version it was prepared for: in another one it could mean another thing,
    or be refused as invalid although it was executed long ago."""
    match: dict[str, str] | None = None
    """The metadata that a search looks for; it is compared here, not at Stripe."""


def prepare(
    request: Request, idempotency_key: str | None, api_version: str = API_VERSION
) -> Call:
    """
    Return `request` as it will be sent, also after a deploy with another API version.

    Raises `UsageError` if a write has no usable idempotency key (the SDK would invent a
    random one, and a repeated send would charge twice), `ValueError` if an id of the
    request is none or a text cannot be encoded.
    """
    method, path, params = _wire(request)
    content: dict[str, object] = {
        "method": method,
        "path": path,
        "params": params,
        "version": api_version,
    }
    if isinstance(request, FindPayment | FindRefund | SearchPayments):
        content["match"] = _match(request)
    key = _checked_key(request.verb, idempotency_key) if method == "post" else None
    return Call(verb=request.verb, parameters=_canonical(content), idempotency_key=key)


def read_call(call: Call) -> WireCall:
    """
    Read a stored call, before anything is sent.

    Raises `UsageError` if it is a write without its key, `ValueError` if it is broken.
    """
    content = fields.parse(call.parameters.encode())
    method = fields.text(content, "method")
    if method not in ("get", "post"):
        raise ValueError(f"{call.verb}: the stored call has no method")
    writes = method == "post"
    return WireCall(
        verb=call.verb,
        method="post" if writes else "get",
        path=fields.text(content, "path"),
        params=dict(fields.child(content, "params") or {}),
        idempotency_key=_checked_key(call.verb, call.idempotency_key)
        if writes
        else None,
        version=fields.text(content, "version"),
        match=fields.strings(content, "match") if "match" in content else None,
    )


def _wire(request: Request) -> tuple[Method, str, Params]:
    match request:
        case CreatePayment():
            return "post", _PAYMENTS, _create_payment(request)
        case ConfirmPayment():
            return "post", _payment(request.payment, "confirm"), _confirm(request)
        case CapturePayment():
            return "post", _payment(request.payment, "capture"), _capture(request)
        case IncrementAuthorization():
            path = _payment(request.payment, "increment_authorization")
            return "post", path, _increment(request)
        case UpdatePayment():
            return "post", _payment(request.payment), _update(request)
        case CancelPayment():
            return "post", _payment(request.payment, "cancel"), _cancel(request)
        case CreateRefund():
            return "post", _REFUNDS, _create_refund(request)
        case ReadPayment():
            return "get", _payment(request.payment), _read_payment()
        case ReadRefund(refund=reference):
            return "get", f"{_REFUNDS}/{_id(reference)}", {}
        case ReadCharge(charge=reference):
            return "get", f"/v1/charges/{_id(reference)}", {}
        case ReadDispute(dispute=reference):
            return "get", f"/v1/disputes/{_id(reference)}", {}
        case ReadSubscription(subscription=reference):
            return "get", f"/v1/subscriptions/{_id(reference)}", {}
        case ReadInvoice(invoice=reference):
            return "get", f"/v1/invoices/{_id(reference)}", {}
        case ReadPayout(payout=reference):
            return "get", f"/v1/payouts/{_id(reference)}", _read_payout()
        case FindPayment():
            return "get", _PAYMENTS, _find_payment(request)
        case FindRefund():
            return "get", _REFUNDS, _find_refund(request)
        case SearchPayments():
            return "get", f"{_PAYMENTS}/search", _search_payments(request)
        case ListBalanceTransactions():
            return "get", _BALANCE, _list_balance_transactions(request)
        case ListEvents():
            return "get", _EVENTS, listing.events_asked(request, PAGE_SIZE)
        case ListWebhookEndpoints():
            return "get", _ENDPOINTS, listing.endpoints_asked(PAGE_SIZE)
        case _:
            assert_never(request)


def _create_payment(request: CreatePayment) -> PaymentIntentCreateParams:
    """
    Create without confirming: money moves in a second step (DESIGN section 4).

    ``allow_redirects: never`` because otherwise Stripe refuses to confirm without a
    return URL, even a card that never leaves the page. 3-D Secure still works.
    """
    params: PaymentIntentCreateParams = {
        "amount": request.amount.minor,
        "currency": request.amount.currency,
        "capture_method": request.capture,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "expand": [_WITH_CHARGE],
    }
    if request.metadata:
        params["metadata"] = request.metadata
    if request.payment_method is not None:
        params["payment_method"] = request.payment_method
    if request.customer is not None:
        params["customer"] = request.customer
    if request.description is not None:
        params["description"] = request.description
    if request.statement_descriptor is not None:
        params["statement_descriptor"] = request.statement_descriptor
    if request.statement_descriptor_suffix is not None:
        params["statement_descriptor_suffix"] = request.statement_descriptor_suffix
    if request.receipt_email is not None:
        params["receipt_email"] = request.receipt_email
    if request.on_behalf_of is not None:
        params["on_behalf_of"] = request.on_behalf_of
    if request.setup_future_usage is not None:
        params["setup_future_usage"] = request.setup_future_usage
    card = _card_options(request)
    if card:
        params["payment_method_options"] = {"card": card}
    return params


def _card_options(
    request: CreatePayment,
) -> PaymentIntentCreateParamsPaymentMethodOptionsCard:
    """Return what is asked of a card; whether it is had, its charge says."""
    card: PaymentIntentCreateParamsPaymentMethodOptionsCard = {}
    if request.multicapture:
        card["request_multicapture"] = "if_available"
    if request.incremental_authorization:
        card["request_incremental_authorization"] = "if_available"
    return card


def _confirm(request: ConfirmPayment) -> PaymentIntentConfirmParams:
    """
    Confirm; an authentication goes to `return_url`, or through Stripe.js without one.
    """
    params: PaymentIntentConfirmParams = {"expand": [_WITH_CHARGE]}
    if request.payment_method is not None:
        params["payment_method"] = request.payment_method
    if request.return_url is not None:
        params["return_url"] = request.return_url
    else:
        params["use_stripe_sdk"] = True
    return params


def _capture(request: CapturePayment) -> PaymentIntentCaptureParams:
    params: PaymentIntentCaptureParams = {
        "amount_to_capture": request.amount.minor,
        "expand": [_WITH_CHARGE],
    }
    if request.final is not None:
        params["final_capture"] = request.final
    if request.metadata:
        params["metadata"] = request.metadata
    return params


def _increment(
    request: IncrementAuthorization,
) -> PaymentIntentIncrementAuthorizationParams:
    """Name the new total, as Stripe counts it: not what is added."""
    return {"amount": request.amount.minor, "expand": [_WITH_CHARGE]}


def _update(request: UpdatePayment) -> PaymentIntentUpdateParams:
    params: PaymentIntentUpdateParams = {"expand": [_WITH_CHARGE]}
    if request.amount is not None:
        params["amount"] = request.amount.minor
    if request.description is not None:
        params["description"] = request.description
    if request.metadata:
        params["metadata"] = request.metadata
    return params


def _cancel(request: CancelPayment) -> PaymentIntentCancelParams:
    params: PaymentIntentCancelParams = {"expand": [_WITH_CHARGE]}
    if request.reason in _CANCEL_REASONS:
        params["cancellation_reason"] = request.reason
    return params


def _create_refund(request: CreateRefund) -> RefundCreateParams:
    params: RefundCreateParams = {
        "payment_intent": request.payment,
        "amount": request.amount.minor,
    }
    if request.reason in _REFUND_REASONS:
        params["reason"] = request.reason
    if request.metadata:
        params["metadata"] = request.metadata
    return params


def _read_payment() -> PaymentIntentRetrieveParams:
    return {"expand": [_WITH_CHARGE]}


def _read_payout() -> PayoutRetrieveParams:
    return {"expand": list(PAYOUT_MOVEMENTS)}


def _find_payment(request: FindPayment) -> PaymentIntentListParams:
    """List, do not search: the list shows what was written a moment ago."""
    since = calendar.timegm((request.since - _CLOCK_SKEW).utctimetuple())
    return {"created": {"gte": since}, "limit": PAGE_SIZE}


def _find_refund(request: FindRefund) -> RefundListParams:
    return {"payment_intent": request.payment, "limit": PAGE_SIZE}


def _search_payments(request: SearchPayments) -> PaymentIntentSearchParams:
    """Search, which is behind what has happened, and knows no end of the past."""
    clauses = (
        f"metadata[{_quoted(key)}]:{_quoted(value)}"
        for key, value in sorted(_match(request).items())
    )
    return {"query": " AND ".join(clauses), "limit": PAGE_SIZE}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _list_balance_transactions(
    request: ListBalanceTransactions,
) -> BalanceTransactionListParams:
    return {"source": request.source, "limit": PAGE_SIZE}


def _match(request: FindPayment | FindRefund | SearchPayments) -> dict[str, str]:
    """Return what to look for: without any metadata, everything would match."""
    if not request.metadata:
        raise ValueError(f"{request.verb} needs metadata to look for")
    return request.metadata


def _payment(reference: str, action: str | None = None) -> str:
    path = f"{_PAYMENTS}/{_id(reference)}"
    return path if action is None else f"{path}/{action}"


def _id(reference: str) -> str:
    """Return an id that can stand in a path, and cannot lead to another one."""
    if not _ID.fullmatch(reference):
        raise ValueError(f"not an id of Stripe: {reference[:40]!r}")
    return reference


def _checked_key(verb: str, key: str | None) -> str:
    if key is None or not _KEY.fullmatch(key):
        raise UsageError(f"{verb} needs an idempotency key of 1 to 255 ASCII letters")
    return key


def _canonical(content: Mapping[str, object]) -> str:
    """Return the one text that `content` has, in ASCII whatever the database takes."""
    # A lone surrogate could be stored, but never sent: refused here, not half-way.
    json.dumps(content, ensure_ascii=False).encode()
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
