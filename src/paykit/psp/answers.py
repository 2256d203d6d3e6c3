"""
What can be heard back: a closed set (DESIGN law 3).

An adapter *returns* one of these and raises only for bugs of ours. Whatever nobody
foresaw is `Unknown`. Only `Unknown` may hide an effect; `Pending` is accepted, its
outcome comes later, and it is never sent again.

================  ==============================  =====================================
answer            executed?                       what paykit does
================  ==============================  =====================================
Succeeded         yes                             records it
ActionRequired    yes, the payer must act         records it
Pending           yes, the outcome comes later    records it
Declined          yes, the issuer said no         records it; a new try needs a new key
Rejected          no, our request is invalid      ends the operation with an error
Conflict          no, another state than assumed  reads, then decides; releases nothing
NotSent           no, never left the machine      sends again, same key
NotExecuted       no, rate limit or object lock   sends again later, same key
InFlight          perhaps: same key is running    waits, then sends again, same key
Misconfigured     no, credentials or settings     stops and says so
Unknown           perhaps                         finds out (DESIGN section 6)
================  ==============================  =====================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from paykit.psp.billing import InvoiceSnapshot, SubscriptionSnapshot
from paykit.psp.payouts import PayoutSnapshot
from paykit.psp.snapshots import (
    BalanceTransaction,
    ChargeSnapshot,
    Decline,
    DisputeSnapshot,
    EndpointList,
    EventPage,
    PaymentSnapshot,
    RefundSnapshot,
)

__all__ = [
    "ActionRequired",
    "Answer",
    "Conflict",
    "Declined",
    "InFlight",
    "Misconfigured",
    "NotExecuted",
    "NotSent",
    "Pending",
    "Rejected",
    "Snapshot",
    "Succeeded",
    "Unknown",
]

Snapshot: TypeAlias = (
    PaymentSnapshot
    | RefundSnapshot
    | ChargeSnapshot
    | DisputeSnapshot
    | PayoutSnapshot
    | SubscriptionSnapshot
    | InvoiceSnapshot
    | tuple[BalanceTransaction, ...]
    | EventPage
    | EndpointList
    | None
)
"""What an answer shows: None is the definite "there is no such thing" of a search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What every answer may carry for the record."""

    request_id: str | None = None
    """The PSP's id of the request, for its support."""
    replayed: bool = False
    """Whether the PSP repeated a stored answer instead of acting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded(_Heard):
    """It is done; for a read: here it is."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequired(_Heard):
    """The payer must act (3-D Secure) before money moves."""

    snapshot: PaymentSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending(_Heard):
    """Accepted; an event will tell how it ends."""

    snapshot: PaymentSnapshot | RefundSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined(_Heard):
    """The issuer said no."""

    decline: Decline
    snapshot: PaymentSnapshot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(_Heard):
    """The request is invalid and was not executed."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict(_Heard):
    """The object is not in the state that we assumed."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent(_Heard):
    """The request never left: no connection could be made, or paykit held it back."""

    reason: str
    retry_after_seconds: float | None = None
    """Set by paykit's own gate alone: when a new call may have a chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExecuted(_Heard):
    """The PSP turned the request away before it looked at it."""

    reason: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight(_Heard):
    """A request with the same idempotency key is still running."""

    reason: str
    retry_after_seconds: float | None = None
    """How long the PSP asks to wait before the request is sent again, if it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misconfigured(_Heard):
    """Credentials or account settings are refused."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(_Heard):
    """The PSP may have acted; nobody can tell from here."""

    reason: str
    retry_after_seconds: float | None = None


Answer: TypeAlias = (
    Succeeded
    | ActionRequired
    | Pending
    | Declined
    | Rejected
    | Conflict
    | NotSent
    | NotExecuted
    | InFlight
    | Misconfigured
    | Unknown
)
