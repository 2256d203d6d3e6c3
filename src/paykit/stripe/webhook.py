"""
Webhooks of Stripe: is it authentic, and what does it say?

The SDK's check is not used. It raises `TypeError` for a signature with an umlaut and
`UnicodeDecodeError` for a body of other bytes, so anybody could crash the receiver
without knowing the secret; it accepts any time in the future; and it knows one secret
(all measured with stripe 16.1).

Scheme: https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import calendar
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from paykit.psp.events import PspEvent, SignatureInvalid, Subject, WebhookEnvelope
from paykit.psp.snapshots import PaymentSnapshot
from paykit.stripe import fields, objects
from paykit.stripe.fields import JsonObject, Unreadable

__all__ = ["TOLERANCE_SECONDS", "read_envelope", "read_event", "verify"]

TOLERANCE_SECONDS: Final = 300
"""How far a webhook's time may be from ours, into the past and into the future."""

_HEADER: Final = "stripe-signature"

_LONGEST_HEADER: Final = 4096
"""Stripe sends one signature per active secret, some 70 characters each."""

_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)

_WORD: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
"""Ids and types of events: what every database can hold and every log can show."""


def verify(
    body: bytes, headers: Mapping[str, str], now: datetime, secrets: Iterable[str]
) -> None:
    """
    Check that one of `secrets` signed `body` less than five minutes from `now`.

    Raises `SignatureInvalid` and nothing else, whatever comes; never names a secret.
    """
    usable = [secret for secret in secrets if secret.strip()]
    if not usable:
        # Anybody can sign with an empty secret.
        raise SignatureInvalid("no webhook secret is configured")
    if not isinstance(body, bytes):
        raise SignatureInvalid("the body is not bytes")
    time, signatures = _signature(headers.get(_HEADER))
    distance = _seconds(now) - int(time)
    if abs(distance) > TOLERANCE_SECONDS:
        raise SignatureInvalid(f"signed {distance} seconds ago")
    # The time as it was sent: signed are bytes, not what they mean.
    signed = b"%s.%s" % (time.encode(), body)
    expected = [
        hmac.new(secret.encode("utf-8", "replace"), signed, "sha256").hexdigest()
        for secret in usable
    ]
    if not _any_equal(expected, signatures):
        raise SignatureInvalid("no signature matches")


def read_envelope(body: bytes) -> WebhookEnvelope:
    """Return what the inbox needs; raises `SignatureInvalid` if it is not there."""
    try:
        event = fields.parse(body)
        return WebhookEnvelope(
            event_id=_word(event, "id"),
            event_type=_word(event, "type"),
            account=_account(event),
        )
    except Unreadable as error:
        raise SignatureInvalid(str(error)) from None


def read_event(body: bytes, api_version: str) -> PspEvent:
    """
    Parse a verified webhook; `api_version` is the one that our tables were written for.

    Raises `Unreadable`, a `ValueError`, if it is no event or its object is broken.
    """
    event = fields.parse(body)
    kind = _word(event, "type")
    return PspEvent(
        id=_word(event, "id"),
        type=kind,
        subject=_subject(kind, event),
        current=fields.optional_text(event, "api_version") == api_version,
        created=fields.moment(event, "created"),
        account=_account(event),
        livemode=fields.flag(event, "livemode"),
        idempotency_key=_idempotency_key(event),
    )


def _signature(header: object) -> tuple[str, list[str]]:
    """Return the time and the signatures of the one scheme that is not a test's."""
    if not isinstance(header, str) or len(header) > _LONGEST_HEADER:
        raise SignatureInvalid("no signature header")
    items = [item.strip().partition("=") for item in header.split(",")]
    times = [value for name, _, value in items if name == "t"]
    signatures = [value for name, _, value in items if name == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not signatures:
        raise SignatureInvalid("the signature header is malformed")
    return times[0], signatures


def _seconds(now: datetime) -> int:
    try:
        return calendar.timegm(now.utctimetuple())
    except OverflowError:  # a clock of year 1 or 9999, taken to UTC
        raise SignatureInvalid("our clock is wrong") from None


def _any_equal(expected: list[str], signatures: list[str]) -> bool:
    """Compare all of them, in constant time, on bytes: text may not be ASCII."""
    equal = [
        hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "replace"))
        for ours in expected
        for theirs in signatures
    ]
    return any(equal)


def _subject(kind: str, event: JsonObject) -> Subject:
    """Return the object that the event is about, if paykit has use for it."""
    if event.get("object") != "event":
        return None  # a v2 event names its object, and does not show it
    data = fields.child(event, "data") or {}
    thing = fields.child(data, "object") or {}
    found = _SUBJECTS.get(str(thing.get("object")))
    if found is None or not kind.startswith(found[0]):
        return None
    subject = found[1](thing)
    if isinstance(subject, PaymentSnapshot):
        # Nobody confirms a payment from a webhook, so the secret need not travel.
        return replace(subject, client_secret=None)
    return subject


_SUBJECTS: Final[
    Mapping[str, tuple[tuple[str, ...], Callable[[JsonObject], Subject]]]
] = {
    "payment_intent": (("payment_intent.",), objects.payment),
    "charge": (("charge.",), objects.charge),
    # charge.refund.updated is the older name of refund.updated.
    "refund": (("refund.", "charge.refund."), objects.refund),
}
"""By kind of object: the events that show one, and how to read it."""


def _account(event: JsonObject) -> str | None:
    return None if event.get("account") is None else _word(event, "account")


def _idempotency_key(event: JsonObject) -> str | None:
    """Return the key of the request that caused the event; very old ones have none."""
    request = event.get("request")
    if not isinstance(request, dict):
        return None
    return fields.optional_text(request, "idempotency_key")


def _word(event: JsonObject, name: str) -> str:
    value = fields.text(event, name)
    if not _WORD.fullmatch(value):
        raise Unreadable(f"event.{name} is no word")
    return value
