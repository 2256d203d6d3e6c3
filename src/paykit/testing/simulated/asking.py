"""paykit's requests as the provider's parameters, encoded as canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, assert_never

from paykit.psp import (
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
    ReadRequest,
    ReadSubscription,
    Request,
    SearchPayments,
    UpdatePayment,
)

__all__ = ["ask"]

_SHOW_CHARGE: Final = ["latest_charge"]
_SHOW_MOVEMENTS: Final = ["balance_transaction", "failure_balance_transaction"]
_LONGEST_PAGE: Final = 100
_CANCEL_REASONS: Final = frozenset(
    {"abandoned", "duplicate", "fraudulent", "requested_by_customer"}
)
"""The words that the provider has; others stay with paykit."""


def ask(request: Request) -> str:
    """Return `request` as JSON text: target, parameters and what to look for."""
    target, params = _asked(request)
    call: dict[str, object] = {
        "target": target,
        "params": {
            name: value for name, value in params.items() if value not in (None, {})
        },
    }
    if isinstance(request, FindPayment | FindRefund | SearchPayments):
        call["wanted"] = request.metadata
    return json.dumps(call, sort_keys=True, separators=(",", ":"))


def _asked(request: Request) -> tuple[str, Mapping[str, object]]:
    """Return the target and the parameters, absent ones as None."""
    match request:
        case CreatePayment():
            return "", _creation(request)
        case ConfirmPayment(payment=payment):
            return payment, {
                "payment_method": request.payment_method,
                "return_url": request.return_url,
                "expand": _SHOW_CHARGE,
            }
        case CapturePayment(payment=payment):
            return payment, {
                "amount_to_capture": request.amount.minor,
                "final_capture": request.final,
                "metadata": request.metadata,
                "expand": _SHOW_CHARGE,
            }
        case IncrementAuthorization(payment=payment):
            return payment, {"amount": request.amount.minor, "expand": _SHOW_CHARGE}
        case UpdatePayment(payment=payment):
            return payment, _update(request)
        case CancelPayment(payment=payment):
            known = request.reason in _CANCEL_REASONS
            reason = request.reason if known else None
            return payment, {"cancellation_reason": reason, "expand": _SHOW_CHARGE}
        case CreateRefund():
            return "", _refund(request)
        case _:
            return _read(request)


def _creation(request: CreatePayment) -> Mapping[str, object]:
    return {
        "amount": request.amount.minor,
        "currency": request.amount.currency,
        "capture_method": request.capture,
        # Without redirects no confirmation needs a `return_url`.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": request.metadata,
        "payment_method": request.payment_method,
        "customer": request.customer,
        "description": request.description,
        "statement_descriptor": request.statement_descriptor,
        "statement_descriptor_suffix": request.statement_descriptor_suffix,
        "receipt_email": request.receipt_email,
        "on_behalf_of": request.on_behalf_of,
        "setup_future_usage": request.setup_future_usage,
        "payment_method_options": _card_options(request),
        "expand": _SHOW_CHARGE,
    }


def _card_options(request: CreatePayment) -> Mapping[str, object]:
    """Return what is asked of a card; empty if nothing is."""
    asked = {
        "request_multicapture": request.multicapture,
        "request_incremental_authorization": request.incremental_authorization,
    }
    card = {name: "if_available" for name, wanted in asked.items() if wanted}
    return {"card": card} if card else {}


def _update(request: UpdatePayment) -> Mapping[str, object]:
    return {
        "amount": None if request.amount is None else request.amount.minor,
        "description": request.description,
        "metadata": request.metadata,
        "expand": _SHOW_CHARGE,
    }


def _refund(request: CreateRefund) -> Mapping[str, object]:
    return {
        "payment_intent": request.payment,
        "amount": request.amount.minor,
        "reason": request.reason,
        "metadata": request.metadata,
    }


def _read(request: ReadRequest) -> tuple[str, Mapping[str, object]]:
    """Return the target and the parameters of a read; lists are read by the page."""
    match request:
        case ReadPayment(payment=payment):
            return payment, {"expand": _SHOW_CHARGE}
        case ReadRefund(refund=refund):
            return refund, {}
        case ReadCharge(charge=charge):
            return charge, {}
        case ReadDispute(dispute=dispute):
            return dispute, {}
        case ReadPayout(payout=payout):
            return payout, {"expand": _SHOW_MOVEMENTS}
        case ReadSubscription(subscription=subscription):
            return subscription, {}
        case ReadInvoice(invoice=invoice):
            return invoice, {}
        case FindPayment(since=since):
            # Down to the second: `created` has no finer resolution.
            created = {"gte": int(since.timestamp())}
            return "", {"created": created, "limit": _LONGEST_PAGE}
        case FindRefund(payment=payment):
            return "", {"payment_intent": payment, "limit": _LONGEST_PAGE}
        case SearchPayments(metadata=metadata):
            return "", {"query": _query(metadata), "limit": _LONGEST_PAGE}
        case ListBalanceTransactions(source=source):
            return "", {"source": source, "limit": _LONGEST_PAGE}
        case ListEvents(since=since):
            return "", {
                "created": {"gte": int(since.timestamp())},
                "starting_after": request.position,
                "limit": _LONGEST_PAGE,
            }
        case ListWebhookEndpoints():
            return "", {"limit": _LONGEST_PAGE}
        case _:
            assert_never(request)


def _query(metadata: Mapping[str, str]) -> str:
    """Return what finds the payment with `metadata`, in the provider's language."""
    return " AND ".join(
        f'metadata["{key}"]:"{_escaped(value)}"'
        for key, value in sorted(metadata.items())
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
