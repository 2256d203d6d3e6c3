"""The provider's webhooks in paykit's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from paykit.psp import Named, PspEvent, SignatureInvalid, Subject, WebhookEnvelope
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.read import read_object, read_text, read_time
from paykit.testing.simulated.read_billing import read_invoice, read_subscription
from paykit.testing.simulated.render import API_VERSION

__all__ = ["read_envelope", "read_event"]


def read_envelope(body: bytes) -> WebhookEnvelope:
    """Return what the inbox needs; raises `SignatureInvalid` if unreadable."""
    try:
        event = _event(body)
        return WebhookEnvelope(
            event_id=read_text(event, "id"),
            event_type=read_text(event, "type"),
            account=_account(event),
            livemode=_mode(event),
        )
    except ValueError as error:
        raise SignatureInvalid("the webhook is not readable") from error


def read_event(body: bytes) -> PspEvent:
    """Parse a stored webhook; raises `ValueError` for a broken payload."""
    event = _event(body)
    request = event.get("request")
    key = request.get("idempotency_key") if isinstance(request, dict) else None
    return PspEvent(
        id=read_text(event, "id"),
        type=read_text(event, "type"),
        subject=_subject(event),
        current=event.get("api_version") == API_VERSION,
        created=read_time(event.get("created")),
        account=_account(event),
        livemode=event.get("livemode") is True,
        idempotency_key=key if isinstance(key, str) else None,
    )


_READABLE: Final = {
    "payment_intent": "payment",
    "charge": "charge",
    "refund": "refund",
    "dispute": "dispute",
    "payout": "payout",
    "subscription": "subscription",
    "invoice": "invoice",
}
"""The kinds of objects that can be read again, in paykit's words."""

_BILLING: Final[Mapping[str, Callable[[Json], Subject]]] = {
    "subscription": read_subscription,
    "invoice": read_invoice,
}


def _subject(event: Json) -> Subject:
    """Return the object of the event; another version of it is only named."""
    if event.get("object") == "v2.core.event":
        return _named(event.get("related_object"), "type")
    data = event.get("data")
    thing = data.get("object") if isinstance(data, dict) else None
    if not isinstance(thing, dict):
        raise ValueError("an event without an object")
    if event.get("api_version") != API_VERSION and thing.get("object") in _READABLE:
        return _named(thing, "object")
    # Events are stored: they must not carry what a payer's browser may use.
    read = _BILLING.get(str(thing.get("object")), read_object)
    return read({**thing, "client_secret": None})


def _named(thing: object, kind: str) -> Named | None:
    """Return which object `thing` is; its kind stands under the name `kind`."""
    if not isinstance(thing, dict) or thing.get(kind) not in _READABLE:
        return None
    known, reference = _READABLE[thing[kind]], read_text(thing, "id")
    intent, metadata = thing.get("payment_intent"), thing.get("metadata")
    items = metadata.items() if isinstance(metadata, dict) else ()
    return Named(
        kind=known,
        reference=reference,
        payment=intent if isinstance(intent, str) else None,
        metadata={key: str(value) for key, value in items},
    )


def _mode(event: Json) -> bool | None:
    livemode = event.get("livemode")
    return livemode if isinstance(livemode, bool) else None


def _event(body: bytes) -> Json:
    """Return the body as a JSON object; raises `ValueError` if it is none."""
    try:
        event = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(event, dict):
        raise ValueError("not a JSON object")
    return event


def _account(event: Json) -> str | None:
    """Return the connected account; a thin event has it as its context."""
    account = event.get("account") or event.get("context")
    return account if isinstance(account, str) else None
