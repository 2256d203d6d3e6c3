"""
Create a payment: record it, open it at the PSP, record what the PSP says.

No money moves here. Confirming is a step of its own, so that every later doubt is
settled by reading a known object.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self, assert_never

from pydantic import Field, SecretStr, model_validator

from paykit import psp
from paykit.engine import (
    Context,
    Done,
    Evidence,
    Failed,
    Leg,
    Operation,
    RecoveryPoint,
    Step,
    derived_id,
)
from paykit.errors import PspRejected
from paykit.lifecycle import PAYMENT, PaymentEvent, PaymentState
from paykit.money import Money, chargeable
from paykit.operations.commands import (
    AccountId,
    CaptureMethod,
    Command,
    CurrencyCode,
    FutureUsage,
    Metadata,
    Reference,
    Text,
)
from paykit.operations.descriptors import check_descriptor
from paykit.operations.links import operation_metadata, tag
from paykit.operations.observe import observe_payment
from paykit.operations.record import Definite, definite, payment_in
from paykit.operations.views import PaymentView, payment_view
from paykit.store import claims, payments, references
from paykit.store.events import NewEvent
from paykit.store.payments import Availability
from paykit.store.tx import Tx

__all__ = ["CREATE_PAYMENT", "CreatePayment"]


class CreatePayment(Command, frozen=True):
    """Open a payment of `amount` minor units of `currency`."""

    amount: int
    currency: CurrencyCode
    reference: Reference | None = None
    """The host's order; one live payment per reference and merchant."""
    capture: CaptureMethod = "automatic"
    payment_method: Text | None = None
    customer: Text | None = None
    description: Text | None = None
    statement_descriptor: Text | None = None
    statement_descriptor_suffix: Text | None = None
    receipt_email: Text | None = None
    on_behalf_of: AccountId | None = None
    """The account in whose name the payer is charged; the binding stays ours."""
    setup_future_usage: FutureUsage | None = None
    multicapture: bool = False
    incremental_authorization: bool = False
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _chargeable(self) -> Self:
        chargeable(Money(self.amount, self.currency))
        return self


class _Recorded(Command, frozen=True):
    """Our row is committed; the PSP has not answered."""

    payment_id: str
    command: CreatePayment
    metadata: dict[str, str]
    operation_id: str
    created_at: str


_RECORDED = RecoveryPoint("payment_recorded", _Recorded)


def _start(tx: Tx, ctx: Context, command: CreatePayment) -> Step[PaymentView]:
    check_descriptor("statement_descriptor", command.statement_descriptor)
    suffix = command.statement_descriptor_suffix
    check_descriptor("statement_descriptor_suffix", suffix)
    payment_id = derived_id("pay", ctx.operation_id)
    row = _insert(tx, ctx, command, payment_id)
    if command.reference is not None:
        references.hold_reference(
            tx,
            merchant=ctx.merchant,
            reference=command.reference,
            payment_id=payment_id,
        )
    if row.state is PaymentState.CREATING:
        claims.claim_command(
            tx,
            payment_id,
            PaymentEvent.START_CREATE,
            ctx.operation_id,
            holder=claims.claimed_by(tx, payment_id),
        )
    return _RECORDED.knowing(
        _Recorded(
            payment_id=payment_id,
            command=command,
            metadata=tag(ctx, command.metadata, payment_id=payment_id),
            operation_id=ctx.operation_id,
            created_at=tx.now.isoformat(),
        )
    )


def _insert(
    tx: Tx, ctx: Context, command: CreatePayment, payment_id: str
) -> payments.PaymentRow:
    created = NewEvent(
        type="payment.created",
        to_state=PAYMENT.initial.value,
        data={"amount": command.amount, "currency": command.currency},
    )
    row = payments.PaymentRow(
        id=payment_id,
        merchant_id=ctx.merchant,
        operation_id=ctx.operation_id,
        reference=command.reference,
        binding=ctx.binding,
        state=PAYMENT.initial,
        currency=command.currency,
        capture=command.capture,
        amount=command.amount,
        description=command.description,
        multicapture=Availability.REQUESTED.value if command.multicapture else None,
        incremental_authorization=(
            Availability.REQUESTED.value if command.incremental_authorization else None
        ),
        metadata=command.metadata,
        created_at=tx.now,
        updated_at=tx.now,
    )
    return payments.insert_payment(tx, row, cause=ctx.operation_id, happened=[created])


def _ask(at: _Recorded) -> psp.CreatePayment:
    command = at.command
    return psp.CreatePayment(
        amount=Money(command.amount, command.currency),
        capture=command.capture,
        metadata=at.metadata,
        payment_method=command.payment_method,
        customer=command.customer,
        description=command.description,
        statement_descriptor=command.statement_descriptor,
        statement_descriptor_suffix=command.statement_descriptor_suffix,
        receipt_email=command.receipt_email,
        on_behalf_of=command.on_behalf_of,
        setup_future_usage=command.setup_future_usage,
        multicapture=command.multicapture,
        incremental_authorization=command.incremental_authorization,
    )


def _record(
    tx: Tx, ctx: Context, at: _Recorded, answer: psp.Answer
) -> Step[PaymentView]:
    row = payments.load(tx, at.payment_id, merchant=None, lock=True)
    claims.release_claim(tx, row.id, ctx.operation_id)
    heard: Definite = definite(answer)
    match heard:
        case psp.Rejected(code=code, message=message):
            return _refused(tx, ctx, row, code, message)
        case psp.Declined(decline=decline, snapshot=None):
            return _refused(tx, ctx, row, decline.code, decline.message or "declined")
        case psp.Succeeded() | psp.ActionRequired() | psp.Pending() | psp.Declined():
            seen = payment_in(heard)
            row = observe_payment(tx, row, seen, cause=ctx.operation_id, fresh=True)
            return Done(payment_view(row))
        case _:
            assert_never(heard)


def _refused(
    tx: Tx, ctx: Context, row: payments.PaymentRow, code: str | None, message: str
) -> Failed:
    """End a payment that the PSP would not open."""
    if row.state is PaymentState.CREATING:
        failed = NewEvent(
            type="payment.failed",
            from_state=row.state.value,
            to_state=PaymentState.FAILED.value,
            data={"code": code},
        )
        changes = {"state": PaymentState.FAILED.value}
        payments.save(tx, row, changes, cause=ctx.operation_id, happened=[failed])
        references.release_reference(tx, row)
    return Failed(PspRejected(message, code=code))


def _read(at: _Recorded) -> psp.FindPayment:
    since = datetime.fromisoformat(at.created_at) - timedelta(minutes=5)
    return psp.FindPayment(metadata=operation_metadata(at.operation_id), since=since)


def _judge(at: _Recorded, evidence: psp.Snapshot) -> psp.Answer | None:
    if isinstance(evidence, psp.PaymentSnapshot):
        return psp.Succeeded(snapshot=evidence)
    # Not found proves nothing: the request may still be on its way.
    return None


def _search(at: _Recorded, shown: psp.Snapshot) -> psp.SearchPayments:
    return psp.SearchPayments(metadata=operation_metadata(at.operation_id))


def _absent(at: _Recorded, shown: psp.Snapshot) -> bool:
    return shown is None


def _reveal(view: PaymentView, secret: str | None) -> PaymentView:
    if secret is None:
        return view
    return view.model_copy(update={"client_secret": SecretStr(secret)})


def _secret_of(view: PaymentView) -> psp.ReadRequest | None:
    if view.psp_reference is None:
        return None
    return psp.ReadPayment(payment=view.psp_reference)


def _lacks(command: CreatePayment, can: psp.Capabilities) -> str | None:
    wanted = (
        (command.capture == "manual", can.manual_capture, "manual capture"),
        (command.multicapture, can.multicapture, "capture in parts"),
        (
            command.incremental_authorization,
            can.incremental_authorization,
            "raising of an authorization",
        ),
    )
    return next((what for asked, offered, what in wanted if asked > offered), None)


CREATE_PAYMENT = Operation(
    name="payment.create",
    takes=CreatePayment,
    gives=PaymentView,
    start=_start,
    lacks=_lacks,
    legs=(
        Leg(
            at=_RECORDED,
            ask=_ask,
            record=_record,
            read=_read,
            judge=_judge,
            more=(
                Evidence(
                    read=_search, judge=lambda at, shown, found: _judge(at, found)
                ),
            ),
            absent=_absent,
        ),
    ),
    reveal=_reveal,
    secret_of=_secret_of,
)
