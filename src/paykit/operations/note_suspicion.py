"""
Reviews and early fraud warnings: nothing has happened to the money, somebody suspects.

They change no state. They become events in the payment's history, once for each fact,
so that the host's handlers hear of them in time: not to ship, or to refund before the
payer's bank asks.
"""

from __future__ import annotations

from paykit.psp import FraudWarningSnapshot, ReviewSnapshot
from paykit.store import events, payments
from paykit.store.events import NewEvent
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = ["note_fraud_warning", "note_review"]


def note_review(
    tx: Tx, row: PaymentRow, seen: ReviewSnapshot, *, cause: str
) -> PaymentRow:
    """
    Log that a review was opened or closed; return `row`, which is locked, as it is now.

    One that is heard of as closed first was never open, as far as anybody here knows:
    the late word of its opening must not stop an order that goes ahead already.
    """
    data = _data(seen, seen.reason)
    closed = NewEvent(type="payment.review_closed", data=data)
    if not seen.open:
        return _tell_once(tx, row, closed, cause, unless={closed.type})
    opened = NewEvent(type="payment.review_opened", data=data)
    return _tell_once(tx, row, opened, cause, unless={opened.type, closed.type})


def note_fraud_warning(
    tx: Tx, row: PaymentRow, seen: FraudWarningSnapshot, *, cause: str
) -> PaymentRow:
    """Log the warning, once; return `row`, which is locked, as it is now."""
    data = _data(seen, seen.fraud_type)
    warning = NewEvent(type="payment.fraud_warning", data=data)
    return _tell_once(tx, row, warning, cause, unless={warning.type})


def _data(seen: ReviewSnapshot | FraudWarningSnapshot, why: str) -> dict[str, object]:
    return {"reference": seen.reference, "reason": why, "charge": seen.charge}


def _tell_once(
    tx: Tx, row: PaymentRow, new: NewEvent, cause: str, *, unless: set[str]
) -> PaymentRow:
    """Log `new`, `unless` one of these types was told of the same object."""
    reference = new.data["reference"]
    for event in events.of_aggregate(tx, row.id):
        if event.type in unless and event.payload.get("reference") == reference:
            return row
    return payments.save(tx, row, {}, cause=cause, happened=[new])
