"""The endpoints of webhook endpoints, and their signing secrets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from paykit.testing.simulated.account_objects import SimEndpoint, SimSecret
from paykit.testing.simulated.errors import invalid, not_found
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = [
    "active_secrets",
    "add_thin",
    "create",
    "delete",
    "endpoint_of",
    "roll_secret",
    "update",
]

_MOST: Final = 16
"""How many endpoints an account may have."""


def create(state: State, _target: str, params: Params) -> Json:
    """``POST /v1/webhook_endpoints``: the only answer that shows the secret."""
    endpoint = _new(state, _checked_url(params), _checked_events(params))
    endpoint.api_version = params.text("api_version")
    endpoint.connect = params.flag("connect")
    endpoint.description = params.text("description")
    endpoint.metadata = params.metadata({})
    return {**state.show(endpoint), "secret": endpoint.secrets[0].value}


def add_thin(state: State, url: str, enabled_events: list[str]) -> SimEndpoint:
    """
    Add an endpoint that hears thin notifications, such as ``v1.charge.captured``.

    At Stripe these are event destinations of version 2 of the API, which has no
    endpoint here.
    """
    endpoint = _new(state, url, enabled_events)
    endpoint.payload = "thin"
    return endpoint


def update(state: State, target: str, params: Params) -> SimEndpoint:
    """``POST /v1/webhook_endpoints/:id``."""
    endpoint = endpoint_of(state, target)
    if "url" in params.values:
        endpoint.url = _checked_url(params)
    if "enabled_events" in params.values:
        endpoint.enabled_events = _checked_events(params)
    if "disabled" in params.values:
        endpoint.enabled = not params.flag("disabled")
    if "description" in params.values:
        endpoint.description = params.text("description")
    endpoint.metadata = params.metadata(endpoint.metadata)
    return endpoint


def delete(state: State, target: str, _params: Params) -> Json:
    """``DELETE /v1/webhook_endpoints/:id``: what it has not heard, it never will."""
    endpoint = endpoint_of(state, target)
    del state.endpoints[endpoint.id]
    for event in state.shared.events.values():
        if event.waiting is not None and endpoint.id in event.waiting:
            event.waiting = [one for one in event.waiting if one != endpoint.id]
    return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}


def roll_secret(state: State, endpoint: SimEndpoint, keep_seconds: float) -> str:
    """Return a new signing secret; the ones before it sign for `keep_seconds` more."""
    until = state.shared.world.now() + timedelta(seconds=keep_seconds)
    new = _secret(state)
    old = [
        SimSecret(value=secret.value, until=min(until, secret.until or until))
        for secret in endpoint.secrets
    ]
    endpoint.secrets = [new, *old]
    return new.value


def active_secrets(endpoint: SimEndpoint, now: datetime) -> tuple[str, ...]:
    """Return the secrets that sign at `now`, newest first."""
    return tuple(
        secret.value
        for secret in endpoint.secrets
        if secret.until is None or now < secret.until
    )


def endpoint_of(state: State, reference: str) -> SimEndpoint:
    """Return the endpoint, or raise 404."""
    endpoint = state.endpoints.get(reference)
    if endpoint is None:
        raise not_found("webhook_endpoint", reference, param="webhook_endpoint")
    return endpoint


def _new(state: State, url: str, enabled_events: list[str]) -> SimEndpoint:
    if len(state.endpoints) >= _MOST:
        message = f"You have reached the maximum of {_MOST} test webhook endpoints."
        raise invalid(message, code=None, param=None)
    endpoint = SimEndpoint(
        id=state.new_id("we"),
        created=state.now(),
        url=url,
        enabled_events=enabled_events,
        secrets=[_secret(state)],
    )
    state.endpoints[endpoint.id] = endpoint
    return endpoint


def _secret(state: State) -> SimSecret:
    return SimSecret(value=state.new_id("whsec"))


def _checked_url(params: Params) -> str:
    url = params.text("url") or ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            code="url_invalid",
            param="url",
        )
    return url


def _checked_events(params: Params) -> list[str]:
    events = list(params.texts("enabled_events"))
    if not events:
        raise invalid(
            "Invalid array: enabled_events must name at least one event.",
            code="parameter_invalid_empty",
            param="enabled_events",
        )
    return events
