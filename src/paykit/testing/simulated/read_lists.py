"""The provider's lists of events and of webhook endpoints, in paykit's words."""

from __future__ import annotations

import json
from typing import Final

from paykit.psp import EndpointList, EndpointSnapshot, EventPage, ListedEvent
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.read import read_rows, read_text, read_time
from paykit.testing.simulated.render import API_VERSION

__all__ = ["read_endpoints", "read_events"]

_NEEDED: Final = (
    "charge.dispute.created",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payout.created",
    "payout.failed",
    "refund.created",
    "refund.failed",
)


def read_events(body: Json) -> EventPage:
    """Return one page of events; raises `ValueError` if a part of it is missing."""
    rows, more = read_rows(body), body.get("has_more")
    if not isinstance(more, bool) or (more and not rows):
        raise ValueError("not a page of a list")
    events = tuple(map(_listed, rows))
    return EventPage(
        events=events,
        newest=events[0].created if events else None,
        next=read_text(rows[-1], "id") if more else None,
    )


def _listed(row: Json) -> ListedEvent:
    created = read_time(row.get("created"))
    if created is None:
        raise ValueError("an event without a time")
    return ListedEvent(body=json.dumps(row).encode(), created=created)


def read_endpoints(body: Json) -> EndpointList:
    """Return the webhook endpoints of the account."""
    return EndpointList(endpoints=tuple(map(_endpoint, read_rows(body))))


def _endpoint(row: Json) -> EndpointSnapshot:
    enabled = row.get("enabled_events")
    heard = set(enabled) if isinstance(enabled, list) else set()
    version = row.get("api_version")
    return EndpointSnapshot(
        reference=read_text(row, "id"),
        url=read_text(row, "url"),
        enabled=row.get("status") == "enabled",
        unheard=() if "*" in heard else tuple(t for t in _NEEDED if t not in heard),
        api_version=version if isinstance(version, str) else None,
        current=version in (None, API_VERSION),
    )
