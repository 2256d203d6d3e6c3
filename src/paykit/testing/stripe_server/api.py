"""
One HTTP request to Stripe's API and its answer, with no socket in sight.

The provider decides what happens; this module is how it looks on the wire: routing,
credentials, headers and the encoding of bodies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from paykit.testing.simulated import (
    API_VERSION,
    ApiRequest,
    Damage,
    Reply,
    SimulatedProvider,
    Ticket,
)
from paykit.testing.simulated.objects import DEFAULT_ACCOUNT
from paykit.testing.stripe_server.forms import Form, MalformedForm, decode_form
from paykit.testing.stripe_server.routes import find_verb

__all__ = ["HttpReply", "HttpRequest", "answer", "json_reply"]

_KEY_PREFIXES: Final = ("Bearer sk_test_", "Bearer rk_test_")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as it came in; the names of `headers` are lower case."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str] = field(repr=False)
    """Kept out of ``repr``: they hold the API key."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A reply as it shall go out, and what becomes of it on its way."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    damage: Damage | None = None


def answer(
    sim: SimulatedProvider, request: HttpRequest, wait: Callable[[float], None]
) -> HttpReply:
    """Let `sim` execute `request`; `wait` passes the time that the provider takes."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    url = urlsplit(request.target)
    route = find_verb(request.method, url.path)
    if route is None:
        return _unrecognized(request.method, url.path)
    try:
        params = _params(request, url.query)
    except (MalformedForm, UnicodeDecodeError) as error:
        return _error(400, f"Invalid parameters: {error}")
    reply = _perform(sim, request, route, params, wait)
    return _http_reply(request, reply)


def json_reply(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> HttpReply:
    """Return `body` as JSON, indented as Stripe's are."""
    return HttpReply(
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
        body=json.dumps(body, indent=2).encode(),
    )


def _perform(
    sim: SimulatedProvider,
    request: HttpRequest,
    route: tuple[str, str],
    params: Form,
    wait: Callable[[float], None],
) -> Reply:
    """Ask the provider; a slow one keeps the key in use until it is done."""
    verb, target = route
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    asked = ApiRequest(
        verb=verb,
        target=target,
        params=params,
        key=key,
        account=request.headers.get("stripe-account", DEFAULT_ACCOUNT),
    )
    begun = sim.begin(asked)
    if isinstance(begun, Ticket):
        wait(begun.delay_seconds)
        return sim.finish(begun)
    return begun


def _params(request: HttpRequest, query: str) -> Form:
    """Return the parameters, which stand in the body of a POST and else in the URL."""
    text = request.body.decode() if request.method == "POST" else query
    return decode_form(text)


def _http_reply(request: HttpRequest, reply: Reply) -> HttpReply:
    """Return the provider's reply with Stripe's headers."""
    version = request.headers.get("stripe-version", API_VERSION)
    headers = {"Request-Id": reply.request_id, "Stripe-Version": version}
    key = request.headers.get("idempotency-key")
    if key is not None and request.method == "POST":
        headers["Idempotency-Key"] = key
        headers["Original-Request"] = reply.original_request or reply.request_id
    if reply.replayed:
        headers["Idempotent-Replayed"] = "true"
    plain = json_reply(reply.status, reply.body, headers)
    return HttpReply(
        status=plain.status,
        headers=plain.headers,
        body=plain.body,
        damage=reply.damage,
    )


def _refusal(request: HttpRequest) -> HttpReply | None:
    """Return the answer to a request without valid credentials, None if it has some."""
    authorization = request.headers.get("authorization", "")
    if not authorization:
        return _error(401, "You did not provide an API key.")
    if not authorization.startswith(_KEY_PREFIXES):
        return _error(401, "Invalid API Key provided.")
    return None


def _unrecognized(method: str, path: str) -> HttpReply:
    return _error(404, f"Unrecognized request URL ({method}: {path}).")


def _error(status: int, message: str) -> HttpReply:
    """Return an error that the provider never saw."""
    error = {"message": message, "type": "invalid_request_error"}
    return json_reply(status, {"error": error}, {"Request-Id": "req_refused"})
