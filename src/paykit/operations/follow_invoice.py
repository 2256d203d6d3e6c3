"""
Looking at what subscriptions are paid by: is somebody billed who should not be?

An invoice that is paid after the end bills somebody who has no subscription: a person
has to look at it. Only a reading tells whether there was an end, or is to be one, when
it was paid. So a paid invoice has its subscription read, which shows the same whatever
else has not arrived yet. The invoice's money is not booked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from paykit.lifecycle import SUBSCRIPTION_ENDED
from paykit.operations.observe_subscription import observe_subscription, read_again
from paykit.operations.verdicts import Heard, Needs, Verdict
from paykit.psp import (
    InvoiceSnapshot,
    InvoiceStatus,
    Named,
    ReadInvoice,
    Subject,
    SubscriptionSnapshot,
)
from paykit.store import breaks
from paykit.store.events import NewEvent
from paykit.store.subscriptions import SUBSCRIPTIONS, SubscriptionRow
from paykit.store.tx import Tx

__all__ = ["RENEWED_AFTER_CANCELLATION", "follow_invoice"]

RENEWED_AFTER_CANCELLATION: Final = "renewed_after_cancellation"
"""An invoice was paid although its subscription had ended, or was to end before it."""

_NOT_HERE: Final = "foreign: an invoice of no subscription of ours"

_NEXT_PERIOD: Final = "subscription_cycle"
"""The reason of an invoice that a subscription gets because its period has ended."""


def follow_invoice(tx: Tx, heard: Heard, subject: Subject) -> Verdict | Needs:
    """
    Look whether an invoice was paid that nobody should have had to pay.

    Raises `LookupError` if the PSP does not know the objects of its own event.
    """
    invoice = _invoice(heard, subject)
    if isinstance(invoice, Needs):
        return invoice
    if invoice.subscription is None or not _takes_money(invoice):
        reason = f"{heard.event.type}: nothing was paid for a subscription"
        return Verdict("ignored", reason)
    reference = invoice.subscription
    row = SUBSCRIPTIONS.find(tx, binding=heard.binding, psp_reference=reference)
    if row is None:
        return Verdict("deferred", _NOT_HERE, reference=reference)
    if invoice.reference in row.late_invoices or _settled(row, invoice):
        return Verdict("applied")
    seen = read_again(heard, reference, row)
    if isinstance(seen, Needs):
        return seen
    row = observe_subscription(tx, row, seen, cause=heard.cause)
    if _is_late(row, invoice):
        _show(tx, row, invoice, seen, cause=heard.cause)
    return Verdict("applied")


def _invoice(heard: Heard, subject: Subject) -> InvoiceSnapshot | Needs:
    """Return the invoice of an event, which may only name it; paid is for good."""
    if isinstance(subject, InvoiceSnapshot):
        return subject
    if not isinstance(subject, Named):
        raise TypeError("no event about an invoice")
    request = ReadInvoice(invoice=subject.reference)
    found = heard.reads.get(request)
    if found is None:
        return Needs(request, None)
    if not isinstance(found.subject, InvoiceSnapshot):
        raise LookupError("the PSP does not know the object of its own event")
    return found.subject


def _takes_money(invoice: InvoiceSnapshot) -> bool:
    return invoice.status is InvoiceStatus.PAID and invoice.amount_paid > 0


def _settled(row: SubscriptionRow, invoice: InvoiceSnapshot) -> bool:
    """Whether nothing that can still be read makes this invoice a late one."""
    return row.state in SUBSCRIPTION_ENDED and not _is_late(row, invoice)


def _is_late(row: SubscriptionRow, invoice: InvoiceSnapshot) -> bool:
    """
    Whether `invoice` was paid for a time in which there is, or was to be, nothing.

    What was paid before the end is not; and what bills a time before it, such as what
    was used until then, is not either. Only a renewal can show that a planned end did
    not come. Times are whole seconds: in the second of the end nothing is late.
    """
    renewal = invoice.billing_reason == _NEXT_PERIOD
    if row.state not in SUBSCRIPTION_ENDED:
        begin, end = invoice.period_start, _planned_end(row)
        if not renewal or begin is None or end is None:
            return False
        return begin >= end
    end = row.ended_at or row.canceled_at
    if end is None:
        return True
    if invoice.paid_at is not None and invoice.paid_at <= end:
        return False
    return renewal if invoice.period_end is None else invoice.period_end > end


def _planned_end(row: SubscriptionRow) -> datetime | None:
    """Return when it is to end, if somebody has asked for that."""
    at_period_end = row.current_period_end if row.cancel_at_period_end else None
    return row.cancel_at or at_period_end


def _show(
    tx: Tx,
    row: SubscriptionRow,
    invoice: InvoiceSnapshot,
    seen: SubscriptionSnapshot,
    *,
    cause: str,
) -> None:
    """Let a person decide: the money goes back, or the subscription goes on."""
    detail: dict[str, object] = {
        "reference": row.psp_reference,
        "invoice": invoice.reference,
        "amount": invoice.amount_paid,
        "currency": invoice.currency,
        "status": seen.raw_status[:64],
    }
    state = {"from_state": row.state.value, "to_state": row.state.value}
    told = NewEvent(
        type="subscription.renewed_after_cancellation", **state, data=detail
    )
    late = {"late_invoices": [*row.late_invoices, invoice.reference]}
    row = SUBSCRIPTIONS.save(tx, row, late, cause=cause, happened=[told])
    about, kind = row.aggregate, RENEWED_AFTER_CANCELLATION
    breaks.open_break(tx, about, kind, detail, item=invoice.reference)
