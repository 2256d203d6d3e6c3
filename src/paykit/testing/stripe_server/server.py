"""The local Stripe: a `SimulatedProvider` behind a real socket, for the real SDK."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from typing_extensions import override

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server.api import HttpReply, HttpRequest, answer
from paykit.testing.stripe_server.control import PREFIX, control
from paykit.testing.stripe_server.delivery import (
    Deliveries,
    Disorder,
    WebhookSender,
)
from paykit.testing.stripe_server.handler import Handler

__all__ = ["Listener", "StripeServer"]


class Listener(ThreadingHTTPServer):
    """The listening socket, and every connection that is open on it."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, owner: StripeServer, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self._owner: Final = owner
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

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


class StripeServer:
    """
    Stripe's API on ``http://host:port``, backed by `sim`.

    Use it as a context manager, or call `start` and `stop`; a stopped server can be
    started again on the same port, and until then connections to it are refused. With
    a `webhook_url`, events are delivered there: in the background, or only by
    `deliver_webhooks` if `background` is false. ``/_test/`` steers it from outside.
    """

    def __init__(
        self,
        sim: SimulatedProvider,
        host: str = "127.0.0.1",
        port: int = 0,
        webhook_url: str | None = None,
        webhook_secret: str = "whsec_test",
        *,
        background: bool = True,
        disorder: Disorder | None = None,
    ) -> None:
        self.sim: Final = sim
        self._address = (host, port)
        self._background = background
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._sender: WebhookSender | None = None
        if webhook_url is not None:
            self._sender = WebhookSender(
                sim, webhook_url, webhook_secret, disorder=disorder
            )

    @property
    def url(self) -> str:
        """The base address for the SDK; its port is known once it was started."""
        host, port = self._address
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Listen, and serve in threads. Raises `OSError` if the port is taken."""
        self._stopping.clear()
        self._listener = Listener(self, self._address)
        self._address = (self._address[0], self._listener.server_port)
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="stripe-server",
        )
        self._thread.start()
        if self._sender is not None and self._background:
            self._sender.start()

    def stop(self) -> None:
        """Hang up on everybody and refuse connections; nothing is forgotten."""
        self._stopping.set()
        if self._sender is not None:
            self._sender.stop()
        if self._listener is not None and self._thread is not None:
            self._listener.shutdown()
            self._listener.hang_up()
            self._listener.server_close()
            self._thread.join()
        self._listener = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def deliver_webhooks(self) -> Deliveries:
        """Try every open webhook once, now. Raises `ValueError` without a URL."""
        if self._sender is None:
            raise ValueError("the server was made without a webhook URL")
        return self._sender.deliver()

    def respond(self, request: HttpRequest) -> HttpReply:
        """Answer one request, and let its events be delivered."""
        if request.target.startswith(PREFIX):
            reply = control(self.sim, request, self.deliver_webhooks)
        else:
            reply = answer(self.sim, request, self._wait)
        if self._sender is not None:
            self._sender.wake()
        return reply

    def _wait(self, seconds: float) -> None:
        """Let the provider take its time, unless the server is being stopped."""
        self._stopping.wait(seconds)
