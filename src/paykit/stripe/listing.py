"""
Stripe's lists of what it has told, and where: events, and webhook endpoints.

An event of the list is the same object as in a webhook, and goes the same way: into the
inbox, as bytes. Its payload never changes: it is of the version that the account had
when the event was made, so `paykit.stripe.webhook.read_event` decides what to believe.

Events: https://docs.stripe.com/api/events/list (30 days, newest first).
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from paykit.psp.requests import ListEvents
from paykit.psp.snapshots import (
    EndpointList,
    EndpointSnapshot,
    EventPage,
    ListedEvent,
)
from paykit.stripe import fields, webhook
from paykit.stripe.fields import JsonObject, Unreadable

if TYPE_CHECKING:
    from stripe.params import EventListParams, WebhookEndpointListParams

__all__ = [
    "NEEDED",
    "endpoints",
    "endpoints_asked",
    "event_page",
    "events_asked",
]

NEEDED: Final = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.failed",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payout.canceled",
    "payout.created",
    "payout.failed",
    "payout.paid",
    "payout.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
"""The types that tell what no answer of a call tells; an endpoint should hear all."""


def events_asked(request: ListEvents, limit: int) -> EventListParams:
    """
    Return the parameters of one page, of all events.

    Not ``delivery_success=false``: it leaves out what was made while there was no
    endpoint at all. Not ``types``: it takes twenty, fewer than paykit has use for.
    """
    params: EventListParams = {
        "created": {"gte": calendar.timegm(request.since.utctimetuple())},
        "limit": limit,
    }
    if request.position is not None:
        params["starting_after"] = request.position
    return params


def endpoints_asked(limit: int) -> WebhookEndpointListParams:
    """Return the parameters for all endpoints: Stripe allows sixteen."""
    return {"limit": limit}


def event_page(page: Sequence[JsonObject], *, more: bool) -> EventPage:
    """
    Return the page, or raise `Unreadable` if one of its events is broken.

    A page of which a part cannot be read is not taken for a whole one: the cursor would
    go past what was not kept.
    """
    if more and not page:
        raise Unreadable("an empty page says that there is more")
    events = [(_listed(event), webhook.is_of_use(event)) for event in page]
    return EventPage(
        events=tuple(event for event, of_use in events if of_use),
        newest=events[0][0].created if events else None,
        next=fields.text(page[-1], "id") if more else None,
    )


def _listed(event: JsonObject) -> ListedEvent:
    created = fields.moment(event, "created")
    if event.get("object") != "event" or created is None:
        raise Unreadable("the list holds what is no event")
    body = json.dumps(event, separators=(",", ":")).encode()
    return ListedEvent(body=body, created=created)


def endpoints(page: Sequence[JsonObject], api_version: str) -> EndpointList:
    """Return all endpoints, as our parser of `api_version` sees them."""
    return EndpointList(
        endpoints=tuple(_endpoint(thing, api_version) for thing in page)
    )


def _endpoint(thing: JsonObject, api_version: str) -> EndpointSnapshot:
    enabled = thing.get("enabled_events")
    heard = set(enabled) if isinstance(enabled, list) else set()
    version = fields.optional_text(thing, "api_version")
    return EndpointSnapshot(
        reference=fields.text(thing, "id"),
        url=fields.text(thing, "url"),
        enabled=fields.text(thing, "status") == "enabled",
        unheard=() if "*" in heard else tuple(t for t in NEEDED if t not in heard),
        api_version=version,
        current=version in (None, api_version),
    )
