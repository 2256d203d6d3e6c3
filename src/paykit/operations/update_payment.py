"""
Change a payment that nobody has paid yet: its amount, description or metadata.

The change leaves its mark in the metadata of the PSP's object. So whoever lost the
answer finds out by reading, also if nothing but the description was changed.
"""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, model_validator

from paykit import psp
from paykit.engine import Context, Leg, Operation, RecoveryPoint, Step
from paykit.errors import InvalidRequest
from paykit.lifecycle import PaymentEvent
from paykit.money import Money
from paykit.operations.capture_payment import money_of
from paykit.operations.change_amount import ask_for, record_change
from paykit.operations.commands import (
    METADATA_KEYS,
    Command,
    CurrencyCode,
    Metadata,
    PaymentId,
    Text,
)
from paykit.operations.links import update_mark, updated_by
from paykit.operations.payment_command import claim_payment, known_reference
from paykit.operations.views import PaymentView
from paykit.psp import PaymentStatus
from paykit.store import payments
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = ["UPDATE_PAYMENT", "UpdatePayment"]

_SETTLED: Final = frozenset(
    {
        PaymentStatus.AUTHORIZED,
        PaymentStatus.SUCCEEDED,
        PaymentStatus.CANCELED,
        PaymentStatus.EXPIRED,
    }
)
"""Where the PSP changes no amount any more, and from where no way leads back."""


class UpdatePayment(Command, frozen=True):
    """Change what is given; metadata is added to what there is."""

    payment_id: PaymentId
    amount: int | None = None
    currency: CurrencyCode | None = None
    description: Text | None = None
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.amount is None and self.description is None and not self.metadata:
            raise ValueError("give an amount, a description or metadata to change")
        return self


class _Claimed(Command, frozen=True):
    """The payment is ours to change; the PSP has not answered."""

    payment_id: str
    reference: str
    amount: int | None
    currency: str
    description: str | None
    metadata: dict[str, str]
    operation_id: str
    version: int


_CLAIMED = RecoveryPoint("update_claimed", _Claimed)


def _start(tx: Tx, ctx: Context, command: UpdatePayment) -> Step[PaymentView]:
    row = claim_payment(tx, ctx, command.payment_id, PaymentEvent.START_UPDATE)
    if len({**row.metadata, **command.metadata}) > METADATA_KEYS:
        raise InvalidRequest(
            f"metadata: at most {METADATA_KEYS} keys in all", field="metadata"
        )
    amount = _amount(row, command)
    if amount is not None:
        row = ask_for(tx, ctx, row, amount)
    return _CLAIMED.knowing(
        _Claimed(
            payment_id=row.id,
            reference=known_reference(row),
            amount=amount,
            currency=row.currency,
            description=command.description,
            metadata=command.metadata,
            operation_id=ctx.operation_id,
            version=row.version,
        )
    )


def _amount(row: PaymentRow, command: UpdatePayment) -> int | None:
    if command.amount is None:
        return None
    asked = command.amount
    return money_of(row, asked, command.currency, otherwise=row.amount).minor


def _ask(at: _Claimed) -> psp.UpdatePayment:
    return psp.UpdatePayment(
        payment=at.reference,
        amount=None if at.amount is None else Money(at.amount, at.currency),
        description=at.description,
        metadata={**at.metadata, **update_mark(at.operation_id)},
    )


def _record(
    tx: Tx, ctx: Context, at: _Claimed, answer: psp.Answer
) -> Step[PaymentView]:
    row = payments.load(tx, at.payment_id, merchant=None, lock=True)
    columns: dict[str, object] = {}
    if at.description is not None:
        columns["description"] = at.description
    if at.metadata:
        columns["metadata"] = {**row.metadata, **at.metadata}
    return record_change(tx, ctx, at.payment_id, at.version, answer, columns=columns)


def _read(at: _Claimed) -> psp.ReadPayment:
    return psp.ReadPayment(payment=at.reference)


def _judge(at: _Claimed, evidence: psp.Snapshot) -> psp.Answer | None:
    if not isinstance(evidence, psp.PaymentSnapshot):
        return None
    if updated_by(evidence.metadata) == at.operation_id:
        return psp.Succeeded(snapshot=evidence)
    if at.amount is not None and evidence.status in _SETTLED:
        return psp.Rejected(
            code="payment_settled",
            message="the payment was authorized, paid or canceled before",
        )
    # Without its mark it may still be on its way.
    return None


def _absent(at: _Claimed, shown: psp.Snapshot) -> bool:
    if not isinstance(shown, psp.PaymentSnapshot):
        return False
    return updated_by(shown.metadata) != at.operation_id


def _lacks(_: UpdatePayment, can: psp.Capabilities) -> str | None:
    return None if can.update_payment else "change of a payment"


UPDATE_PAYMENT = Operation(
    name="payment.update",
    takes=UpdatePayment,
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
