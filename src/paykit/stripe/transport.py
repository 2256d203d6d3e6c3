"""
How requests reach Stripe: httpx under the SDK, telling "not sent" from "maybe sent".

The SDK's own httpx transport is not used. It turns any exception into a "retryable"
connection error, whose cause is lost; under ``-W error`` every POST fails before it is
sent; and an `httpx.AsyncClient` that outlives its event loop can raise although Stripe
has executed the request (measured with stripe 16.1 and httpx 0.28).

At level DEBUG the SDK's logger ``stripe`` writes request parameters, with the payer's
e-mail address if the host sent one. Response bodies are kept out of it, see `_Body`.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Final, NoReturn, SupportsIndex

import httpx
import stripe
from typing_extensions import override

__all__ = ["TIMEOUTS", "AsyncTransport", "ConnectionLost", "SyncTransport"]

TIMEOUTS: Final = httpx.Timeout(connect=2.0, read=10.0, write=5.0, pool=2.0)
"""
Seconds, for the clients that paykit makes. Stripe answers a charge in one to three
seconds; a longer wait holds the host's thread and leaves the payer no wiser.
"""

_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    # A proxy that refuses the tunnel has seen no request.
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)

_FAILURES: Final = (httpx.HTTPError, httpx.InvalidURL)


class ConnectionLost(stripe.APIConnectionError):
    """No response came; `request_sent` tells whether Stripe may have had the request.

    Its text is the name of the cause alone: httpx's own may hold a proxy's password.
    """

    def __init__(self, cause: str, *, request_sent: bool) -> None:
        super().__init__(cause)  # type: ignore[no-untyped-call]
        self.request_sent = request_sent


class _Body(str):
    """
    A response body that stays out of logs and messages.

    The SDK logs every body at DEBUG and quotes a broken one in its exception, and
    bodies hold client secrets. Parsing does not go through these methods.
    """

    __slots__ = ()

    @override
    def __str__(self) -> str:
        return f"[{len(self)} characters]"

    @override
    def __repr__(self) -> str:
        return str(self)

    @override
    def __format__(self, spec: str, /) -> str:
        return str(self)

    @override
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


_Response = tuple[str, int, Mapping[str, str]]


class SyncTransport(stripe.HTTPClient):
    """
    The SDK's transport for blocking code, around one `httpx.Client` per process.

    A web server that forks its workers after loading the application would let them
    share open connections, and one would read the answer to another one's charge. A
    host's own client is used as it is; not to share it is then the host's duty.
    """

    name = "httpx"

    def __init__(self, client: httpx.Client | None) -> None:
        super().__init__()
        self._owns_client = client is None
        self._client = client or httpx.Client(timeout=TIMEOUTS)
        self._process = os.getpid()
        self._of_parents: list[httpx.Client] = []

    @override
    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: str | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> _Response:
        client = self._client_of_this_process()
        _refuse_closed(client.is_closed)
        try:
            response = client.request(
                method.upper(),
                url,
                headers=_without_telemetry(headers),
                content=post_data,
                follow_redirects=False,
            )
        except _FAILURES as error:
            _raise_lost(error)
        return _readable(response)

    @override
    def close(self) -> None:
        """Close the client, unless it is the host's."""
        if self._owns_client:
            self._client_of_this_process().close()

    def _client_of_this_process(self) -> httpx.Client:
        process = os.getpid()
        inherited = self._process != process and not self._client.is_closed
        if inherited and self._owns_client:
            # Kept and never touched again: its connections are the parent's to close.
            self._of_parents.append(self._client)
            self._client = httpx.Client(timeout=TIMEOUTS)
            self._process = process
        return self._client


class AsyncTransport(stripe.HTTPClient):
    """
    The SDK's transport for asyncio, around one `httpx.AsyncClient` per event loop.

    The connections of a client belong to the loop that opened them. A host's own client
    is used as it is; using it in one loop only is then the host's duty.
    """

    name = "httpx"

    def __init__(self, client: httpx.AsyncClient | None) -> None:
        super().__init__()
        self._given = client
        # Loading the certificates takes tens of milliseconds: here, not in a loop.
        self._tls = httpx.create_ssl_context() if client is None else None
        # No weak references: an open connection refers to its loop and would keep it.
        self._open: dict[asyncio.AbstractEventLoop, _Opened] = {}

    @override
    async def request_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: str | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        client = self._given or await self._client_of_this_loop()
        _refuse_closed(client.is_closed)
        try:
            response = await client.request(
                method.upper(),
                url,
                headers=_without_telemetry(headers),
                content=post_data,
                follow_redirects=False,
            )
        except _FAILURES as error:
            _raise_lost(error)
        return _readable(response)  # type: ignore[return-value]  # the SDK takes both

    @override
    async def close_async(self) -> None:
        """Close the client of the running loop, unless it is the host's."""
        opened = self._open.get(asyncio.get_running_loop())
        if opened is not None:
            await opened.lifetime.aclose()

    async def _client_of_this_loop(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        opened = self._open.get(loop)
        if opened is None:
            for other in list(self._open):  # other threads may add theirs meanwhile
                if other.is_closed():
                    self._open.pop(other, None)
            opened = self._open[loop] = _Opened(self, loop, self._tls)
            await anext(opened.lifetime)
        return opened.client

    def forget(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open a new client the next time that `loop` sends."""
        self._open.pop(loop, None)


class _Opened:
    """A client, and the generator that closes it together with its event loop."""

    def __init__(
        self,
        transport: AsyncTransport,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.client = httpx.AsyncClient(timeout=TIMEOUTS, verify=tls or True)
        self.lifetime = self._live(transport, loop)

    async def _live(
        self, transport: AsyncTransport, loop: asyncio.AbstractEventLoop
    ) -> AsyncGenerator[None, None]:
        """
        Wait for the end: a loop closes the asynchronous generators that it started.

        So `asyncio.run` leaves no open socket behind, without the host's help.
        """
        try:
            yield
        finally:
            transport.forget(loop)
            await self.client.aclose()


def _without_telemetry(headers: Mapping[str, str] | None) -> dict[str, str]:
    """
    Drop what the SDK reports about the request before this one.

    Its switch for that is global to the process, and so not ours to turn; and a request
    that is sent again should be the same one.
    """
    kept = dict(headers or {})
    kept.pop("X-Stripe-Client-Telemetry", None)
    return kept


def _refuse_closed(closed: bool) -> None:
    if closed:
        raise ConnectionLost("the client is closed", request_sent=False)


def _raise_lost(error: Exception) -> NoReturn:
    sent = not isinstance(error, _NOT_SENT)
    raise ConnectionLost(type(error).__name__, request_sent=sent) from error


def _readable(response: httpx.Response) -> _Response:
    # "replace": what is no UTF-8 is no JSON either, and answers with its status.
    body = _Body(response.content.decode("utf-8", "replace"))
    return body, response.status_code, response.headers
