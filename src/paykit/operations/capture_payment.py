"""
Capture an authorized payment, in full or in part.

A partial capture is final, and the PSP releases the rest of the authorization, unless
the payment can be captured in parts. Then each part has to say whether it is the last
one: silence would release the rest, and nobody could take it any more. Each capture is
a fact of its own, named after the total that was captured with it. Some ways to pay can
decline a capture: that is a result, with nothing captured, that says why.
"""

from __future__ import annotations

from typing import Final

from paykit import psp
from paykit.engine import Context, Evidence, Leg, Operation, RecoveryPoint, Step
from paykit.errors import (
    AuthorizationExpired,
    FinalRequired,
    InvalidMoney,
    NotAllowed,
    NotAvailable,
)
from paykit.lifecycle import PaymentEvent
from paykit.money import Money, chargeable
from paykit.operations.commands import Command, CurrencyCode, PaymentId
from paykit.operations.payment_command import (
    claim_payment,
    known_reference,
    record_answer,
)
from paykit.operations.views import PaymentView
from paykit.psp import PaymentStatus
from paykit.store.payments import Availability, PaymentRow
from paykit.store.tx import Tx

__all__ = ["CAPTURE_PAYMENT", "CapturePayment", "money_of"]

_RELEASED: Final = frozenset({PaymentStatus.CANCELED, PaymentStatus.EXPIRED})
_TAKEN: Final = frozenset({PaymentStatus.AUTHORIZED, PaymentStatus.SUCCEEDED})

_IN_PARTS: Final = frozenset({Availability.AVAILABLE, Availability.REQUESTED})


class CapturePayment(Command, frozen=True):
    """
    Take `amount` minor units, or all that was authorized if it is not given.

    `final` tells whether what is left then is released. Zero and final releases it
    without taking more, after a capture in parts.
    """

    payment_id: PaymentId
    amount: int | None = None
    currency: CurrencyCode | None = None
    final: bool | None = None


class _Claimed(Command, frozen=True):
    """The payment is ours to capture; the PSP has not answered."""

    payment_id: str
    reference: str
    amount: int
    currency: str
    version: int
    captured_before: int
    final: bool | None = None
    """None: the payment is captured once, and the PSP is told nothing."""


_CLAIMED = RecoveryPoint("capture_claimed", _Claimed)


def money_of(
    row: PaymentRow, amount: int | None, currency: str | None, *, otherwise: int
) -> Money:
    """
    Return what a command means in the payment's currency; `otherwise` if it says none.

    Raises `InvalidMoney` for another currency or an amount that cannot be charged.
    """
    if currency is not None and currency != row.currency:
        raise InvalidMoney(
            f"payment {row.id} is in {row.currency}, not {currency}", field="amount"
        )
    return chargeable(Money(otherwise if amount is None else amount, row.currency))


def _start(tx: Tx, ctx: Context, command: CapturePayment) -> Step[PaymentView]:
    row = claim_payment(tx, ctx, command.payment_id, PaymentEvent.START_CAPTURE)
    money = _money(row, command)
    if money.minor:
        _in_time(tx, ctx, row)
    if money.minor > row.capturable:
        raise NotAllowed(
            f"payment {row.id}: {money} is more than the "
            f"{Money(row.capturable, row.currency)} that can still be captured"
        )
    return _CLAIMED.knowing(
        _Claimed(
            payment_id=row.id,
            reference=known_reference(row),
            amount=money.minor,
            currency=money.currency,
            version=row.version,
            captured_before=row.captured,
            final=_final(row, command, money),
        )
    )


def _in_time(tx: Tx, ctx: Context, row: PaymentRow) -> None:
    """
    Raise `AuthorizationExpired` if the capture might come too late.

    Our clock and the PSP's differ, and a call takes its time. A capture that was begun
    in time goes on.
    """
    end, margin = row.capture_before, ctx.policy.clocks.capture_margin
    if end is not None and tx.now >= end - margin:
        raise AuthorizationExpired(
            f"payment {row.id} can be captured until {margin} before "
            f"{end.isoformat()}; create a new payment"
        )


def _money(row: PaymentRow, command: CapturePayment) -> Money:
    """Return what is taken: nothing, if parts were taken and the rest is let go."""
    closes = command.amount == 0 and command.final and row.captured > 0
    if closes and row.multicapture == Availability.AVAILABLE:
        return Money.zero(command.currency or row.currency)
    wanted, currency = command.amount, command.currency
    return money_of(row, wanted, currency, otherwise=row.capturable)


def _final(row: PaymentRow, command: CapturePayment, money: Money) -> bool | None:
    """Return what the PSP is told about the rest; None if there is nothing to tell."""
    if row.multicapture not in _IN_PARTS:
        if command.final is False:
            raise NotAvailable(
                f"payment {row.id} is captured once; to capture in parts, ask for it "
                "with multicapture=True at creation, and see what the card offers"
            )
        return None
    if command.final is None and money.minor < row.capturable:
        raise FinalRequired(
            f"payment {row.id} can be captured in parts: final=False keeps the rest "
            "authorized, final=True releases it for good",
            field="final",
        )
    if command.final is False:
        return False
    return True if row.multicapture == Availability.AVAILABLE else None


def _ask(at: _Claimed) -> psp.CapturePayment:
    money = Money(at.amount, at.currency)
    return psp.CapturePayment(payment=at.reference, amount=money, final=at.final)


def _record(
    tx: Tx, ctx: Context, at: _Claimed, answer: psp.Answer
) -> Step[PaymentView]:
    return record_answer(tx, ctx, at.payment_id, at.version, answer)


def _read(at: _Claimed) -> psp.ReadPayment:
    return psp.ReadPayment(payment=at.reference)


def _judge(at: _Claimed, evidence: psp.Snapshot) -> psp.Answer | None:
    if not isinstance(evidence, psp.PaymentSnapshot):
        return None
    if at.final is not None:
        return _judge_part(at, evidence)
    if evidence.captured == at.captured_before + at.amount:
        return psp.Succeeded(snapshot=evidence)
    if evidence.captured > at.captured_before:
        return psp.Rejected(
            code="captured_otherwise",
            message=f"another command captured {evidence.captured} minor units",
        )
    if evidence.status in _RELEASED:
        return psp.Rejected(
            code="authorization_released",
            message="the authorization was canceled or has expired",
        )
    # Still capturable proves nothing: the request may still be on its way.
    return None


def _judge_part(at: _Claimed, seen: psp.PaymentSnapshot) -> psp.Answer | None:
    """
    Judge by the captured total; others may have taken parts, too.

    While something is still authorized, or where the total is above ours, our request
    may have been executed or may still be on its way: only its key tells.
    """
    total = at.captured_before + at.amount
    still_open = seen.status is PaymentStatus.AUTHORIZED
    if seen.captured == total and seen.status in _TAKEN:
        return None if at.final and still_open else psp.Succeeded(snapshot=seen)
    if still_open or seen.captured >= total:
        return None
    if seen.status in _RELEASED or seen.status in _TAKEN:
        return psp.Rejected(
            code="authorization_released",
            message=f"nothing is left to capture after {seen.captured} minor units",
        )
    return None


def _movements(at: _Claimed, shown: psp.Snapshot) -> psp.ListBalanceTransactions | None:
    """Each part is a movement of its own, whatever else was captured with it."""
    if at.final is None or not isinstance(shown, psp.PaymentSnapshot):
        return None
    charge = shown.charge_reference
    return None if charge is None else psp.ListBalanceTransactions(source=charge)


def _judge_movements(
    at: _Claimed, shown: psp.Snapshot, found: psp.Snapshot
) -> psp.Answer | None:
    """
    Look for our amount among what was taken after the captures that we knew of.

    Should somebody else have taken the same amount instead, then that is what was
    wanted, and taking it again would be wrong. In another currency nothing compares.
    """
    if not isinstance(shown, psp.PaymentSnapshot) or not isinstance(found, tuple):
        return None
    parts = [one for one in found if one.category == "charge"]
    if any(one.currency != at.currency or one.created is None for one in parts):
        return None
    known, later = 0, []
    for part in sorted(parts, key=_moment):
        if known < at.captured_before:
            known += part.amount
        else:
            later.append(part.amount)
    taken = at.amount > 0 and at.amount in later
    return psp.Succeeded(snapshot=shown) if taken else None


def _moment(movement: psp.BalanceTransaction) -> tuple[float, str]:
    created = movement.created
    return (created.timestamp() if created else 0.0, movement.reference)


def _absent(at: _Claimed, shown: psp.Snapshot) -> bool:
    """Still to be captured, and nothing more was taken than we knew of."""
    if not isinstance(shown, psp.PaymentSnapshot):
        return False
    held = shown.status is PaymentStatus.AUTHORIZED
    return held and shown.captured == at.captured_before


def _lacks(command: CapturePayment, can: psp.Capabilities) -> str | None:
    in_parts = command.final is False
    return "capture in parts" if in_parts and not can.multicapture else None


CAPTURE_PAYMENT = Operation(
    name="payment.capture",
    takes=CapturePayment,
    gives=PaymentView,
    start=_start,
    lacks=_lacks,
    legs=(
        Leg(
            at=_CLAIMED,
            ask=_ask,
            record=_record,
            read=_read,
            judge=_judge,
            more=(Evidence(read=_movements, judge=_judge_movements),),
            absent=_absent,
        ),
    ),
)
