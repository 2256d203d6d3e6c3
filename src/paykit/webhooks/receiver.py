"""
Receive webhooks: bytes and headers in, a status out; knows no framework.

Store first, think later (DESIGN law 9). A body is verified once, stored as it came and
answered with 200; what is malformed in any way is a 400 and never an exception; if the
row cannot be committed the answer is 503, and the PSP sends it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from paykit.engine import Engine, Environment, Flow, commit
from paykit.errors import SchemaOutOfDate
from paykit.operations.receive_event import Incoming, read_incoming, receive_event
from paykit.psp import AnyPsp, SignatureInvalid

__all__ = ["AsyncWebhookReceiver", "Headers", "WebhookReceiver", "WebhookResponse"]

_log = logging.getLogger("paykit.webhooks")

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""The request's headers, as a mapping or as pairs; names in any case."""

_BODY_MAX: Final = 1_000_000
"""Bytes. Stripe documents no limit; its largest events are a tenth of this."""


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What the host answers the PSP: the status, and a line for its log."""

    status: int
    reason: str


_DUPLICATE: Final = WebhookResponse(200, "received before")
_STORED: Final = WebhookResponse(200, "stored")
_UNAVAILABLE: Final = WebhookResponse(503, "could not be stored, send it again")


def _lower(headers: Headers) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {str(name).lower(): str(value) for name, value in pairs}


def _check(
    psp: AnyPsp, body: bytes, headers: Headers, env: Environment
) -> Incoming | WebhookResponse:
    """Verify, or say why not; never raises, whatever the input."""
    if not isinstance(body, bytes | bytearray | memoryview):
        return WebhookResponse(400, "the body must be the raw bytes of the request")
    raw = bytes(body)
    if len(raw) > _BODY_MAX:
        return WebhookResponse(400, f"more than {_BODY_MAX} bytes")
    try:
        psp.verify(raw, _lower(headers), env.world.now())
        return read_incoming(psp, env.psps, raw)
    except SignatureInvalid as error:
        return WebhookResponse(400, str(error))


def _store(event: Incoming) -> Flow[WebhookResponse]:
    try:
        new = yield from commit(partial(receive_event, event, "push"))
    except (SQLAlchemyError, SchemaOutOfDate) as error:
        _log.error("a webhook could not be stored: %s", type(error).__name__)
        return _UNAVAILABLE
    return _STORED if new else _DUPLICATE


class _Blocking(Protocol):
    @property
    def engine(self) -> Engine: ...
    def run(self, flow: Flow[WebhookResponse], /) -> WebhookResponse: ...


class _Asynchronous(Protocol):
    @property
    def engine(self) -> Engine: ...
    async def run(self, flow: Flow[WebhookResponse], /) -> WebhookResponse: ...


class WebhookReceiver:
    """
    The endpoint's work for blocking hosts.

    `psp` is the adapter whose webhooks arrive here; the service's own by default.
    Mount one receiver for each endpoint. What a platform's endpoint hears of connected
    accounts goes to their adapters, if the service's `PspDirectory` has them.
    """

    def __init__(self, service: _Blocking, *, psp: AnyPsp | None = None) -> None:
        self._service = service
        self._psp = psp or service.engine.env.psps.for_merchant("default")

    def receive(self, body: bytes, headers: Headers) -> WebhookResponse:
        """Verify and store one webhook; never raises for what came over the wire."""
        checked = _check(self._psp, body, headers, self._service.engine.env)
        if isinstance(checked, WebhookResponse):
            return checked
        return self._service.run(_store(checked))


class AsyncWebhookReceiver:
    """`WebhookReceiver` for asyncio hosts."""

    def __init__(self, service: _Asynchronous, *, psp: AnyPsp | None = None) -> None:
        self._service = service
        self._psp = psp or service.engine.env.psps.for_merchant("default")

    async def receive(self, body: bytes, headers: Headers) -> WebhookResponse:
        """See `WebhookReceiver.receive`."""
        checked = _check(self._psp, body, headers, self._service.engine.env)
        if isinstance(checked, WebhookResponse):
            return checked
        return await self._service.run(_store(checked))
