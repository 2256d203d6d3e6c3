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

from paykit.psp.events import (
    Named,
    PspEvent,
    SignatureInvalid,
    Subject,
    WebhookEnvelope,
)
from paykit.psp.snapshots import PaymentSnapshot
from paykit.stripe import account_objects, billing_objects, fields, objects
from paykit.stripe.fields import JsonObject, Unreadable

__all__ = [
    "TOLERANCE_SECONDS",
    "is_of_use",
    "read_envelope",
    "read_event",
    "verify",
]

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


def read_envelope(body: bytes, ours: str | None = None) -> WebhookEnvelope:
    """
    Return what the inbox needs; raises `SignatureInvalid` if it is not there.

    `ours` is the connected account that the adapter acts for: its events are its own.
    """
    try:
        event = fields.parse(body)
        return WebhookEnvelope(
            event_id=_word(event, "id"),
            event_type=_word(event, "type"),
            account=_account(event, ours),
            livemode=_livemode(event),
        )
    except Unreadable as error:
        raise SignatureInvalid(str(error)) from None


def read_event(body: bytes, api_version: str, ours: str | None = None) -> PspEvent:
    """
    Parse a verified webhook; `api_version` is the one that our tables were written for.

    An object in another version is only named: no amount of it is looked at, and it may
    be broken but for its id. `ours` is explained at `read_envelope`.

    Raises `Unreadable`, a `ValueError`, if it is no event or its object is broken.
    """
    event = fields.parse(body)
    kind = _word(event, "type")
    current = fields.optional_text(event, "api_version") == api_version
    return PspEvent(
        id=_word(event, "id"),
        type=kind,
        subject=_subject(kind, event, current=current),
        current=current,
        created=fields.moment(event, "created"),
        account=_account(event, ours),
        livemode=_livemode(event),
        idempotency_key=_idempotency_key(event),
    )


def is_of_use(event: JsonObject) -> bool:
    """
    Whether paykit has use for an event of a list; a broken object is for the inbox.

    Raises `Unreadable` if its id or its type is none, for then nobody can keep it.
    """
    _word(event, "id")
    try:
        return _shown(_word(event, "type"), event) is not None
    except Unreadable:
        return bool(_word(event, "type"))


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


def _subject(kind: str, event: JsonObject, *, current: bool) -> Subject:
    """Return the object that the event is about, if paykit has use for it."""
    if event.get("object") == "v2.core.event":
        return _related(event)
    thing = _shown(kind, event)
    if thing is None:
        return None
    if not current and str(thing["object"]) in _READABLE:
        return _named(thing)
    subject = _SUBJECTS[str(thing["object"])][1](thing)
    if isinstance(subject, PaymentSnapshot):
        # Nobody confirms a payment from a webhook, so the secret need not travel.
        return replace(subject, client_secret=None)
    return subject


def _shown(kind: str, event: JsonObject) -> JsonObject | None:
    """Return the object in the event, if it is of a kind that can be read."""
    if event.get("object") != "event":
        return None
    data = fields.child(event, "data") or {}
    thing = fields.child(data, "object") or {}
    found = _SUBJECTS.get(str(thing.get("object")))
    return thing if found is not None and kind.startswith(found[0]) else None


_SUBJECTS: Final[
    Mapping[str, tuple[tuple[str, ...], Callable[[JsonObject], Subject]]]
] = {
    "payment_intent": (("payment_intent.",), objects.payment),
    "charge": (("charge.",), objects.charge),
    # charge.refund.updated is the older name of refund.updated.
    "refund": (("refund.", "charge.refund."), objects.refund),
    "dispute": (("charge.dispute.",), objects.dispute),
    "review": (("review.",), objects.review),
    "radar.early_fraud_warning": (
        ("radar.early_fraud_warning.",),
        objects.fraud_warning,
    ),
    "payout": (("payout.",), account_objects.payout),
    "subscription": (("customer.subscription.",), billing_objects.subscription),
    # The others tell how a payment comes about: the subscription's status shows that.
    "invoice": (("invoice.paid",), billing_objects.invoice),
    "setup_intent": (("setup_intent.",), objects.unbooked),
}
"""By kind of object: the events that show one, and how to read it."""

_READABLE: Final = {
    "payment_intent": "payment",
    "charge": "charge",
    "refund": "refund",
    "dispute": "dispute",
    "payout": "payout",
    "subscription": "subscription",
    "invoice": "invoice",
}
"""The kinds that can be read again, by our word for them."""


def _related(event: JsonObject) -> Subject:
    """Return what a thin event names; one of a kind that is not ours is of no use."""
    thing = fields.child(event, "related_object") or {}
    name = str(thing.get("type"))
    kind = _READABLE.get(name)
    if kind is None or not _word(event, "type").startswith(_thin(_SUBJECTS[name][0])):
        return None
    return Named(kind=kind, reference=fields.text(thing, "id"))


def _thin(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Return how the types of events begin that only name their object."""
    return tuple(f"v1.{prefix}" for prefix in prefixes)


def _named(thing: JsonObject) -> Named:
    """
    Return which object it is and whose, as far as that can be read.

    Its id must be there; a field of another version may be missing or mean another
    thing, and then the object itself is asked.
    """
    kind = _READABLE[str(thing["object"])]
    reference = fields.text(thing, "id")
    try:
        payment = fields.reference(thing, "payment_intent")
        metadata = fields.strings(thing, "metadata")
    except Unreadable:
        payment, metadata = None, {}
    if kind == "payment":
        payment = reference
    return Named(kind=kind, reference=reference, payment=payment, metadata=metadata)


def _account(event: JsonObject, ours: str | None) -> str | None:
    """Return the connected account; a thin event has it at the end of its context."""
    if event.get("account") is not None:
        account = _word(event, "account")
    else:
        context = fields.optional_text(event, "context") or ""
        account = context.rpartition("/")[2]
        if not account.startswith("acct_") or not _WORD.fullmatch(account):
            return None
    return None if account == ours else account


def _livemode(event: JsonObject) -> bool | None:
    return None if event.get("livemode") is None else fields.flag(event, "livemode")


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
