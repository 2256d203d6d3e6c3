"""
The socket's side of a request: reading it, and answering or failing to.

Damage is real here: the connection closes with nothing said, stays silent until the
client gives up, or carries half of a JSON text.
"""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Final, assert_never

from typing_extensions import override

from paykit.testing.simulated import Damage
from paykit.testing.stripe_server.api import HttpReply, HttpRequest

if TYPE_CHECKING:
    from paykit.testing.stripe_server.server import Listener

__all__ = ["Handler"]

_LARGEST_BODY: Final = 1 << 20


class Handler(BaseHTTPRequestHandler):
    """Serves one connection, which may carry many requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # TCP_NODELAY: answers are small and wanted at once
    wbufsize = -1  # one packet for headers and body
    server: Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Answer a read."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a write."""
        self._serve()

    def do_DELETE(self) -> None:
        """Answer what no endpoint here takes."""
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            self.close_connection = True
            self.send_error(413)
            return
        request = HttpRequest(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        self._deliver(self.server.respond(request))

    def _deliver(self, reply: HttpReply) -> None:
        """Send `reply`, as far as it is to get."""
        match reply.damage:
            case None:
                self._send(reply, reply.body)
            case Damage.TRUNCATED:
                self.close_connection = True
                self._send(reply, reply.body[: len(reply.body) // 2])
            case Damage.SILENT:
                self.close_connection = True
                self._wait_for_the_client_to_give_up()
            case Damage.CUT | Damage.REFUSED:
                # Too late to refuse a connection that is open: it is cut instead.
                self.close_connection = True
            case _:
                assert_never(reply.damage)

    def _send(self, reply: HttpReply, body: bytes) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _wait_for_the_client_to_give_up(self) -> None:
        """Return when the client, or the server on its way out, ends the connection."""
        connection: socket.socket = self.connection
        try:
            while connection.recv(4096):
                pass
        except OSError:
            return

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Write no log: a test's output is the test's."""
