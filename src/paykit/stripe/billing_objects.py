"""
What Stripe's subscriptions and invoices say, in paykit's words.

The rules of `paykit.stripe.objects` hold here too. Since 2025-03-31.basil the period
stands on a subscription's items, and an invoice names its subscription in ``parent``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from paykit.psp.billing import (
    InvoiceSnapshot,
    InvoiceStatus,
    SubscriptionSnapshot,
    SubscriptionStatus,
)
from paykit.stripe import fields, objects
from paykit.stripe.fields import JsonObject

__all__ = ["invoice", "subscription"]

_SUBSCRIPTION_STATUS: Final = {
    status.value: status
    for status in SubscriptionStatus
    if status is not SubscriptionStatus.UNRECOGNIZED
}
_INVOICE_STATUS: Final = {
    status.value: status
    for status in InvoiceStatus
    if status is not InvoiceStatus.UNRECOGNIZED
}
"""Stripe's words for both are ours."""


def subscription(thing: JsonObject) -> SubscriptionSnapshot:
    """Read a Subscription; raises `Unreadable`."""
    objects.expect(thing, "subscription")
    raw_status = fields.text(thing, "status")
    items = fields.children(fields.child(thing, "items") or {}, "data")
    return SubscriptionSnapshot(
        reference=fields.text(thing, "id"),
        status=_SUBSCRIPTION_STATUS.get(raw_status, SubscriptionStatus.UNRECOGNIZED),
        raw_status=raw_status,
        customer=fields.reference(thing, "customer"),
        cancel_at_period_end=fields.flag(thing, "cancel_at_period_end"),
        cancel_at=fields.moment(thing, "cancel_at"),
        canceled_at=fields.moment(thing, "canceled_at"),
        ended_at=fields.moment(thing, "ended_at"),
        current_period_end=max(_ends(items), default=None),
        latest_invoice=fields.reference(thing, "latest_invoice"),
        metadata=fields.strings(thing, "metadata"),
        created=fields.moment(thing, "created"),
    )


def invoice(thing: JsonObject) -> InvoiceSnapshot:
    """Read an Invoice; raises `Unreadable`. Its status may be null: no word at all."""
    objects.expect(thing, "invoice")
    raw_status = fields.optional_text(thing, "status") or ""
    billed = fields.child(fields.child(thing, "parent") or {}, "subscription_details")
    start, end = _billed(thing)
    moved = fields.child(thing, "status_transitions") or {}
    return InvoiceSnapshot(
        reference=fields.text(thing, "id"),
        subscription=fields.reference(billed or {}, "subscription"),
        status=_INVOICE_STATUS.get(raw_status, InvoiceStatus.UNRECOGNIZED),
        raw_status=raw_status,
        billing_reason=fields.optional_text(thing, "billing_reason"),
        amount_paid=fields.integer(thing, "amount_paid"),
        currency=fields.text(thing, "currency"),
        period_start=start,
        period_end=end,
        paid_at=fields.moment(moved, "paid_at"),
        metadata=fields.strings(billed or {}, "metadata"),
        created=fields.moment(thing, "created"),
    )


def _ends(items: Iterable[JsonObject]) -> list[datetime]:
    found = (fields.moment(item, "current_period_end") for item in items)
    return [moment for moment in found if moment is not None]


def _billed(thing: JsonObject) -> tuple[datetime | None, datetime | None]:
    """
    Return the latest period that is charged for; none if the list of lines has more.

    The invoice's own period is when its lines were collected, not what they bill. A
    line of nothing or less gives unused time back.
    """
    lines = fields.child(thing, "lines") or {}
    charged = [
        fields.child(line, "period") or {}
        for line in fields.children(lines, "data")
        if fields.integer(line, "amount") > 0
    ]
    if not charged or fields.flag(lines, "has_more"):
        return None, None
    last = max(charged, key=lambda period: fields.integer(period, "end"))
    return fields.moment(last, "start"), fields.moment(last, "end")
