"""What callers get to see: frozen, typed, and free of secrets but for one field."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, SecretStr
from typing_extensions import override

from paykit.lifecycle import DisputeState, PaymentState, RefundState
from paykit.psp import Decline
from paykit.store.disputes import DisputeRow
from paykit.store.events import EventRow
from paykit.store.payments import PaymentRow
from paykit.store.refunds import RefundRow

__all__ = [
    "DeclineView",
    "DisputeView",
    "EventView",
    "NextActionView",
    "PaymentView",
    "RefundView",
    "dispute_view",
    "payment_view",
    "refund_view",
    "with_decline",
]

_DO_NOT_RETRY = frozenset(
    {
        "authentication_required",
        "highest_risk_level",
        "incorrect_number",
        "lost_card",
        "pickup_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "transaction_not_allowed",
    }
)
"""Decline codes that Stripe itself never retries with the same payment method."""


class _View(BaseModel, frozen=True, extra="ignore"):
    """Frozen; rows of a newer release may hold more, which is left out."""


class DeclineView(_View, frozen=True):
    """Why an attempt was declined; the codes are open strings of the PSP."""

    code: str
    decline_code: str | None = None
    """The issuer's reason. Do not show it to the payer: it may say ``stolen_card``."""
    advice_code: str | None = None
    message: str | None = None

    @property
    def retryable(self) -> bool:
        """
        Whether the same payment method may be tried again, later and with a new key.

        The network's advice beats the table (Stripe: docs/declines/codes).
        """
        if self.advice_code is not None:
            return self.advice_code == "try_again_later"
        return (self.decline_code or self.code) not in _DO_NOT_RETRY


class NextActionView(_View, frozen=True):
    """What the payer must do next."""

    kind: str
    url: str | None = None


class PaymentView(_View, frozen=True):
    """A payment. Amounts are minor units of `currency`; times are UTC."""

    id: str
    merchant: str
    reference: str | None = None
    state: PaymentState
    currency: str
    amount: int
    capturable: int = 0
    """Authorized and still to be captured."""
    captured: int = 0
    """Captured in all; refunds do not lower it."""
    refunded: int = 0
    """What refunds have returned, those that began at the PSP included."""
    refundable: int = 0
    """What can still be refunded: pending refunds are already taken off."""
    disputed: int = 0
    """What payers' banks hold through disputes, the lost ones included."""
    returned: int = 0
    """What the payer's bank took back of a debit that had succeeded."""
    capture: str = "automatic"
    capture_before: datetime | None = None
    """When the authorization runs out, if the PSP said so."""
    multicapture: str | None = None
    """
    Whether it can be captured in parts: None if that was not asked for, ``requested``
    until the PSP has shown it, then ``available`` or ``unavailable``.
    """
    incremental_authorization: str | None = None
    """Whether the authorization can be raised, in the same words."""
    decline: DeclineView | None = None
    """Why the last attempt failed, while the payment waits for another one."""
    next_action: NextActionView | None = None
    pending_command: str | None = None
    """What is under way at the PSP right now, such as ``start_capture``."""
    psp_reference: str | None = None
    description: str | None = None
    cancel_reason: str | None = None
    """Why it was canceled, if the caller said so."""
    metadata: dict[str, str] = {}
    version: int = 1
    created_at: datetime
    client_secret: SecretStr | None = None
    """For Stripe.js; only in the result of ``create_payment``, and never stored."""

    @property
    def paid(self) -> bool:
        """Whether the money was captured."""
        return self.state is PaymentState.SUCCEEDED

    @override
    def __getstate__(self) -> dict[Any, Any]:
        """Return what is pickled: a job queue would store the client secret."""
        state = dict(super().__getstate__())
        state["__dict__"] = {**state["__dict__"], "client_secret": None}
        return state


class RefundView(_View, frozen=True):
    """A refund. The amount is in minor units of `currency`."""

    id: str
    payment_id: str
    state: RefundState
    amount: int
    currency: str
    origin: str
    """``paykit``, or ``external`` if it began at the PSP."""
    reason: str | None = None
    failure_reason: str | None = None
    psp_reference: str | None = None
    metadata: dict[str, str] = {}
    created_at: datetime


class DisputeView(_View, frozen=True):
    """A dispute; the amount is in minor units of its own `currency`, times are UTC."""

    id: str
    payment_id: str
    state: DisputeState
    raw_status: str
    """The PSP's word; it tells more where `state` does not know it."""
    reason: str | None = None
    amount: int
    currency: str
    evidence_due_by: datetime | None = None
    """Until when evidence can be submitted; None if nobody can respond any more."""
    submissions: int = 0
    """How often evidence was submitted."""
    charge_refundable: bool
    """Whether the payment may still be refunded, as during an inquiry."""
    psp_reference: str
    created_at: datetime
    """When paykit first heard of it."""


class EventView(_View, frozen=True):
    """One line of a history; never changes."""

    id: str
    type: str
    aggregate: str
    """What it is about: ``payment``, ``payout`` or ``subscription``."""
    aggregate_id: str
    payment_id: str | None
    """The payment that it is about; None if it is about something else."""
    merchant: str
    sequence: int
    """Counts from 1 per `aggregate_id`, without gaps."""
    from_state: str | None
    to_state: str | None
    cause: str
    """What brought it: an operation, a webhook, a read or a person."""
    occurred_at: datetime
    data: dict[str, object]

    @classmethod
    def of(cls, row: EventRow) -> EventView:
        """Show an event as it is stored."""
        return cls(
            id=str(row.id),
            type=row.type,
            aggregate=row.aggregate,
            aggregate_id=row.aggregate_id,
            payment_id=row.payment_id,
            merchant=row.merchant_id,
            sequence=row.sequence,
            from_state=row.from_state,
            to_state=row.to_state,
            cause=row.cause,
            occurred_at=row.occurred_at,
            data=row.payload,
        )


def payment_view(row: PaymentRow, pending: str | None = None) -> PaymentView:
    """Show a payment as it is stored; `pending` is the command under way."""
    return PaymentView(
        id=row.id,
        merchant=row.merchant_id,
        reference=row.reference,
        state=row.state,
        currency=row.currency,
        amount=row.amount,
        capturable=row.capturable,
        captured=row.captured,
        refunded=row.refunded,
        refundable=row.refundable,
        disputed=row.disputed,
        returned=row.returned,
        capture=row.capture,
        capture_before=row.capture_before,
        multicapture=row.multicapture,
        incremental_authorization=row.incremental_authorization,
        decline=DeclineView.model_validate(row.decline) if row.decline else None,
        next_action=(
            NextActionView.model_validate(row.next_action) if row.next_action else None
        ),
        pending_command=pending,
        psp_reference=row.psp_reference,
        description=row.description,
        cancel_reason=row.cancel_reason,
        metadata=row.metadata,
        version=row.version,
        created_at=row.created_at,
    )


def with_decline(view: PaymentView, decline: Decline) -> PaymentView:
    """Say why in the result, also when the payment stands elsewhere meanwhile."""
    shown = DeclineView(
        code=decline.code,
        decline_code=decline.decline_code,
        advice_code=decline.advice_code,
        message=decline.message,
    )
    return view.model_copy(update={"decline": shown})


def refund_view(row: RefundRow) -> RefundView:
    """Show a refund as it is stored."""
    return RefundView(
        id=row.id,
        payment_id=row.payment_id,
        state=row.state,
        amount=row.amount,
        currency=row.currency,
        origin=row.origin,
        reason=row.reason,
        failure_reason=row.failure_reason,
        psp_reference=row.psp_reference,
        metadata=row.metadata,
        created_at=row.created_at,
    )


def dispute_view(row: DisputeRow) -> DisputeView:
    """Show a dispute as it is stored."""
    names = DisputeView.model_fields
    return DisputeView(**{name: getattr(row, name) for name in names})
