"""
The socket's side of a request: reading it, and answering or failing to.

Damage is real here: the connection closes with nothing said, stays silent until the
client gives up, or carries half of a JSON text.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from socketserver import StreamRequestHandler
from typing import TYPE_CHECKING, Final, assert_never

from typing_extensions import override

from paykit.testing.simulated import Damage
from paykit.testing.stripe_server.api import HttpReply, json_reply
from paykit.testing.stripe_server.wire import Unreadable, encode_reply, read_request

if TYPE_CHECKING:
    from paykit.testing.stripe_server.listener import Listener

__all__ = ["Handler"]

_PAGE: Final = (
    b"<html>\r\n<head><title>nginx</title></head>\r\n"
    b"<body><center><h1>The server is not available</h1></center></body>\r\n</html>\r\n"
)


class Handler(StreamRequestHandler):
    """Serves one connection, which may carry many requests."""

    disable_nagle_algorithm = True  # TCP_NODELAY: answers are small and wanted at once
    server: Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    @override
    def handle(self) -> None:
        """Answer requests until the client leaves or is to be left."""
        try:
            while self._serve():
                pass
        except Unreadable as error:
            refusal = json_reply(error.status, {"error": {"message": str(error)}})
            self._send(refusal, refusal.body, stays=False)

    def _serve(self) -> bool:
        """Answer the next request; return whether the connection goes on."""
        came = read_request(self.rfile, self._go_on)
        if came is None:
            return False
        request, stays = came
        return self._deliver(self.server.respond(request), stays=stays)

    def _deliver(self, reply: HttpReply, *, stays: bool) -> bool:
        """Send `reply`, as far as it is to get; return whether the connection stays."""
        match reply.damage:
            case None:
                return self._send(reply, reply.body, stays=stays)
            case Damage.TRUNCATED:
                return self._send(reply, reply.body[: len(reply.body) // 2])
            case Damage.EMPTY:
                return self._send(reply, b"", stays=stays)
            case Damage.HTML:
                page = replace(reply, headers={"Content-Type": "text/html"})
                return self._send(page, _PAGE)
            case Damage.SILENT:
                return self._wait_for_the_client_to_give_up()
            case Damage.CUT | Damage.REFUSED:
                # Too late to refuse a connection that is open: it is cut instead.
                return False
        assert_never(reply.damage)

    def _send(self, reply: HttpReply, body: bytes, *, stays: bool = False) -> bool:
        self.wfile.write(encode_reply(reply, body, stays=stays))
        return stays

    def _go_on(self) -> None:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _wait_for_the_client_to_give_up(self) -> bool:
        """Return when the client, or the server on its way out, ends the connection."""
        connection: socket.socket = self.connection
        try:
            while connection.recv(4096):
                pass
        except OSError:
            pass
        return False
