"""What callers get to see: frozen, typed, and free of secrets but for one field."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, SecretStr

from paykit.lifecycle import PaymentState, RefundState
from paykit.store.events import EventRow
from paykit.store.payments import PaymentRow
from paykit.store.refunds import RefundRow

__all__ = [
    "DeclineView",
    "EventView",
    "NextActionView",
    "PaymentView",
    "RefundView",
    "payment_view",
    "refund_view",
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
    capture: str = "automatic"
    capture_before: datetime | None = None
    """When the authorization runs out, if the PSP said so."""
    decline: DeclineView | None = None
    """Why the last attempt failed, while the payment waits for another one."""
    next_action: NextActionView | None = None
    pending_command: str | None = None
    """What is under way at the PSP right now, such as ``start_capture``."""
    psp_reference: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    version: int = 1
    created_at: datetime
    client_secret: SecretStr | None = None
    """For Stripe.js; only in the result of ``create_payment``, and never stored."""

    @property
    def paid(self) -> bool:
        """Whether the money was captured."""
        return self.state is PaymentState.SUCCEEDED


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


class EventView(_View, frozen=True):
    """One line of a payment's history; never changes."""

    id: str
    type: str
    payment_id: str
    merchant: str
    sequence: int
    """Counts from 1 per payment, without gaps."""
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
        capture=row.capture,
        capture_before=row.capture_before,
        decline=DeclineView.model_validate(row.decline) if row.decline else None,
        next_action=(
            NextActionView.model_validate(row.next_action) if row.next_action else None
        ),
        pending_command=pending,
        psp_reference=row.psp_reference,
        description=row.description,
        metadata=row.metadata,
        version=row.version,
        created_at=row.created_at,
    )


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
