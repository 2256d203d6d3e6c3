"""
The provider's subscriptions and invoices in paykit's words.

The rules of `paykit.testing.simulated.read` hold here too.
"""

from __future__ import annotations

from datetime import datetime

from paykit.psp import (
    InvoiceSnapshot,
    InvoiceStatus,
    SubscriptionSnapshot,
    SubscriptionStatus,
)
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.read import read_rows, read_text, read_time

__all__ = ["read_invoice", "read_subscription"]

_STATUSES = frozenset(SubscriptionStatus) - {SubscriptionStatus.UNRECOGNIZED}
_INVOICE_STATUSES = frozenset(InvoiceStatus) - {InvoiceStatus.UNRECOGNIZED}


def read_subscription(body: Json) -> SubscriptionSnapshot:
    """Return the snapshot of a ``subscription``."""
    raw = read_text(body, "status")
    known = raw in _STATUSES
    items = read_rows(_table(body, "items"))
    return SubscriptionSnapshot(
        reference=read_text(body, "id"),
        status=SubscriptionStatus(raw) if known else SubscriptionStatus.UNRECOGNIZED,
        raw_status=raw,
        customer=_text(body, "customer"),
        cancel_at_period_end=body.get("cancel_at_period_end") is True,
        cancel_at=read_time(body.get("cancel_at")),
        canceled_at=read_time(body.get("canceled_at")),
        ended_at=read_time(body.get("ended_at")),
        current_period_end=max(_times(items, "current_period_end"), default=None),
        latest_invoice=_text(body, "latest_invoice"),
        metadata=_metadata(body),
        created=read_time(body.get("created")),
    )


def read_invoice(body: Json) -> InvoiceSnapshot:
    """Return the snapshot of an ``invoice``."""
    raw = read_text(body, "status")
    known = raw in _INVOICE_STATUSES
    billed = _table(_table(body, "parent"), "subscription_details")
    lines = read_rows(_table(body, "lines"))
    periods = [_table(line, "period") for line in lines if _number(line, "amount") > 0]
    last = max(periods, key=lambda period: _number(period, "end"), default={})
    return InvoiceSnapshot(
        reference=read_text(body, "id"),
        subscription=_text(billed, "subscription"),
        status=InvoiceStatus(raw) if known else InvoiceStatus.UNRECOGNIZED,
        raw_status=raw,
        billing_reason=_text(body, "billing_reason"),
        amount_paid=_number(body, "amount_paid"),
        currency=read_text(body, "currency"),
        period_start=read_time(last.get("start")),
        period_end=read_time(last.get("end")),
        paid_at=read_time(_table(body, "status_transitions").get("paid_at")),
        metadata=_metadata(billed),
        created=read_time(body.get("created")),
    )


def _times(rows: list[Json], name: str) -> list[datetime]:
    found = (read_time(row.get(name)) for row in rows)
    return [moment for moment in found if moment is not None]


def _metadata(body: Json) -> dict[str, str]:
    return {key: str(value) for key, value in _table(body, "metadata").items()}


def _table(body: Json, name: str) -> Json:
    """Return the nested object `name`; empty if there is none."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _text(body: Json, name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _number(body: Json, name: str) -> int:
    value = body.get(name)
    if type(value) is not int:
        raise ValueError(f"{name} is not an integer")
    return value
