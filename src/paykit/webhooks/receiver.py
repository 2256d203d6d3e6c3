"""
Receive webhooks: bytes and headers in, a status out; knows no framework.

Store first, think later (DESIGN law 9). A body is verified once, stored as it came and
answered with 200; what is malformed in any way is a 400 and never an exception; if the
row cannot be committed the answer is 503, and the PSP sends it again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from paykit.engine import Engine, Environment, Flow, PspDirectory, commit
from paykit.errors import SchemaOutOfDate, UsageError
from paykit.psp import (
    AnyPsp,
    SignatureInvalid,
    WebhookEnvelope,
    binding_of,
    name_binding,
)
from paykit.store import inbox

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


_WORD: Final = re.compile(r"[!-~]{1,255}")
"""What an id or a type may be, and a column can hold: printable ASCII."""

_DUPLICATE: Final = WebhookResponse(200, "received before")
_STORED: Final = WebhookResponse(200, "stored")
_UNAVAILABLE: Final = WebhookResponse(503, "could not be stored, send it again")


@dataclass(frozen=True, slots=True)
class _Verified:
    """A webhook that is authentic, ready to be stored."""

    binding: str
    event_id: str
    event_type: str
    account: str | None
    body: bytes


def _lower(headers: Headers) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {str(name).lower(): str(value) for name, value in pairs}


def _check(
    psp: AnyPsp, body: bytes, headers: Headers, env: Environment
) -> _Verified | WebhookResponse:
    """Verify, or say why not; never raises, whatever the input."""
    if not isinstance(body, bytes | bytearray | memoryview):
        return WebhookResponse(400, "the body must be the raw bytes of the request")
    raw = bytes(body)
    if len(raw) > _BODY_MAX:
        return WebhookResponse(400, f"more than {_BODY_MAX} bytes")
    try:
        psp.verify(raw, _lower(headers), env.world.now())
        envelope = psp.read_envelope(raw)
    except SignatureInvalid as error:
        return WebhookResponse(400, str(error))
    words = (envelope.event_id, envelope.event_type, envelope.account or "none")
    if not all(_WORD.fullmatch(word) for word in words):
        return WebhookResponse(400, "an id or a type that is none")
    return _Verified(
        binding=_routed(psp, envelope, env.psps),
        event_id=envelope.event_id,
        event_type=envelope.event_type,
        account=envelope.account,
        body=raw,
    )


def _routed(psp: AnyPsp, envelope: WebhookEnvelope, psps: PspDirectory) -> str:
    """
    Return the binding that the event belongs to, if the directory has its adapter.

    A platform hears of all connected accounts at one endpoint, and one URL may serve
    test and live mode. Without an adapter it is kept under the receiver's own binding,
    where the worker ignores it and says so.
    """
    account = envelope.account or psp.account
    livemode = psp.livemode if envelope.livemode is None else envelope.livemode
    own = binding_of(psp)
    theirs = name_binding(psp.provider, account, livemode=livemode)
    if theirs == own:
        return own
    try:
        found = binding_of(psps.for_binding(theirs))
    except (UsageError, LookupError):
        return own
    return theirs if found == theirs else own


def _store(verified: _Verified) -> Flow[WebhookResponse]:
    try:
        new = yield from commit(
            partial(
                inbox.receive,
                binding=verified.binding,
                event_id=verified.event_id,
                event_type=verified.event_type,
                account=verified.account,
                body=verified.body,
            )
        )
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
