"""
Raise what is authorized on a payment that was not captured yet.

The amount is the new total. A decline leaves the authorization as it was, and is a
result. Raising it does not make it last longer (`PaymentView.capture_before`).
"""

from __future__ import annotations

from typing import Final

from paykit import psp
from paykit.engine import Context, Leg, Operation, RecoveryPoint, Step
from paykit.errors import NotAllowed, NotAvailable
from paykit.lifecycle import PaymentEvent
from paykit.money import Money
from paykit.operations.capture_payment import money_of
from paykit.operations.change_amount import ask_for, record_change
from paykit.operations.commands import Command, CurrencyCode, PaymentId
from paykit.operations.payment_command import claim_payment, known_reference
from paykit.operations.views import PaymentView
from paykit.psp import PaymentStatus
from paykit.store.payments import Availability, PaymentRow
from paykit.store.tx import Tx

__all__ = ["INCREMENT_AUTHORIZATION", "IncrementAuthorization"]

_OFFERED: Final = frozenset({Availability.AVAILABLE, Availability.REQUESTED})

_ENDED: Final = frozenset(
    {PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED, PaymentStatus.EXPIRED}
)


class IncrementAuthorization(Command, frozen=True):
    """Raise the authorization to `amount` minor units in all."""

    payment_id: PaymentId
    amount: int
    currency: CurrencyCode | None = None


class _Claimed(Command, frozen=True):
    """The payment is ours to raise; the PSP has not answered."""

    payment_id: str
    reference: str
    amount: int
    currency: str
    version: int


_CLAIMED = RecoveryPoint("increment_claimed", _Claimed)


def _start(tx: Tx, ctx: Context, command: IncrementAuthorization) -> Step[PaymentView]:
    row = claim_payment(tx, ctx, command.payment_id, PaymentEvent.START_INCREMENT)
    money = money_of(row, command.amount, command.currency, otherwise=row.amount)
    _check(row, money)
    row = ask_for(tx, ctx, row, money.minor)
    return _CLAIMED.knowing(
        _Claimed(
            payment_id=row.id,
            reference=known_reference(row),
            amount=money.minor,
            currency=money.currency,
            version=row.version,
        )
    )


def _check(row: PaymentRow, money: Money) -> None:
    """Raise if it cannot be raised; not for what this very command began before."""
    if row.incremental_authorization not in _OFFERED:
        raise NotAvailable(
            f"payment {row.id}: the authorization cannot be raised; ask for it with "
            "incremental_authorization=True at creation, and see what the card offers"
        )
    if money.minor <= row.amount and money.minor != row.amount_asked:
        raise NotAllowed(
            f"payment {row.id}: the new total {money} is not more than the "
            f"{Money(row.amount, row.currency)} that are authorized"
        )


def _ask(at: _Claimed) -> psp.IncrementAuthorization:
    return psp.IncrementAuthorization(
        payment=at.reference, amount=Money(at.amount, at.currency)
    )


def _record(
    tx: Tx, ctx: Context, at: _Claimed, answer: psp.Answer
) -> Step[PaymentView]:
    return record_change(tx, ctx, at.payment_id, at.version, answer)


def _read(at: _Claimed) -> psp.ReadPayment:
    return psp.ReadPayment(payment=at.reference)


def _judge(at: _Claimed, evidence: psp.Snapshot) -> psp.Answer | None:
    if not isinstance(evidence, psp.PaymentSnapshot):
        return None
    if evidence.amount == at.amount:
        return psp.Succeeded(snapshot=evidence)
    if evidence.status in _ENDED:
        return psp.Rejected(
            code="authorization_ended",
            message="the authorization was captured, was canceled or has expired",
        )
    # The old total proves nothing: the request may still be on its way.
    return None


def _absent(at: _Claimed, shown: psp.Snapshot) -> bool:
    """Nobody else raises it while it is claimed, so a lower total is the old one."""
    return isinstance(shown, psp.PaymentSnapshot) and shown.amount < at.amount


def _lacks(_: IncrementAuthorization, can: psp.Capabilities) -> str | None:
    return None if can.incremental_authorization else "raising of an authorization"


INCREMENT_AUTHORIZATION = Operation(
    name="payment.increment_authorization",
    takes=IncrementAuthorization,
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
            absent=_absent,
        ),
    ),
)
