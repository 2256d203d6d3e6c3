"""
What an error of the SDK means: one of the closed set of answers (DESIGN law 3).

The SDK derives the exception's class from the HTTP status, and leaves its ``code`` None
for most of them, so the code is taken from the error object in the body. That is read
as plain JSON: ``error.error`` is the same as an SDK object.

=====================================  ===============================================
Stripe                                 answer
=====================================  ===============================================
402                                    Declined
400 ``idempotency_error``              Rejected, with that code: our key met other
                                       parameters; the engine takes it as unknown
400, 404: the object's state           Conflict
400, 404: a payment method's refusal   Declined
400, 404 otherwise                     Rejected; Unknown if Stripe says that sending it
                                       again may help
401, 403                               Misconfigured
409                                    InFlight
429, ``lock_timeout``                  NotExecuted
3xx                                    Misconfigured: somebody else answers there
5xx, 424, 200 that cannot be read      Unknown
no connection                          NotSent
connection lost while talking          Unknown
anything else                          Unknown
=====================================  ===============================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import stripe

from paykit.carddata import redact
from paykit.psp.answers import (
    Answer,
    Conflict,
    Declined,
    InFlight,
    Misconfigured,
    NotExecuted,
    NotSent,
    Rejected,
    Unknown,
)
from paykit.psp.snapshots import PaymentSnapshot, PaymentStatus
from paykit.stripe import objects
from paykit.stripe.fields import JsonObject, Unreadable
from paykit.stripe.transport import ConnectionLost

__all__ = ["answer_from_error"]

_CONFLICTS: Final = frozenset(
    {
        "capture_charge_authorization_expired",
        "capture_unauthorized_payment",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_expired_for_capture",
        "intent_invalid_state",
        "payment_intent_unexpected_state",
        "status_transition_invalid",
    }
)
"""Often "already done", after a reply that was lost."""

_DECLINES: Final = frozenset(
    {
        "payment_intent_authentication_failure",
        "payment_intent_payment_attempt_expired",
        "payment_intent_payment_attempt_failed",
        "payment_method_customer_decline",
        "payment_method_provider_decline",
    }
)
"""The attempt was made and refused, whatever status Stripe gives these."""

_NOT_A_DECLINE: Final = frozenset({PaymentStatus.PROCESSING, PaymentStatus.SUCCEEDED})

_SECONDS: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", re.ASCII)

_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class _Said:
    """What an error carries, whatever its class."""

    status: int | None
    error: JsonObject
    headers: Mapping[str, object]
    message: str

    @classmethod
    def by(cls, error: stripe.StripeError) -> _Said:
        body = error.json_body
        found = body.get("error") if isinstance(body, dict) else None
        # For a body that is no JSON the SDK puts the headers where the body belongs.
        headers = error.headers or (body if isinstance(body, Mapping) else {})
        details = found if isinstance(found, dict) else {}
        message = details.get("message")
        return cls(
            status=error.http_status,
            error=details,
            headers=headers,
            message=redact(message)[:_LONGEST_MESSAGE]
            if isinstance(message, str)
            else "",
        )

    @property
    def code(self) -> str | None:
        return _word(self.error, "code")

    @property
    def request_id(self) -> str | None:
        return _word(self.headers, "request-id")

    @property
    def replayed(self) -> bool:
        return _word(self.headers, "idempotent-replayed") == "true"

    @property
    def may_be_repeated(self) -> bool:
        """Whether Stripe says that the same request may be answered otherwise."""
        return _word(self.headers, "stripe-should-retry") == "true"

    @property
    def retry_after_seconds(self) -> float | None:
        seconds = _word(self.headers, "retry-after") or ""
        return float(seconds) if _SECONDS.fullmatch(seconds) else None

    @property
    def summary(self) -> str:
        """The status and Stripe's code: never the body, which may hold secrets."""
        word = self.code or _word(self.error, "type") or "without an error object"
        return f"HTTP {self.status}: {word}"

    @property
    def explained(self) -> str:
        return f"{self.summary}. {self.message}" if self.message else self.summary


def answer_from_error(error: Exception) -> Answer:
    """
    Return what `error`, raised by a call to Stripe, says about the request.

    Total: what nobody foresaw is `Unknown`, and shows no more than its type, because
    the text of an exception may hold anything.
    """
    if isinstance(error, ConnectionLost):
        return _lost(error)
    if isinstance(error, stripe.StripeError):
        said = _Said.by(error)
        for kind, answer in _ANSWERS:
            if isinstance(error, kind):
                return answer(said)
        return _unknown(said)
    return Unknown(reason=f"unforeseen: {type(error).__name__}")


def _lost(error: ConnectionLost) -> NotSent | Unknown:
    reason = str(error)
    return Unknown(reason=reason) if error.request_sent else NotSent(reason=reason)


def _declined(said: _Said) -> Answer:
    snapshot = _snapshot(said)
    if snapshot is not None and snapshot.status in _NOT_A_DECLINE:
        # Seen with card readers: the error says declined, the payment it carries does
        # not. The payment is right.
        return _conflict(said)
    try:
        decline = objects.decline(said.error)
    except Unreadable as unreadable:
        return Unknown(reason=f"unreadable: {unreadable}", request_id=said.request_id)
    return Declined(
        decline=decline,
        snapshot=snapshot,
        request_id=said.request_id,
        replayed=said.replayed,
    )


def _invalid(said: _Said) -> Answer:
    if said.code in _CONFLICTS:
        return _conflict(said)
    if said.code in _DECLINES or said.error.get("type") == "card_error":
        return _declined(said)
    if said.code == "lock_timeout":
        return _not_executed(said)
    if said.code == "idempotency_key_in_use":
        return _in_flight(said)
    if said.may_be_repeated:
        return _unknown(said)
    return _rejected(said, said.code)


def _conflict(said: _Said) -> Conflict:
    return Conflict(
        code=said.code,
        message=said.message,
        request_id=said.request_id,
        replayed=said.replayed,
    )


def _rejected(said: _Said, code: str | None) -> Rejected:
    return Rejected(
        code=code,
        message=said.message,
        request_id=said.request_id,
        replayed=said.replayed,
    )


def _key_reused(said: _Said) -> Rejected:
    """Say so by the error's type, because Stripe gives this error no code."""
    return _rejected(said, "idempotency_error")


def _not_executed(said: _Said) -> NotExecuted:
    limit = _word(said.headers, "stripe-rate-limited-reason")
    return NotExecuted(
        reason=f"{said.summary} ({limit})" if limit else said.summary,
        retry_after_seconds=said.retry_after_seconds,
        request_id=said.request_id,
    )


def _in_flight(said: _Said) -> InFlight:
    return InFlight(
        reason=said.summary,
        retry_after_seconds=said.retry_after_seconds,
        request_id=said.request_id,
    )


def _misconfigured(said: _Said) -> Misconfigured:
    return Misconfigured(reason=said.explained, request_id=said.request_id)


def _other(said: _Said) -> Answer:
    if said.code == "lock_timeout" and said.status == 409:
        return _not_executed(said)
    if said.status == 409:
        return _in_flight(said)
    if said.status is not None and 300 <= said.status < 400:
        return _misconfigured(said)
    return _unknown(said)


def _unknown(said: _Said) -> Unknown:
    return Unknown(
        reason=said.explained,
        retry_after_seconds=said.retry_after_seconds,
        request_id=said.request_id,
        replayed=said.replayed,
    )


_ANSWERS: Final[
    tuple[tuple[type[stripe.StripeError], Callable[[_Said], Answer]], ...]
] = (
    (stripe.CardError, _declined),
    (stripe.IdempotencyError, _key_reused),
    (stripe.InvalidRequestError, _invalid),
    (stripe.RateLimitError, _not_executed),
    (stripe.AuthenticationError, _misconfigured),
    (stripe.PermissionError, _misconfigured),
    (stripe.APIError, _other),
)


def _snapshot(said: _Said) -> PaymentSnapshot | None:
    """Return the payment that came with the error, if it can be read."""
    found = said.error.get("payment_intent")
    if not isinstance(found, dict):
        return None
    try:
        return objects.payment(found)
    except Unreadable:
        return None  # the refusal is what counts; the payment can be read again


def _word(found: Mapping[str, object], name: str) -> str | None:
    value = found.get(name)
    return value if isinstance(value, str) and value else None
