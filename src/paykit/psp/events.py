"""What a PSP's webhook tells, in our words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from paykit.psp.snapshots import ChargeSnapshot, PaymentSnapshot, RefundSnapshot

__all__ = ["PspEvent", "SignatureInvalid", "Subject", "WebhookEnvelope"]

Subject: TypeAlias = PaymentSnapshot | ChargeSnapshot | RefundSnapshot | None
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
    livemode: bool = False
    idempotency_key: str | None = None
    """The key of the request that caused the event, if a request did."""
