"""Subscriptions and invoices as Stripe's JSON."""

from __future__ import annotations

from typing import Final, assert_never

from paykit.testing.simulated.billing_objects import SimInvoice, SimSubscription
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.timestamps import seconds

__all__ = ["render_billing"]

_SUBSCRIPTION_NULLS: Final = """
    application application_fee_percent billing_cycle_anchor_config billing_thresholds
    customer_account days_until_due default_payment_method default_source description
    managed_payments next_pending_invoice_item_invoice on_behalf_of pause_collection
    pending_invoice_item_interval pending_setup_intent pending_update
    presentment_details schedule status_details test_clock transfer_data trial_end
    trial_settings trial_start
"""

_INVOICE_NULLS: Final = """
    account_country account_name account_tax_ids amount_paid_off_stripe application
    automatically_finalizes_at confirmation_secret custom_fields customer_account
    customer_address customer_email customer_name customer_phone customer_shipping
    customer_tax_exempt customer_tax_ids default_payment_method default_source
    description due_date effective_at ending_balance footer from_invoice
    hosted_invoice_url invoice_pdf last_finalization_error latest_revision
    next_payment_attempt number on_behalf_of payments receipt_number rendering
    shipping_cost shipping_details statement_descriptor status_details test_clock
    threshold_reason total_discount_amounts total_pretax_credit_amounts total_taxes
    webhooks_delivered_at
"""


def render_billing(subject: SimSubscription | SimInvoice) -> Json:
    """Return `subject` as Stripe shows it."""
    match subject:
        case SimSubscription():
            return _subscription(subject)
        case SimInvoice():
            return _invoice(subject)
    assert_never(subject)


def _subscription(subscription: SimSubscription) -> Json:
    ends = subscription.period_end if subscription.cancel_at_period_end else None
    return {
        "id": subscription.id,
        "object": "subscription",
        **_nulls(_SUBSCRIPTION_NULLS),
        "automatic_tax": _no_tax(),
        "billing_cycle_anchor": seconds(subscription.created),
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_schedules": [],
        "cancel_at": seconds(ends),
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "canceled_at": seconds(subscription.canceled_at),
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": seconds(subscription.created),
        "currency": subscription.currency,
        "customer": subscription.customer,
        "default_tax_rates": [],
        "discounts": [],
        "ended_at": seconds(subscription.ended_at),
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": _list([_item(subscription)], "/v1/subscription_items"),
        "latest_invoice": subscription.latest_invoice,
        "livemode": False,
        "metadata": {**subscription.metadata},
        "payment_settings": _no_settings(),
        "start_date": seconds(subscription.created),
        "status": subscription.status,
    }


def _item(subscription: SimSubscription) -> Json:
    return {
        "id": subscription.id.replace("sub_", "si_", 1),
        "object": "subscription_item",
        "billed_until": seconds(subscription.period_end),
        "billing_thresholds": None,
        "created": seconds(subscription.created),
        "current_period_end": seconds(subscription.period_end),
        "current_period_start": seconds(subscription.period_start),
        "discounts": [],
        "metadata": {},
        "quantity": 1,
        "subscription": subscription.id,
        "tax_rates": [],
    }


def _invoice(invoice: SimInvoice) -> Json:
    paid = invoice.amount if invoice.status == "paid" else 0
    return {
        "id": invoice.id,
        "object": "invoice",
        **_nulls(_INVOICE_NULLS),
        "amount_due": invoice.amount,
        "amount_overpaid": 0,
        "amount_paid": paid,
        "amount_remaining": invoice.amount - paid,
        "amount_shipping": 0,
        "attempt_count": invoice.attempts,
        "attempted": invoice.attempts > 0,
        "auto_advance": invoice.status == "open",
        "automatic_tax": {**_no_tax(), "provider": None, "status": None},
        "billing_reason": invoice.reason,
        "collection_method": "charge_automatically",
        "created": seconds(invoice.created),
        "currency": invoice.currency,
        "customer": invoice.customer,
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "lines": _list([_line(invoice)], f"/v1/invoices/{invoice.id}/lines"),
        "livemode": False,
        "metadata": {},
        "parent": _parent(invoice),
        "payment_settings": {**_no_settings(), "default_mandate": None},
        # When the lines were collected: the period is on the line.
        "period_end": seconds(invoice.created),
        "period_start": seconds(invoice.created),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": invoice.status,
        "status_transitions": {
            "finalized_at": seconds(invoice.created),
            "marked_uncollectible_at": None,
            "paid_at": seconds(invoice.paid_at),
            "voided_at": seconds(invoice.voided_at),
        },
        "subtotal": invoice.amount,
        "subtotal_excluding_tax": invoice.amount,
        "total": invoice.amount,
        "total_excluding_tax": invoice.amount,
    }


def _parent(invoice: SimInvoice) -> Json:
    details: Json = {
        "metadata": {**invoice.metadata},
        "subscription": invoice.subscription,
    }
    return {
        "quote_details": None,
        "subscription_details": details,
        "type": "subscription_details",
    }


def _line(invoice: SimInvoice) -> Json:
    return {
        "id": invoice.id.replace("in_", "il_", 1),
        "object": "line_item",
        "amount": invoice.amount,
        "currency": invoice.currency,
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice.id,
        "livemode": False,
        "metadata": {**invoice.metadata},
        "period": {
            "end": seconds(invoice.period_end),
            "start": seconds(invoice.period_start),
        },
        "quantity": 1,
        "subscription": invoice.subscription,
        "subtotal": invoice.amount,
    }


def _list(data: list[Json], url: str) -> Json:
    return {"object": "list", "data": data, "has_more": False, "url": url}


def _no_tax() -> Json:
    return {"disabled_reason": None, "enabled": False, "liability": None}


def _no_settings() -> Json:
    return {"payment_method_options": None, "payment_method_types": None}


def _nulls(names: str) -> Json:
    return {name: None for name in names.split()}
