"""The provider's webhooks in paykit's words."""

from __future__ import annotations

import json

from paykit.psp import PspEvent, SignatureInvalid, WebhookEnvelope
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.read import read_object, read_text, read_time
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
        )
    except ValueError as error:
        raise SignatureInvalid("the webhook is not readable") from error


def read_event(body: bytes) -> PspEvent:
    """Parse a stored webhook; raises `ValueError` for a broken payload."""
    event = _event(body)
    data, request = event.get("data"), event.get("request")
    if not isinstance(data, dict) or not isinstance(data.get("object"), dict):
        raise ValueError("an event without an object")
    key = request.get("idempotency_key") if isinstance(request, dict) else None
    return PspEvent(
        id=read_text(event, "id"),
        type=read_text(event, "type"),
        # Events are stored: they must not carry what a payer's browser may use.
        subject=read_object({**data["object"], "client_secret": None}),
        current=event.get("api_version") == API_VERSION,
        created=read_time(event.get("created")),
        account=_account(event),
        livemode=event.get("livemode") is True,
        idempotency_key=key if isinstance(key, str) else None,
    )


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
    account = event.get("account")
    return account if isinstance(account, str) else None
