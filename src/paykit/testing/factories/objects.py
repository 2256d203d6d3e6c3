"""Stripe's objects, with all their fields."""

from __future__ import annotations

from typing import Final

from typing_extensions import Unpack

from paykit.testing.factories.fields import (
    CREATED,
    ChargeFields,
    DisputeFields,
    Json,
    PaymentIntentFields,
    RefundFields,
)

__all__ = ["charge", "dispute", "payment_intent", "refund"]


def _nulls(names: str) -> Json:
    return {name: None for name in names.split()}


_INTENT_NULLS: Final = """
    allowed_payment_method_types amount_details application application_fee_amount
    canceled_at cancellation_reason customer customer_account description
    excluded_payment_method_types hooks last_payment_error managed_payments next_action
    on_behalf_of payment_details payment_method_configuration_details payment_record
    presentment_details processing receipt_email review setup_future_usage shipping
    source statement_descriptor statement_descriptor_suffix transfer_data transfer_group
"""

_CHARGE_NULLS: Final = """
    application application_fee application_fee_amount authorization_code customer
    description failure_balance_transaction failure_code failure_message level3
    on_behalf_of presentment_details receipt_email receipt_number receipt_url refunds
    review shipping source source_transfer statement_descriptor
    statement_descriptor_suffix transfer transfer_data transfer_group
"""

_REFUND_NULLS: Final = """
    customer customer_account description failure_balance_transaction failure_reason
    instructions_email next_action payment_method pending_reason presentment_details
    reason receipt_number source_transfer_reversal transfer_reversal
"""


def payment_intent(**fields: Unpack[PaymentIntentFields]) -> Json:
    """Return a PaymentIntent: paid in full, unless its status is another one."""
    amount, status = fields.get("amount", 1000), fields.get("status", "succeeded")
    name = fields.get("id", "pi_test")
    canceled: Json = {"canceled_at": CREATED} if status == "canceled" else {}
    return {
        "id": name,
        "object": "payment_intent",
        **_nulls(_INTENT_NULLS),
        "amount": amount,
        "amount_capturable": amount if status == "requires_capture" else 0,
        "amount_received": amount if status == "succeeded" else 0,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "capture_method": "manual" if status == "requires_capture" else "automatic",
        "client_secret": f"{name}_secret_test",
        "confirmation_method": "automatic",
        "created": CREATED,
        "currency": "usd",
        "latest_charge": "ch_test" if status in _CHARGED else None,
        "livemode": False,
        "metadata": {},
        "next_action": _authenticate() if status == "requires_action" else None,
        "payment_method": None if status == "requires_payment_method" else "pm_test",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "status": status,
        **canceled,
        **fields,
    }


_CHARGED: Final = frozenset({"processing", "requires_capture", "succeeded"})


def _authenticate() -> Json:
    """Return what the payer has to do: pass 3-D Secure on a page."""
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {
            "return_url": "https://shop.example/back",
            "url": "https://hooks.stripe.com/3d_secure_2/hosted",
        },
    }


def charge(**fields: Unpack[ChargeFields]) -> Json:
    """Return a Charge: captured in full, unless its status or flags are others."""
    amount, status = fields.get("amount", 1000), fields.get("status", "succeeded")
    succeeded = status == "succeeded"
    captured = fields.get("captured", succeeded)
    return {
        "id": "ch_test",
        "object": "charge",
        **_nulls(_CHARGE_NULLS),
        "amount": amount,
        "amount_captured": amount if captured else 0,
        "amount_refunded": amount if fields.get("refunded") else 0,
        "balance_transaction": "txn_test" if captured else None,
        "billing_details": _nulls("address email name phone tax_id"),
        "calculated_statement_descriptor": "SHOP",
        "captured": captured,
        "created": CREATED,
        "currency": "usd",
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "paid": succeeded,
        "payment_intent": "pi_test",
        "payment_method": "pm_test",
        "payment_method_details": {"type": "card", "card": _card()},
        "radar_options": {},
        "refunded": fields.get("amount_refunded", 0) == amount,
        "status": status,
        **_verdict(status),
        **fields,
    }


def _card() -> Json:
    return {
        "brand": "visa",
        "capture_before": None,
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "funding": "credit",
        "last4": "4242",
        "network": "visa",
    }


def _verdict(status: str) -> Json:
    """Return what the issuer said."""
    if status != "failed":
        approved = _nulls("advice_code network_advice_code reason risk_level")
        approved |= {"network_status": "approved_by_network", "type": "authorized"}
        return {"outcome": approved}
    refused = {"network_status": "declined_by_network", "type": "issuer_declined"}
    return {
        "failure_code": "card_declined",
        "failure_message": "Your card was declined.",
        "outcome": {**refused, "reason": "generic_decline", "advice_code": None},
    }


def refund(**fields: Unpack[RefundFields]) -> Json:
    """Return a Refund of a whole charge: done, unless its status is another one."""
    status = fields.get("status", "succeeded")
    failed: Json = {}
    if status == "failed":
        failed = {
            "failure_balance_transaction": "txn_test_failure",
            "failure_reason": "unknown",
        }
    return {
        "id": "re_test",
        "object": "refund",
        **_nulls(_REFUND_NULLS),
        "amount": 1000,
        "balance_transaction": "txn_test_refund",
        "charge": "ch_test",
        "created": CREATED,
        "currency": "usd",
        "destination_details": {"type": "card"},
        "metadata": {},
        "payment_intent": "pi_test",
        "pending_reason": "processing" if status == "pending" else None,
        "status": status,
        **failed,
        **fields,
    }


def dispute(**fields: Unpack[DisputeFields]) -> Json:
    """Return a Dispute of a whole charge that waits for the merchant's evidence."""
    status = fields.get("status", "needs_response")
    inquiry = status.startswith("warning_")
    return {
        "id": "dp_test",
        "object": "dispute",
        "amount": 1000,
        "balance_transactions": [],
        "charge": "ch_test",
        "created": CREATED,
        "currency": "usd",
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": CREATED + 7 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "intended_submission_method": None,
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": "pi_test",
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": "visa",
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
        },
        "reason": "fraudulent",
        "status": status,
        **fields,
    }
