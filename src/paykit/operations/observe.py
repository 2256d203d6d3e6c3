"""
Taking in what the PSP shows of a payment (DESIGN laws 5, 7 and 8).

Responses, events and reads all end here, so that they cannot disagree about what they
do. Three rules make any order and any repetition of snapshots end the same:

- a state is entered only along the lifecycle, where settled states lead forward only;
- statuses that can come and go in circles count only if `fresh`: read just now, with
  nothing else changed since; otherwise the payment is queued to be read again;
- totals only grow, and each growth is a fact with its own key in the ledger.

What the PSP shows is never refused. If it does not fit what was asked, it is booked as
observed and a reconciliation break is opened for a person.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Final, cast

from paykit.errors import IllegalTransition
from paykit.lifecycle import PAYMENT, PaymentEvent, PaymentState, fire
from paykit.money import Money
from paykit.psp import ChargeSnapshot, Decline, PaymentSnapshot, PaymentStatus
from paykit.psp.facts import capture_fact, charge_failed_fact
from paykit.store import breaks, ledger, payments, references, work
from paykit.store.chart import PostingKind
from paykit.store.events import NewEvent
from paykit.store.ledger import Posting
from paykit.store.payments import Availability, PaymentRow
from paykit.store.tx import Tx

__all__ = ["amount_changed", "observe_charge", "observe_payment", "read_again"]

_EVENTS: Final = {
    PaymentStatus.REQUIRES_PAYMENT_METHOD: PaymentEvent.NEED_PAYMENT_METHOD,
    PaymentStatus.REQUIRES_CONFIRMATION: PaymentEvent.NEED_CONFIRMATION,
    PaymentStatus.REQUIRES_ACTION: PaymentEvent.NEED_ACTION,
    PaymentStatus.PROCESSING: PaymentEvent.PROCESS,
    PaymentStatus.AUTHORIZED: PaymentEvent.AUTHORIZE,
    PaymentStatus.SUCCEEDED: PaymentEvent.SUCCEED,
    PaymentStatus.CANCELED: PaymentEvent.CANCEL,
    PaymentStatus.EXPIRED: PaymentEvent.EXPIRE,
}
_PROVEN: Final = frozenset(
    {
        PaymentStatus.AUTHORIZED,
        PaymentStatus.SUCCEEDED,
        PaymentStatus.CANCELED,
        PaymentStatus.EXPIRED,
    }
)
"""Statuses that are never left for an earlier one: an old event proves them too."""

_ENDED: Final = _PROVEN - {PaymentStatus.AUTHORIZED}
"""Statuses in which the PSP changes no amount any more."""

_OVER: Final = frozenset(
    {PaymentState.CANCELED, PaymentState.EXPIRED, PaymentState.FAILED}
)
"""States that end a payment without money."""


@dataclass(slots=True)
class _Changes:
    """What one observation comes to, before it is written."""

    columns: dict[str, object] = field(default_factory=dict)
    events: list[NewEvent] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)

    @property
    def captured(self) -> int:
        """The new total of what was captured; 0 if it stays as it is."""
        return cast("int", self.columns.get("captured", 0))

    @property
    def returned(self) -> int:
        """The new total of what was taken back; 0 if it stays as it is."""
        return cast("int", self.columns.get("returned", 0))


def read_again(tx: Tx, payment_id: str, *, delay: timedelta = timedelta(0)) -> None:
    """Queue the payment to be read from the PSP, fees and refunds included."""
    work.ensure(tx, "refresh", payment_id, delay=delay)


def observe_payment(
    tx: Tx, row: PaymentRow, seen: PaymentSnapshot, *, cause: str, fresh: bool
) -> PaymentRow:
    """
    Take in a snapshot of `row`, whose database row is locked; return it as it is now.

    `cause` names what brought it, for the history. `fresh` tells whether the snapshot
    is a read or an answer with no other change in between.
    """
    changes = _Changes()
    if row.psp_reference is None:
        changes.columns["psp_reference"] = seen.reference
    row = _amount(row, seen, fresh, changes)
    _capture(tx, row, seen.captured, seen.charge_reference, cause, changes)
    _take_back(tx, row, seen.charge, cause, changes)
    state = _move(row, seen, fresh, changes)
    _details(row, seen, state, fresh, changes)
    _compare(tx, row, seen, state, fresh, changes)
    return _write(tx, row, changes, state, cause)


def observe_charge(
    tx: Tx, row: PaymentRow, seen: ChargeSnapshot, *, cause: str
) -> PaymentRow:
    """
    Take in a charge: the captured total it proves, and when its authorization ends.

    The payment's state is not the charge's to tell; if it lags behind the money, the
    payment is read again. Only that the bank took the money back ends the payment.
    """
    changes, state = _Changes(), row.state
    _take_back(tx, row, seen, cause, changes)
    if _is_gone(row, changes):
        state = _fail(row, seen, changes)
    if seen.status == "succeeded":
        _capture(tx, row, seen.captured, seen.reference, cause, changes)
        if seen.capture_before and row.capture_before != seen.capture_before:
            changes.columns["capture_before"] = seen.capture_before
        _offers(row, seen, changes)
    if seen.captured and row.state is not PaymentState.SUCCEEDED:
        read_again(tx, row.id)
    return _write(tx, row, changes, state, cause)


def amount_changed(row: PaymentRow, amount: int) -> NewEvent:
    """Return what is told of a payment whose amount becomes `amount`."""
    data = {"amount": amount, "amount_before": row.amount, "currency": row.currency}
    return NewEvent(type="payment.amount_changed", data=data)


def _amount(
    row: PaymentRow, seen: PaymentSnapshot, fresh: bool, changes: _Changes
) -> PaymentRow:
    """
    Take over the amount that a command under way has asked for, once it shows.

    An old snapshot of an unpaid payment may show the same amount from another time.
    """
    asked = row.amount_asked
    proven = fresh or seen.status in _PROVEN
    if asked is None or not proven or asked == row.amount:
        return row
    if (seen.amount, seen.currency) != (asked, row.currency):
        return row
    changes.columns["amount"] = asked
    changes.events.append(amount_changed(row, asked))
    return replace(row, amount=asked)


def _offers(row: PaymentRow, seen: ChargeSnapshot, changes: _Changes) -> None:
    """Note what the card offers of that which was asked for at creation."""
    offers = {
        "multicapture": seen.multicapture,
        "incremental_authorization": seen.incremental_authorization,
    }
    for column, offered in offers.items():
        if seen.status == "succeeded" and (offered or getattr(row, column)):
            is_there = Availability.AVAILABLE if offered else Availability.UNAVAILABLE
            _change(changes, row, column, is_there.value)


def _capture(
    tx: Tx,
    row: PaymentRow,
    total: int,
    charge: str | None,
    cause: str,
    changes: _Changes,
) -> None:
    """Book what was captured beyond what we knew; the fact's key is the new total."""
    more = total - row.captured
    if more <= 0:
        return
    money = Money(more, row.currency)
    changes.columns |= {"captured": total, "charge_reference": charge}
    if 0 < row.disputed <= total:
        # The dispute was heard of before the capture; together they are no break.
        breaks.close_break(tx, row.id, breaks.DISPUTED_TOO_MUCH)
    changes.postings.append(
        Posting(
            kind=PostingKind.CAPTURE,
            fact_key=capture_fact(row.binding, charge or row.id, total),
            merchant_id=row.merchant_id,
            payment_id=row.id,
            amount=money,
            effective_at=tx.now,
        )
    )
    changes.events.append(
        NewEvent(
            type="payment.captured",
            data={"amount": more, "captured": total, "currency": row.currency},
        )
    )
    read_again(tx, row.id)


def _take_back(
    tx: Tx,
    row: PaymentRow,
    charge: ChargeSnapshot | None,
    cause: str,
    changes: _Changes,
) -> None:
    """
    Book a debit that had succeeded and that the payer's bank has taken back since.

    Its capture is booked with it, should nobody have told of that yet.
    """
    if charge is None or not charge.returned:
        return
    total = charge.captured or charge.amount
    if total <= row.returned:
        return
    if total > max(row.captured, changes.captured):
        _capture(tx, row, total, charge.reference, cause, changes)
    changes.columns["returned"] = total
    changes.postings.append(
        Posting(
            kind=PostingKind.CHARGE_FAILURE,
            fact_key=charge_failed_fact(row.binding, charge.reference),
            merchant_id=row.merchant_id,
            payment_id=row.id,
            amount=Money(total, row.currency),
            effective_at=tx.now,
        )
    )
    read_again(tx, row.id)


def _is_gone(row: PaymentRow, changes: _Changes) -> bool:
    """Whether all that was ever captured was taken back: whatever the status says."""
    returned = max(row.returned, changes.returned)
    return 0 < max(row.captured, changes.captured) <= returned


def _fail(
    row: PaymentRow, charge: ChargeSnapshot | None, changes: _Changes
) -> PaymentState:
    """End a payment whose money is gone again."""
    if row.state is PaymentState.FAILED:
        return row.state
    state = fire(PAYMENT, row.state, PaymentEvent.FAIL)
    changes.columns["state"] = state.value
    if row.capturable:
        changes.columns["capturable"] = 0
    decline = None if charge is None else charge.decline
    changes.events.append(
        NewEvent(
            type=f"payment.{state}",
            from_state=row.state.value,
            to_state=state.value,
            data={
                "code": None if decline is None else decline.code,
                "amount": max(row.returned, changes.returned),
                "currency": row.currency,
            },
        )
    )
    return state


def _move(
    row: PaymentRow, seen: PaymentSnapshot, fresh: bool, changes: _Changes
) -> PaymentState:
    """Return the state after `seen`; what the lifecycle does not have is outdated."""
    if _is_gone(row, changes):
        return _fail(row, seen.charge, changes)
    event = _EVENTS.get(seen.status)
    if event is None or (seen.status not in _PROVEN and not fresh):
        return row.state
    try:
        state = fire(PAYMENT, row.state, event)
    except IllegalTransition:
        return row.state
    changes.columns["state"] = state.value
    changes.events.append(
        NewEvent(
            type=f"payment.{state}",
            from_state=row.state.value,
            to_state=state.value,
            data={
                "amount": row.amount,
                "captured": max(seen.captured, row.captured),
                "currency": row.currency,
            },
        )
    )
    return state


def _details(
    row: PaymentRow,
    seen: PaymentSnapshot,
    state: PaymentState,
    fresh: bool,
    changes: _Changes,
) -> None:
    """Take the parts that belong to the state which the snapshot shows."""
    if str(state) != seen.status.value:
        return
    capturable = seen.capturable if state is PaymentState.AUTHORIZED else 0
    if capturable != row.capturable and (fresh or state is not row.state):
        changes.columns["capturable"] = capturable
    if seen.charge_reference and not row.captured:
        _change(changes, row, "charge_reference", seen.charge_reference)
    if seen.charge and seen.charge.capture_before:
        _change(changes, row, "capture_before", seen.charge.capture_before)
    if seen.charge:
        _offers(row, seen.charge, changes)
    action = asdict(seen.next_action) if seen.next_action else None
    if action != row.next_action:
        changes.columns["next_action"] = action
    _decline(row, seen.decline, state, changes)


def _change(changes: _Changes, row: PaymentRow, column: str, value: object) -> None:
    if getattr(row, column) != value:
        changes.columns.setdefault(column, value)


def _decline(
    row: PaymentRow, decline: Decline | None, state: PaymentState, changes: _Changes
) -> None:
    """Keep why the last attempt failed: the PSP forgets it with the next change."""
    if state is not PaymentState.REQUIRES_PAYMENT_METHOD:
        if row.decline is not None:
            changes.columns["decline"] = None
        return
    if decline is None or asdict(decline) == row.decline:
        return
    changes.columns["decline"] = asdict(decline)
    codes = {"code": decline.code, "decline_code": decline.decline_code}
    changes.events.append(
        NewEvent(
            type="payment.attempt_failed", data={**codes, "charge": decline.charge}
        )
    )


def _compare(
    tx: Tx,
    row: PaymentRow,
    seen: PaymentSnapshot,
    state: PaymentState,
    fresh: bool,
    changes: _Changes,
) -> None:
    """Open a break where the PSP and we disagree; what it shows was booked above."""
    detail: dict[str, object] = {"seen": seen.reference, "state": state.value}
    found: list[tuple[str, str | None, dict[str, object]]] = []
    if (seen.currency, seen.amount) != (row.currency, row.amount):
        if fresh or seen.currency != row.currency or seen.status in _ENDED:
            shown = f"{seen.amount} {seen.currency}"
            found.append(("amount_mismatch", shown, {"amount": seen.amount}))
        else:
            # Perhaps from before the amount was changed: a read will tell.
            read_again(tx, row.id)
    if seen.captured > row.amount:
        total = str(seen.captured)
        found.append(("captured_too_much", total, {"captured": seen.captured}))
    if row.state in _OVER and state is PaymentState.SUCCEEDED:
        found.append(("succeeded_after_end", None, {"was": row.state.value}))
    if row.psp_reference not in (None, seen.reference):
        found.append(("second_object", seen.reference, {"ours": row.psp_reference}))
    for kind, item, more in found:
        breaks.open_break(tx, row.aggregate, kind, {**detail, **more}, item=item)
    if found:
        changes.events = [_withheld(event) for event in changes.events]


def _withheld(event: NewEvent) -> NewEvent:
    """Nobody shall ship goods for a payment that does not match."""
    if event.type != "payment.succeeded":
        return event
    return NewEvent(
        type="payment.mismatched",
        from_state=event.from_state,
        to_state=event.to_state,
        data=event.data,
    )


def _write(
    tx: Tx, row: PaymentRow, changes: _Changes, state: PaymentState, cause: str
) -> PaymentRow:
    now = payments.save(tx, row, changes.columns, cause=cause, happened=changes.events)
    if state in _OVER and row.state is not state:
        references.release_reference(tx, row)
    if changes.postings:
        ledger.post_later(tx, changes.postings)
    return now
