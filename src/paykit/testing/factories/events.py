"""Stripe's events: snapshots, which show their object, and thin ones, which name it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final, TypedDict

from typing_extensions import Unpack

from paykit.testing.factories.fields import CREATED, Json

__all__ = ["API_VERSION", "EventFields", "event", "thin_event"]

API_VERSION: Final = "2026-10-28.endive"
"""The version of Stripe's API that the bodies follow."""


class EventFields(TypedDict, total=False):
    """What can be told to `event`."""

    id: str
    account: str
    """The connected account that it happened in; Stripe leaves it out for one's own."""
    api_version: str | None
    created: int
    livemode: bool
    pending_webhooks: int
    previous_attributes: Json
    """What ``*.updated`` events say about the values before."""
    request: Json | None


def event(
    type: str, subject: Mapping[str, object], **fields: Unpack[EventFields]
) -> Json:
    """
    Return the event `type` about `subject`, which it shows in full.

    Unless an id is given it follows from `type` and `subject`: the same event twice is
    a duplicate, as when Stripe delivers it again, and another one is another one.
    """
    data: Json = {"object": dict(subject)}
    previous = fields.pop("previous_attributes", None)
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": _event_id(type, subject),
        "object": "event",
        "api_version": API_VERSION,
        "context": None,
        "created": CREATED,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type,
        **fields,
    }


def thin_event(
    type: str, related_id: str, *, related_type: str, id: str | None = None
) -> Json:
    """
    Return a thin event, which names its object and does not show it.

    `type` begins with the version of the API that the object is of, ``v1.`` or ``v2.``;
    `related_type` is the name of that object, such as ``payment_intent``.
    """
    version = type.partition(".")[0]
    url = f"/{version}/{related_type.replace('.', '/')}s/{related_id}"
    return {
        "id": id or _event_id(type, {"id": related_id}),
        "object": "v2.core.event",
        "context": None,
        "created": "2026-01-01T00:00:00.000Z",
        "livemode": False,
        "related_object": {"id": related_id, "type": related_type, "url": url},
        "type": type,
    }


def _event_id(type: str, subject: Mapping[str, object]) -> str:
    text = f"{type} {json.dumps(subject, sort_keys=True)}"
    return f"evt_{hashlib.sha256(text.encode()).hexdigest()[:24]}"
