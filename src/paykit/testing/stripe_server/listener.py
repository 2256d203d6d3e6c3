"""The listening socket of the local Stripe, with a thread for each connection."""

from __future__ import annotations

import socket
import sys
import threading
from socketserver import ThreadingTCPServer
from typing import Final, Protocol

from typing_extensions import override

from paykit.testing.stripe_server.api import HttpReply, HttpRequest
from paykit.testing.stripe_server.handler import Handler

__all__ = ["Listener", "Responder"]


class Responder(Protocol):
    """Whoever answers the requests."""

    def respond(self, request: HttpRequest) -> HttpReply:
        """Answer `request`; called by the threads of the connections."""
        ...


class Listener(ThreadingTCPServer):
    """The listening socket, and every connection that is open on it."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, owner: Responder, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self._owner: Final = owner
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def respond(self, request: HttpRequest) -> HttpReply:
        """Answer `request`; called by the threads of the connections."""
        return self._owner.respond(request)

    @override
    def process_request(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: object,
    ) -> None:
        if isinstance(request, socket.socket):
            with self._guard:
                self._open.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(
        self, request: socket.socket | tuple[bytes, socket.socket]
    ) -> None:
        if isinstance(request, socket.socket):
            with self._guard:
                self._open.discard(request)
        super().shutdown_request(request)

    @override
    def handle_error(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: object,
    ) -> None:
        """Keep quiet about clients that hang up, which is what tests make them do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End every open connection, so that its thread ends."""
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster
