"""
A TCP proxy that cuts a connection in the middle of an exchange.

Put it before the database or before the local Stripe, and let a request or the reply to
it get lost. To the client the two look the same; what is true differs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from socketserver import BaseRequestHandler, ThreadingTCPServer
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

from typing_extensions import override

__all__ = ["COMMIT", "Exchange", "Lost", "Proxy", "Target"]

Lost: TypeAlias = Literal["request", "reply", "late"]
"""
What becomes of the exchange; the client is hung up on in any case.

``request``: the server never hears of it. ``reply``: the server has answered, and the
answer is lost. ``late``: the client is gone first, and the request arrives afterwards;
only for requests that come in one piece.
"""

Target: TypeAlias = tuple[str, int] | str
"""Host and port of the server, or the path of its Unix socket."""

_PATIENCE_SECONDS: Final = 20.0
_LATE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an exchange looks like on the wire."""

    request: bytes
    """Bytes that stand in the request and in no other, such as ``POST /v1/refunds``."""
    reply: bytes = b""
    """Bytes that stand in the reply when the server is done; none: any bytes do."""


COMMIT: Final = Exchange(b"Q\x00\x00\x00\x0bCOMMIT\x00", b"C\x00\x00\x00\x0bCOMMIT\x00")
"""How psycopg commits and PostgreSQL answers (its protocol, version 3), without TLS."""


class Proxy(ThreadingTCPServer):
    """
    Forwards connections to `target`, and cuts one at the chosen exchange.

    A context manager that listens on a free port of the loopback. Everything passes
    until `lose` is called.
    """

    allow_reuse_address = True
    daemon_threads = False

    def __init__(self, target: Target, exchange: Exchange) -> None:
        """Listen, and serve as soon as the context is entered."""
        super().__init__(("127.0.0.1", 0), _Connection)
        self.exchange = exchange
        self.is_awaited: Callable[[], bool] = lambda: True
        """Whether a ``late`` request may arrive now; after five seconds it does."""
        self.cut = 0
        """How many exchanges were cut since `lose` was called last."""
        self._target = target
        self._number = 0
        self._seen = 0
        self._lost: Lost = "reply"
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.server_address[1])

    @property
    def lost(self) -> Lost:
        """What becomes of the exchange that is cut."""
        return self._lost

    def lose(self, number: int, lost: Lost) -> None:
        """Cut at the `number`-th exchange from now on; 0 cuts none."""
        with self._guard:
            self._number, self._lost, self._seen, self.cut = number, lost, 0, 0

    def connect(self) -> socket.socket:
        """Return a connection to the server itself."""
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._target)
        return connection

    def is_lost(self) -> bool:
        """Count an exchange; whether it is the one."""
        with self._guard:
            self._seen += 1
            self.cut += self._seen == self._number
            return self._seen == self._number

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; remember it until it ends."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and forget it."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def wait_until_awaited(self) -> None:
        """Return when a late request may arrive."""
        last = monotonic() + _LATE_SECONDS
        while not self.is_awaited() and monotonic() < last:
            sleep(0.01)

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        with self._guard:
            for connection in self._open:
                _hang_up(connection)
        self.server_close()  # waits for the connections' threads


class _Connection(BaseRequestHandler):
    @property
    def _proxy(self) -> Proxy:
        assert isinstance(self.server, Proxy)
        return self.server

    @override
    def handle(self) -> None:
        """Forward in both directions until either side hangs up."""
        with self._proxy.connect() as upstream:
            self.cutting, self.answered = False, threading.Event()
            back = threading.Thread(target=self._replies, args=(upstream,))
            back.start()
            try:
                self._requests(upstream)
            finally:
                _hang_up(upstream)
                back.join()

    def _requests(self, upstream: socket.socket) -> None:
        seen, wanted = b"", self._proxy.exchange.request
        while data := _received(self.request):
            seen += data
            if wanted in seen and self._proxy.is_lost():
                self.cutting = True
                if self._proxy.lost == "request":
                    return _hang_up(self.request)
                if self._proxy.lost == "late":
                    return self._forward_late(data, upstream)
            seen = seen[len(seen) - len(wanted) + 1 :]  # it may come in two pieces
            if not _sent(upstream, data):
                break
        if self.cutting:
            self.answered.wait(_PATIENCE_SECONDS)
        return None

    def _forward_late(self, request: bytes, upstream: socket.socket) -> None:
        _hang_up(self.request)
        self._proxy.wait_until_awaited()
        if _sent(upstream, request):
            self.answered.wait(_PATIENCE_SECONDS)

    def _replies(self, upstream: socket.socket) -> None:
        heard = b""
        while data := _received(upstream):
            if not self.cutting:
                if not _sent(self.request, data):
                    break
                continue
            heard += data
            if self._proxy.exchange.reply in heard:  # done; nobody will hear of it
                break
        self.answered.set()
        _hang_up(self.request)


def _received(connection: socket.socket) -> bytes:
    """Return what came in; nothing at the end, however it came."""
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def _sent(connection: socket.socket, data: bytes) -> bool:
    """Send `data`; False if the other side has hung up, as it may at any time."""
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
