"""
One HTTP request to Stripe's API and its answer, with no socket in sight.

The provider decides what happens; this module is how it looks on the wire: routing,
credentials, headers and the encoding of bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from pydantic_core import to_json

from paykit.testing.simulated import (
    API_VERSION,
    ApiRequest,
    Damage,
    ProviderError,
    Reply,
    SimulatedProvider,
    Ticket,
)
from paykit.testing.simulated.objects import DEFAULT_ACCOUNT
from paykit.testing.simulated.render import render_error
from paykit.testing.stripe_server.checking import check_request
from paykit.testing.stripe_server.fault_header import read_fault
from paykit.testing.stripe_server.forms import Form, MalformedForm, decode_form
from paykit.testing.stripe_server.keys import read_key
from paykit.testing.stripe_server.locking import ObjectLocks
from paykit.testing.stripe_server.routes import Route, find_route

__all__ = ["HttpReply", "HttpRequest", "answer", "json_reply", "refused"]

_REFUSED: Final = "req_refused"
"""The id of every request that the provider never saw."""


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
    sim: SimulatedProvider,
    request: HttpRequest,
    wait: Callable[[float], None],
    locks: ObjectLocks | None = None,
) -> HttpReply:
    """
    Let `sim` execute `request`.

    `wait` passes the time that the provider takes, and `locks` are the objects that
    other requests are changing meanwhile.
    """
    refusal = refused(request)
    if refusal is not None:
        return refusal
    url = urlsplit(request.target)
    route = find_route(request.method, url.path)
    if route is None:
        return _unrecognized(request.method, url.path)
    try:
        params = _params(request, url.query)
        check_request(request.headers, route, params)
        fault = read_fault(request.headers)
    except MalformedForm as error:
        return _error(400, f"Invalid parameters: {error}")
    except ValueError as error:
        return _error(400, f"Invalid Paykit-Fault: {error}")
    except ProviderError as error:
        body = render_error(error, _REFUSED)
        return json_reply(error.status, body, {"Request-Id": _REFUSED})
    begun = sim.begin(_asked(request, route, params), fault)
    return _http_reply(request, _perform(sim, begun, wait, locks or ObjectLocks()))


def json_reply(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> HttpReply:
    """Return `body` as JSON, indented as Stripe's are."""
    return HttpReply(
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
        body=to_json(body, indent=2),
    )


def _asked(request: HttpRequest, route: Route, params: Form) -> ApiRequest:
    """Return `request` in the provider's words."""
    return ApiRequest(
        verb=route.verb,
        target=route.target,
        params=params,
        key=request.headers.get("idempotency-key") if _writes(request) else None,
        account=request.headers.get("stripe-account", DEFAULT_ACCOUNT),
    )


def _perform(
    sim: SimulatedProvider,
    begun: Ticket | Reply,
    wait: Callable[[float], None],
    locks: ObjectLocks,
) -> Reply:
    """Execute what was let in; a slow request keeps its key and its object."""
    if isinstance(begun, Reply):
        return begun
    with locks.hold(begun.locks) as mine:
        if not mine:
            return sim.turn_back(begun)
        wait(begun.delay_seconds)
        return sim.finish(begun)


def _writes(request: HttpRequest) -> bool:
    return request.method == "POST"


def _params(request: HttpRequest, query: str) -> Form:
    """Return the parameters, which stand in the body of a POST and else in the URL."""
    if not _writes(request):
        return decode_form(query)
    try:
        return decode_form(request.body.decode())
    except UnicodeDecodeError as error:
        raise MalformedForm("the body is not UTF-8") from error


def _http_reply(request: HttpRequest, reply: Reply) -> HttpReply:
    """Return the provider's reply with Stripe's headers."""
    version = request.headers.get("stripe-version", API_VERSION)
    headers = {"Request-Id": reply.request_id, "Stripe-Version": version}
    key = request.headers.get("idempotency-key")
    if key is not None and _writes(request):
        headers["Idempotency-Key"] = key
        headers["Original-Request"] = reply.original_request or reply.request_id
    if reply.replayed:
        headers["Idempotent-Replayed"] = "true"
    if reply.should_retry is not None:
        headers["Stripe-Should-Retry"] = "true" if reply.should_retry else "false"
    plain = json_reply(reply.status, reply.body, headers)
    return HttpReply(
        status=plain.status,
        headers=plain.headers,
        body=plain.body,
        damage=reply.damage,
    )


def refused(request: HttpRequest) -> HttpReply | None:
    """Return the answer to a request without valid credentials, None if it has some."""
    if not request.headers.get("authorization"):
        return _error(401, "You did not provide an API key.")
    if read_key(request.headers) is None:
        return _error(401, "Invalid API Key provided.")
    return None


def _unrecognized(method: str, path: str) -> HttpReply:
    return _error(404, f"Unrecognized request URL ({method}: {path}).")


def _error(status: int, message: str) -> HttpReply:
    """Return an error that the provider never saw."""
    error = {"message": message, "type": "invalid_request_error"}
    return json_reply(status, {"error": error}, {"Request-Id": _REFUSED})
