"""A host's webhook endpoint, reduced to what a test wants to know of it."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

from typing_extensions import override


class Endpoint(ThreadingHTTPServer):
    """A host's webhook endpoint that keeps everything and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.received: Queue[tuple[str, bytes]] = Queue()
        self.statuses: deque[int] = deque()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks?from=stripe"

    def bodies(self) -> list[str]:
        """The ids of the events that have arrived."""
        found = [self.received.get() for _ in range(self.received.qsize())]
        return [json.loads(body)["id"] for _, body in found]


class _Receive(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/hooks?from=stripe"
        self.server.received.put((self.headers["Stripe-Signature"], body))
        status = self.server.statuses.popleft() if self.server.statuses else 200
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Endpoint]:
    """Run an endpoint in a thread."""
    with Endpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()
