"""A server that says what it is told, also what the local Stripe never says."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

from paykit.testing.factories import payment_intent


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer: JSON, or any bytes; `cut` hangs up instead."""

    status: int = 200
    body: Mapping[str, object] | bytes = field(default_factory=payment_intent)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True)
class Heard:
    """One request as it came; the names of headers are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


class Stub(ThreadingHTTPServer):
    """Answers each request with the next thing of `says`, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says: deque[Said] = deque([Said()])
        self.heard: list[Heard] = []
        self.arrived = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def say(self, *answers: Said) -> None:
        """Say these from now on."""
        self.says = deque(answers)

    def next(self) -> Said:
        return self.says.popleft() if len(self.says) > 1 else self.says[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Stub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append(Heard(self.command, self.path, headers, body))
        said = self.server.next()
        self.server.arrived.set()
        self.server.may_answer.wait()
        if said.cut:
            self.close_connection = True
        else:
            self._say(said)

    do_GET = do_POST
    do_DELETE = do_POST

    def _say(self, said: Said) -> None:
        body = said.body
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(said.status)
        headers = {"Request-Id": "req_stub", "Content-Length": str(len(content))}
        for name, value in (headers | dict(said.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def listening() -> Iterator[Stub]:
    """Run a stub in a thread."""
    with Stub() as stub:
        thread = threading.Thread(target=stub.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield stub
        finally:
            stub.may_answer.set()
            stub.shutdown()
            thread.join()
