"""Disputes, reviews and early fraud warnings as Stripe's JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from paykit.testing.simulated.claims import SimDispute, SimReview, SimWarning
from paykit.testing.simulated.movements import SimBalanceTransaction
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.timestamps import seconds

__all__ = ["EVIDENCE", "render_claim"]

EVIDENCE: Final = (
    "access_activity_log",
    "appeal",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "enhanced_evidence",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)
"""Every kind of evidence that Stripe takes; all of them are always shown."""

_REFUNDABLE: Final = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "won",
)
"""The statuses in which the charge may still be refunded by its merchant."""

_NETWORK_REASONS: Final = {
    ("visa", "fraudulent"): "10.4",
    ("visa", "product_not_received"): "13.1",
    ("mastercard", "fraudulent"): "4837",
    ("mastercard", "product_not_received"): "4853",
}


def render_claim(
    claim: SimDispute | SimReview | SimWarning,
    render_movement: Callable[[SimBalanceTransaction], Json],
) -> Json:
    """Return `claim` as Stripe shows it; a dispute embeds its balance transactions."""
    match claim:
        case SimDispute():
            return _dispute(claim, [render_movement(row) for row in claim.movements])
        case SimReview():
            return _review(claim)
        case SimWarning():
            return _warning(claim)
    assert_never(claim)


def _dispute(dispute: SimDispute, movements: list[Json]) -> Json:
    return {
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": movements,
        "charge": dispute.charge,
        "created": seconds(dispute.created),
        "currency": dispute.currency,
        "enhanced_eligibility_types": [],
        "evidence": {
            **dict.fromkeys(EVIDENCE),
            "enhanced_evidence": {},
            **dispute.evidence,
        },
        "evidence_details": _evidence_details(dispute),
        "intended_submission_method": dispute.intended_submission_method,
        "is_charge_refundable": dispute.status in _REFUNDABLE,
        "livemode": False,
        "metadata": {**dispute.metadata},
        "network_reason_code": _network_reason(dispute),
        "payment_intent": dispute.intent,
        "payment_method_details": _method_details(dispute),
        "reason": dispute.reason,
        "status": dispute.status,
    }


def _review(review: SimReview) -> Json:
    return {
        "id": review.id,
        "object": "review",
        "billing_zip": None,
        "charge": review.charge,
        "closed_reason": review.closed_reason,
        "created": seconds(review.created),
        "ip_address": None,
        "ip_address_location": None,
        "livemode": False,
        "open": review.open,
        "opened_reason": review.opened_reason,
        "payment_intent": review.intent,
        "reason": review.closed_reason or review.opened_reason,
        "session": None,
    }


def _warning(warning: SimWarning) -> Json:
    return {
        "id": warning.id,
        "object": "radar.early_fraud_warning",
        "actionable": warning.actionable,
        "charge": warning.charge,
        "created": seconds(warning.created),
        "fraud_type": warning.fraud_type,
        "livemode": False,
        "payment_intent": warning.intent,
    }


def _evidence_details(dispute: SimDispute) -> Json:
    return {
        "due_by": seconds(dispute.due_by),
        "enhanced_eligibility": {},
        "has_evidence": bool(dispute.evidence),
        "past_due": dispute.late,
        "submission_count": dispute.submissions,
        "submission_method": "manual" if dispute.submissions else "not_submitted",
    }


def _method_details(dispute: SimDispute) -> Json | None:
    if dispute.brand is None:
        return None
    card = {
        "brand": dispute.brand,
        "case_type": dispute.case_type,
        "network": dispute.brand,
        "network_reason_code": _network_reason(dispute),
    }
    return {"card": card, "type": "card"}


def _network_reason(dispute: SimDispute) -> str | None:
    return _NETWORK_REASONS.get((dispute.brand or "", dispute.reason))
