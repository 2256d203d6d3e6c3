"""Payments, charges and refunds as Stripe's JSON."""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.methods import METHODS, Method
from paykit.testing.simulated.objects import (
    Json,
    SimCharge,
    SimDecline,
    SimIntent,
    SimRefund,
)
from paykit.testing.simulated.timestamps import seconds

__all__ = [
    "decline_details",
    "doc_url",
    "render_charge",
    "render_intent",
    "render_refund",
]

_SELLER_MESSAGES: Final = {
    "authorized": "Payment complete.",
    "issuer_declined": "The bank did not return any further details with this decline.",
    "blocked": "Stripe blocked this payment as too risky.",
}
_NULL_ON_CHARGES: Final = (
    "application",
    "application_fee",
    "application_fee_amount",
    "customer",
    "description",
    "on_behalf_of",
    "receipt_email",
    "receipt_number",
    "receipt_url",
    "shipping",
    "source",
    "source_transfer",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
)
"""What a charge shows as null, unless its payment said something."""

_RISK_SCORES: Final = {"normal": 20, "elevated": 70, "highest": 95}


def render_intent(intent: SimIntent) -> Json:
    """Return a ``payment_intent``."""
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {
            "allow_redirects": "always" if intent.redirects else "never",
            "enabled": True,
        },
        "canceled_at": seconds(intent.canceled_at),
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": seconds(intent.created),
        "currency": intent.currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": _last_error(intent.last_error),
        "latest_charge": intent.latest_charge,
        "livemode": False,
        "metadata": {**intent.metadata},
        "next_action": _next_action(intent),
        "on_behalf_of": None,
        "payment_method": intent.payment_method,
        "payment_method_configuration_details": None,
        "payment_method_options": _method_options(intent),
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": intent.review,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": intent.status,
        "transfer_data": None,
        "transfer_group": None,
        **intent.details,
    }


def render_charge(charge: SimCharge) -> Json:
    """Return a ``charge``."""
    decline = charge.decline
    # What was released counts as refunded on the wire (seen in
    # woocommerce/woocommerce-gateway-stripe issue 1073), though no payer got it back.
    refunded = charge.amount_refunded + charge.amount_released
    return {
        **dict.fromkeys(_NULL_ON_CHARGES),
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": refunded,
        "balance_transaction": charge.balance_transaction,
        "billing_details": _billing_details(),
        "calculated_statement_descriptor": "SIMULATED",
        "captured": charge.captured,
        "created": seconds(charge.created),
        "currency": charge.currency,
        "disputed": charge.disputed,
        "failure_balance_transaction": charge.failure_balance_transaction,
        "failure_code": None if decline is None else decline.code,
        "failure_message": None if decline is None else decline.message,
        "fraud_details": {},
        "livemode": False,
        "metadata": {**charge.metadata},
        "outcome": _outcome(charge),
        "paid": charge.status == "succeeded",
        "payment_intent": charge.intent,
        "payment_method": charge.payment_method,
        "payment_method_details": _method_details(charge),
        "radar_options": {},
        "refunded": _all_refunded(charge),
        "review": charge.review,
        "status": charge.status,
        **charge.details,
    }


def render_refund(refund: SimRefund) -> Json:
    """Return a ``refund``."""
    body: Json = {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": refund.balance_transaction,
        "charge": refund.charge,
        "created": seconds(refund.created),
        "currency": refund.currency,
        "destination_details": _destination(refund),
        "metadata": {**refund.metadata},
        "payment_intent": refund.intent,
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": refund.status,
        "transfer_reversal": None,
    }
    if refund.status == "pending":
        body["pending_reason"] = "processing"
    if refund.failure_reason is not None:
        body["failure_reason"] = refund.failure_reason
        body["failure_balance_transaction"] = refund.failure_balance_transaction
    return body


def decline_details(decline: SimDecline) -> Json:
    """Return what is said about a decline; absent, not null, where nothing is."""
    details = {
        "decline_code": decline.decline_code,
        "advice_code": decline.advice_code,
        "charge": decline.charge,
    }
    return {name: value for name, value in details.items() if value is not None}


def doc_url(code: str) -> str:
    """Return where Stripe explains the error `code`."""
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def _next_action(intent: SimIntent) -> Json | None:
    if intent.status != "requires_action":
        return None
    if intent.return_url is None or intent.uses_sdk:
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
        "doc_url": doc_url(decline.code),
        "message": decline.message,
        **decline_details(decline),
    }


def _method_options(intent: SimIntent) -> Json:
    """Return the options that were asked for; Stripe adds its defaults for cards."""
    sent = intent.method_options.get("card")
    defaults: Json = {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": "automatic",
    }
    card = {**defaults, **(sent if isinstance(sent, dict) else {})}
    return {**intent.method_options, "card": card}


def _all_refunded(charge: SimCharge) -> bool:
    """
    Whether nothing is left of the charge.

    With multicapture only the final capture decides that, and it counts what was
    captured; without it, what was released counts as refunded.
    """
    if charge.multicapture and charge.amount_captured:
        return charge.captured and charge.refundable == 0
    return charge.amount_refunded + charge.amount_released == charge.amount


def _billing_details() -> Json:
    address = ("city", "country", "line1", "line2", "postal_code", "state")
    return {
        "address": dict.fromkeys(address),
        "email": None,
        "name": None,
        "phone": None,
        "tax_id": None,
    }


def _outcome(charge: SimCharge) -> Json:
    method, decline = METHODS[charge.payment_method], charge.decline
    kind, network = "authorized", "approved_by_network"
    reason = "elevated_risk_level" if method.risk == "elevated" else None
    if decline is not None:
        kind, network = "issuer_declined", "declined_by_network"
        reason = decline.decline_code
    if decline is not None and method.blocked:
        kind, network = "blocked", "not_sent_to_network"
        reason = "highest_risk_level"
    return {
        "type": kind,
        "network_status": network,
        "reason": reason,
        "risk_level": method.risk,
        "risk_score": _RISK_SCORES[method.risk],
        "seller_message": _SELLER_MESSAGES[kind],
        "advice_code": None if decline is None else decline.advice_code,
        "network_advice_code": None,
        "network_decline_code": None,
    }


def _method_details(charge: SimCharge) -> Json:
    method = METHODS[charge.payment_method]
    details = _DETAILS[method.type](charge, method)
    return {"type": method.type, method.type: details}


def _card(charge: SimCharge, method: Method) -> Json:
    checks = ("address_line1_check", "address_postal_code_check", "cvc_check")
    return {
        "amount_authorized": charge.amount,
        "authorization_code": None,
        "brand": method.brand,
        "capture_before": seconds(charge.capture_before),
        "checks": {
            name: "fail" if name in method.failed_checks else None for name in checks
        },
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": f"fp{method.brand}{method.last4}",
        "funding": method.funding,
        "incremental_authorization": {"status": _available(charge.incremental)},
        "installments": None,
        "last4": method.last4,
        "mandate": None,
        "multicapture": {"status": _available(charge.multicapture)},
        "network": method.brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {
            "maximum_amount_capturable": charge.amount,
            "status": "unavailable",
        },
        "regulated_status": "unregulated",
        "three_d_secure": _three_d_secure() if charge.authenticated else None,
        "wallet": None,
    }


def _available(yes: bool) -> str:
    return "available" if yes else "unavailable"


def _three_d_secure() -> Json:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": "2e6bcf1a-5f0c-4d2c-8f6c-000000000000",
        "version": "2.2.0",
    }


def _us_bank_account(_charge: SimCharge, method: Method) -> Json:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "expected_debit_date": None,
        "fingerprint": f"fpus{method.last4}",
        "last4": method.last4,
        "mandate": None,
        "payment_reference": None,
        "routing_number": "110000000",
    }


def _sepa_debit(_charge: SimCharge, method: Method) -> Json:
    return {
        "bank_code": "37040044",
        "branch_code": None,
        "country": "DE",
        "expected_debit_date": None,
        "fingerprint": f"fpde{method.last4}",
        "last4": method.last4,
        "mandate": None,
    }


_DETAILS: Final = {
    "card": _card,
    "us_bank_account": _us_bank_account,
    "sepa_debit": _sepa_debit,
}


def _destination(refund: SimRefund) -> Json:
    """Return how the money goes back to the payer."""
    kind = "reversal" if refund.release else "refund"
    if refund.status == "pending":
        kind = "pending"
    reference = {"reference_status": "pending", "type": kind}
    return {"type": "card", "card": reference}
