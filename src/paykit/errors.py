"""
Everything paykit raises on purpose, and the HTTP status a host may answer with.

::

    PaykitError                     500
    ├── InvalidRequest              422  the input is wrong; nothing was written or sent
    │   ├── InvalidMoney            422  amount or currency cannot be charged
    │   ├── CardDataRefused         422  a card number stood where none may stand
    │   └── FinalRequired           422  a capture in parts must say if it is the last
    ├── NotFound                    404  no such payment (or it is another merchant's)
    ├── NotAllowed                  409  the thing's state does not allow the command
    │   ├── AuthorizationExpired    409  too late to capture; authorize again
    │   ├── IllegalTransition       409  a lifecycle has no such transition
    │   ├── NotAvailable            409  the PSP or the card does not offer it
    │   ├── PaymentDisputed         409  a dispute keeps the charge from being refunded
    │   └── RefundExceedsCaptured   409  more than what was captured and is left
    ├── IdempotencyKeyReused        422  same key, different command
    ├── InProgress                  409  somebody works on it right now; retry later
    ├── OutcomeUnknown              202  the PSP may have acted; paykit finds out
    ├── LeaseLost                   409  another worker took over; repeat the call
    ├── PspRejected                 422  the PSP refused the request as invalid
    ├── PspUnavailable              503  nothing was sent or executed; retry later
    ├── PspMisconfigured            500  keys or account settings are wrong
    ├── UsageError                  500  the host called paykit in a way that is unsafe
    │   └── TransactionOpen         500  a PSP call inside the caller's open transaction
    ├── SchemaOutOfDate             500  run ``paykit migrate``
    └── LedgerConflict              500  one fact was posted twice with different fields

A decline is no error: it is a result that can be read (`PaymentView.decline`).
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AuthorizationExpired",
    "CardDataRefused",
    "FinalRequired",
    "IdempotencyKeyReused",
    "IllegalTransition",
    "InProgress",
    "InvalidMoney",
    "InvalidRequest",
    "LeaseLost",
    "LedgerConflict",
    "NotAllowed",
    "NotAvailable",
    "NotFound",
    "OutcomeUnknown",
    "PaykitError",
    "PaymentDisputed",
    "PspMisconfigured",
    "PspRejected",
    "PspUnavailable",
    "RefundExceedsCaptured",
    "SchemaOutOfDate",
    "TransactionOpen",
    "UsageError",
]


class PaykitError(Exception):
    """Base class of every error that paykit raises on purpose."""

    http_status: ClassVar[int] = 500
    """The status that suits this error when a web host passes it on."""


class InvalidRequest(PaykitError):
    """The input cannot be accepted; nothing was written and nothing was sent."""

    http_status = 422

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        """The offending field, dotted for nested ones, if it is one field."""


class InvalidMoney(InvalidRequest):
    """An amount or a currency that the PSP would not take as meant."""


class CardDataRefused(InvalidRequest):
    """A field held what looks like a card number; its value is not repeated here."""


class FinalRequired(InvalidRequest):
    """
    A part is to be captured of what can be captured in several: is it the last one?

    Stripe takes silence for yes and releases the rest, which cannot be undone.
    """


class NotFound(PaykitError):
    """There is no such thing, or it belongs to another merchant."""

    http_status = 404


class NotAllowed(PaykitError):
    """The state of the payment or refund does not allow what was asked."""

    http_status = 409


class AuthorizationExpired(NotAllowed):
    """
    The authorization ends, or has ended, too soon for a capture; nothing was sent.

    Only a new payment, with its payer's consent, can take the money.
    """


class IllegalTransition(NotAllowed):
    """A lifecycle was asked for a transition that its table does not have."""

    def __init__(self, lifecycle: str, state: str, event: str) -> None:
        super().__init__(f"{lifecycle}: {event!r} is not possible in state {state!r}")
        self.lifecycle = lifecycle
        self.state = state
        self.event = event


class NotAvailable(NotAllowed):
    """The PSP, the account or the payment's card does not offer what was asked for."""


class PaymentDisputed(NotAllowed):
    """
    A dispute of the payment keeps its charge from being refunded; nothing was sent.

    The payer's bank has the money already. An inquiry, which comes before a dispute,
    can be settled by a refund.
    """


class RefundExceedsCaptured(NotAllowed):
    """Refunds, the pending ones included, would exceed what was captured."""


class IdempotencyKeyReused(PaykitError):
    """The idempotency key was used before, for a different command."""

    http_status = 422


class InProgress(PaykitError):
    """Another caller or worker is busy with it; repeat the call a little later."""

    http_status = 409

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknown(PaykitError):
    """
    The PSP may or may not have acted, and nobody can tell yet.

    Tell the payer that the payment is being processed. Repeat the call with the
    same idempotency key, or let a worker bring the operation to its end.
    """

    http_status = 202

    def __init__(self, message: str, *, operation_id: str) -> None:
        super().__init__(message)
        self.operation_id = operation_id


class LeaseLost(PaykitError):
    """This worker was too slow and another one took over; nothing was advanced."""

    http_status = 409


class PspRejected(PaykitError):
    """The PSP refused the request as invalid, and did nothing."""

    http_status = 422

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        """The PSP's own code, such as ``payment_method_not_available``."""


class PspUnavailable(PaykitError):
    """The PSP did not execute the request; repeat it later with the same key."""

    http_status = 503

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PspMisconfigured(PaykitError):
    """The PSP refuses our credentials or account settings; nothing was executed."""


class UsageError(PaykitError):
    """The host called paykit in a way that would not be safe."""


class TransactionOpen(UsageError):
    """A call that talks to the PSP was made inside an open transaction."""


class SchemaOutOfDate(PaykitError):
    """The tables are missing or of another version; run ``paykit migrate``."""


class LedgerConflict(PaykitError):
    """One fact was to be posted again with other amounts or accounts."""
