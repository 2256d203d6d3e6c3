"""What a PSP's webhook tells, in our words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from paykit.psp.billing import InvoiceSnapshot, SubscriptionSnapshot
from paykit.psp.payouts import PayoutSnapshot
from paykit.psp.snapshots import (
    ChargeSnapshot,
    DisputeSnapshot,
    FraudWarningSnapshot,
    PaymentSnapshot,
    RefundSnapshot,
    ReviewSnapshot,
    UnbookedSnapshot,
)

__all__ = ["Named", "PspEvent", "SignatureInvalid", "Subject", "WebhookEnvelope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """
    An object that the event names, and does not show in a way that we can trust.

    A thin event names its object by nature; an event in another API version shows one
    whose amounts our parser was not written for. It is read before anything is done.
    """

    kind: str
    """
    What there is a read for: ``payment``, ``charge``, ``refund``, ``dispute``,
    ``payout``, ``subscription`` or ``invoice``.
    """
    reference: str
    payment: str | None = None
    """The PSP's payment that it belongs to, if the event says so."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Our ids, if the event shows them: that is how an unknown payment is found."""


Subject: TypeAlias = (
    PaymentSnapshot
    | ChargeSnapshot
    | RefundSnapshot
    | DisputeSnapshot
    | PayoutSnapshot
    | SubscriptionSnapshot
    | InvoiceSnapshot
    | ReviewSnapshot
    | FraudWarningSnapshot
    | UnbookedSnapshot
    | Named
    | None
)
"""The object that an event is about; None if paykit has no use for it."""


class SignatureInvalid(Exception):
    """The webhook is not authentic or not readable. Its text names no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEnvelope:
    """The little that the receiver needs in order to store a verified webhook."""

    event_id: str
    event_type: str
    account: str | None = None
    """The connected account the event is about; None for our own."""
    livemode: bool | None = None
    """Whether it is about real money; None if the PSP does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PspEvent:
    """One event of a PSP, parsed."""

    id: str
    type: str
    """The PSP's own word, such as ``payment_intent.succeeded``."""
    subject: Subject
    current: bool = True
    """Whether the payload is of the API version that our parser was written for.

    If it is not, `subject` is only good for its reference: the object is read again.
    """
    created: datetime | None = None
    account: str | None = None
    livemode: bool | None = None
    """Whether it is about real money; None if the PSP does not say."""
    idempotency_key: str | None = None
    """The key of the request that caused the event, if a request did."""
