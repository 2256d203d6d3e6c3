"""A proxy before PostgreSQL that loses a COMMIT, or the reply to it, or is late."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from time import monotonic, sleep
from typing import Final, Literal

from sqlalchemy import URL, make_url
from typing_extensions import override

from tests.databases import Database

__all__ = ["Lost", "Proxy", "proxied"]

Lost = Literal["request", "reply", "way"]

_PATIENCE_SECONDS: Final = 20.0
_AWAITED_WITHIN_SECONDS: Final = 5.0

_COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The message by which psycopg commits (PostgreSQL's protocol, simple query)."""

_COMMITTED: Final = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""The message by which the server says that it is done."""


class Proxy(ThreadingTCPServer):
    """
    Forwards connections to the server of `target`; cuts one at the `number`-th COMMIT.

    With the ``request`` lost, the server never hears of it and rolls back. With the
    ``reply`` lost, the server has committed and the client does not know. With the
    ``way`` lost, the client is gone first, and the COMMIT arrives when its next try
    waits for a lock, as `is_awaited` tells.
    """

    is_awaited: Callable[[], bool]

    allow_reuse_address = True
    daemon_threads = False

    def __init__(self, target: URL) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self._target = target
        self.number = 0
        self.lost: Lost = "reply"
        self.commits = 0
        self.cut = 0
        self.guard = threading.Lock()

    def connect(self) -> socket.socket:
        """Return a connection to the server itself, over TCP or in its directory."""
        directory = self._target.query.get("host")
        port = self._target.port or 5432
        if directory is None:
            return socket.create_connection((self._target.host or "127.0.0.1", port))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{directory}/.s.PGSQL.{port}")
        return connection

    def lose(self, number: int, lost: Lost) -> None:
        """Cut the connection at the COMMIT `number` from now on; 0 cuts none."""
        with self.guard:
            self.number, self.lost, self.commits, self.cut = number, lost, 0, 0

    def wait_until_awaited(self) -> None:
        """Return when somebody waits for the transaction, or when nobody will."""
        last = monotonic() + _AWAITED_WITHIN_SECONDS
        while not self.is_awaited() and monotonic() < last:
            sleep(0.01)

    def is_lost(self) -> bool:
        """Count a COMMIT; whether it is the one."""
        with self.guard:
            self.commits += 1
            self.cut += self.commits == self.number
            return self.commits == self.number


class _Connection(BaseRequestHandler):
    server: Proxy

    @override
    def handle(self) -> None:
        """Forward in both directions until either side hangs up."""
        with self.server.connect() as upstream:
            self.closing, self.committed = False, threading.Event()
            back = threading.Thread(target=self._replies, args=(upstream,))
            back.start()
            try:
                self._requests(upstream)
            finally:
                _hang_up(upstream)
                back.join()

    def _requests(self, upstream: socket.socket) -> None:
        while data := _received(self.request):
            if data.endswith(_COMMIT) and self.server.is_lost():
                return self._lose(data, upstream)
            upstream.sendall(data)

    def _lose(self, commit: bytes, upstream: socket.socket) -> None:
        self.closing = True
        if self.server.lost != "reply":
            _hang_up(self.request)
        if self.server.lost == "way":
            self.server.wait_until_awaited()
        if self.server.lost != "request":
            upstream.sendall(commit)
            self.committed.wait(_PATIENCE_SECONDS)

    def _replies(self, upstream: socket.socket) -> None:
        heard = b""
        while data := _received(upstream):
            if not self.closing:
                self.request.sendall(data)
                continue
            heard += data
            if _COMMITTED in heard:  # it is done; nobody will ever hear of it
                self.committed.set()
                break
        _hang_up(self.request)


def _received(connection: socket.socket) -> bytes:
    """Return what came in; nothing at the end, however it came."""
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster


@contextmanager
def proxied(database: Database) -> Iterator[tuple[Proxy, Database]]:
    """Return a proxy before the server of `database`, and `database` through it."""
    url = make_url(database.url)
    proxy = Proxy(url)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
    thread.start()
    through = url.set(
        host="127.0.0.1", port=proxy.server_address[1], query={"sslmode": "disable"}
    )
    text = through.render_as_string(hide_password=False)
    other = Database("postgresql", text, text)
    try:
        yield proxy, other
    finally:
        other.dispose()
        proxy.shutdown()
        thread.join()
        proxy.server_close()
