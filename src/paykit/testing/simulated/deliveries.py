"""
What is to be sent to whom: whole events, and thin notifications of what has changed.

A thin notification holds no object, only where to read it. Source:
https://docs.stripe.com/event-destinations#thin-payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from paykit.testing.simulated.account_objects import SimEndpoint
from paykit.testing.simulated.errors import not_found
from paykit.testing.simulated.objects import DEFAULT_ACCOUNT, Json, SimEvent
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.render import render
from paykit.testing.simulated.state import Shared, State
from paykit.testing.simulated.subscriptions import type_for
from paykit.testing.simulated.timestamps import rfc3339
from paykit.testing.simulated.webhook_endpoints import active_secrets

__all__ = ["Delivery", "accept", "due_deliveries", "read_thin", "thin"]

_THIN: Final = "_thin"
"""The end of a thin event's id, which is not that of the event it goes with."""

_PATHS: Final[Mapping[str, str]] = {
    "charge": "/v1/charges",
    "dispute": "/v1/disputes",
    "payment_intent": "/v1/payment_intents",
    "payout": "/v1/payouts",
    "radar.early_fraud_warning": "/v1/radar/early_fraud_warnings",
    "refund": "/v1/refunds",
    "review": "/v1/reviews",
    "setup_intent": "/v1/setup_intents",
    "test_helpers.test_clock": "/v1/test_helpers/test_clocks",
}
"""Where each kind of object is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint."""

    event: SimEvent
    endpoint: SimEndpoint
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """What to sign it with: every one of them, newest first."""


def due_deliveries(
    shared: Shared, ready: Callable[[str, str], bool] = lambda _event, _endpoint: True
) -> Iterator[Delivery]:
    """
    Return what enabled endpoints have not accepted yet, oldest event first.

    Only the events and endpoints, by their ids, that are `ready`.
    """
    endpoints = {
        reference: endpoint
        for table in shared.endpoints.values()
        for reference, endpoint in table.items()
        if endpoint.enabled
    }
    now = shared.world.now()
    for event in shared.events.values():
        for reference in event.waiting or ():
            if reference in endpoints and ready(event.id, reference):
                endpoint = endpoints[reference]
                yield Delivery(
                    event=event,
                    endpoint=endpoint,
                    body=json.dumps(_payload(event, endpoint)).encode(),
                    secrets=active_secrets(endpoint, now),
                )


def accept(event: SimEvent, endpoint: str) -> None:
    """Note that `endpoint` has accepted `event`; a second time changes nothing."""
    if event.waiting is not None and endpoint in event.waiting:
        event.waiting = [one for one in event.waiting if one != endpoint]
        event.delivered = not event.waiting


def thin(event: SimEvent) -> Json:
    """Return `event` as a thin notification."""
    reason: Json | None = None
    if event.request_id is not None:
        request = {"id": event.request_id, "idempotency_key": event.idempotency_key}
        reason = {"type": "request", "request": request}
    return {
        "id": f"{event.id}{_THIN}",
        "object": "v2.core.event",
        "context": None if event.account == DEFAULT_ACCOUNT else event.account,
        "created": rfc3339(event.created),
        "livemode": False,
        "reason": reason,
        "related_object": _related(event.object),
        "type": f"v1.{event.type}",
    }


def read_thin(state: State, target: str, _params: Params) -> Json:
    """``GET /v2/core/events/:id``: the thin event of an event that is still shown."""
    event = state.events().get(target.removesuffix(_THIN))
    if event is None or not target.endswith(_THIN):
        raise not_found("event", target, param="id")
    return {**thin(event), "changes": None, "snapshot_event": event.id}


def _payload(event: SimEvent, endpoint: SimEndpoint) -> Json:
    """Return what `endpoint` is told: in its own version of the API, if it has one."""
    if endpoint.payload == "thin":
        return {**thin(event), "type": type_for(endpoint, event.type)}
    body = render(event)
    if endpoint.api_version is not None:
        body["api_version"] = endpoint.api_version
    return body


def _related(body: Json) -> Json | None:
    kind, reference = str(body["object"]), body.get("id")
    if kind not in _PATHS:
        return None
    return {"id": reference, "type": kind, "url": f"{_PATHS[kind]}/{reference}"}
