"""
Capture an authorized payment, in full or in part.

A partial capture is final: the PSP releases the rest of the authorization.
"""

from __future__ import annotations

from typing import Final

from paykit import psp
from paykit.engine import Context, Leg, Operation, RecoveryPoint, Step
from paykit.errors import InvalidMoney, NotAllowed
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
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = ["CAPTURE_PAYMENT", "CapturePayment", "money_of"]

_RELEASED: Final = frozenset({PaymentStatus.CANCELED, PaymentStatus.EXPIRED})


class CapturePayment(Command, frozen=True):
    """Take `amount` minor units, or all that was authorized if it is not given."""

    payment_id: PaymentId
    amount: int | None = None
    currency: CurrencyCode | None = None


class _Claimed(Command, frozen=True):
    """The payment is ours to capture; the PSP has not answered."""

    payment_id: str
    reference: str
    amount: int
    currency: str
    version: int
    captured_before: int


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
    money = money_of(row, command.amount, command.currency, otherwise=row.capturable)
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
        )
    )


def _ask(at: _Claimed) -> psp.CapturePayment:
    return psp.CapturePayment(
        payment=at.reference, amount=Money(at.amount, at.currency)
    )


def _record(
    tx: Tx, ctx: Context, at: _Claimed, answer: psp.Answer
) -> Step[PaymentView]:
    return record_answer(tx, ctx, at.payment_id, at.version, answer)


def _read(at: _Claimed) -> psp.ReadPayment:
    return psp.ReadPayment(payment=at.reference)


def _judge(at: _Claimed, evidence: psp.Snapshot) -> psp.Answer | None:
    if not isinstance(evidence, psp.PaymentSnapshot):
        return None
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


CAPTURE_PAYMENT = Operation(
    name="payment.capture",
    takes=CapturePayment,
    gives=PaymentView,
    start=_start,
    legs=(Leg(at=_CLAIMED, ask=_ask, record=_record, read=_read, judge=_judge),),
)
