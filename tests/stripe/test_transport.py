"""How requests reach Stripe, and above all: whether one may have reached it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import respx
import stripe
from typing_extensions import override

import paykit
from paykit.psp import (
    Answer,
    Call,
    Misconfigured,
    NotSent,
    PaymentSnapshot,
    Succeeded,
    Unknown,
)
from paykit.stripe import AsyncStripePsp, StripePsp
from paykit.stripe.wire import prepare
from tests.stripe.conftest import Send
from tests.stripe.samples import READS, SECRET_KEY, WRITES, payment_intent

CREATE = prepare(WRITES["create_payment"], "key-1")
READ = prepare(READS["read_payment"], None)
INTENTS = "/v1/payment_intents"


# --- servers of our own, on real sockets ----------------------------------------------


@contextmanager
def misbehaving(answer: bytes) -> Iterator[str]:
    """A server that takes every request, says `answer` and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_hang_up, args=(listener, answer))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _hang_up(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            connection.sendall(answer)


class _Server(ThreadingHTTPServer):
    """Keeps its connections open, and notes on which one each request came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Stripe)
        self.peers: list[int] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Stripe(BaseHTTPRequestHandler):
    """Answers every request with a payment."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.peers.append(self.client_address[1])
        body = json.dumps(payment_intent()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def stripe_server() -> Iterator[_Server]:
    """A server that keeps its connections open."""
    with _Server() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def server(stripe_server: _Server) -> str:
    """The address of `stripe_server`."""
    return stripe_server.address


@pytest.fixture
def closed_port() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def is_payment(answer: Answer) -> bool:
    return isinstance(answer, Succeeded) and isinstance(
        answer.snapshot, PaymentSnapshot
    )


# --- sent or not sent? ----------------------------------------------------------------


@pytest.mark.parametrize("call", [CREATE, READ], ids=["write", "read"])
def test_where_nobody_listens_nothing_was_sent(
    send: Send, closed_port: str, call: Call
) -> None:
    assert isinstance(send(call, base_url=closed_port), NotSent)


@pytest.mark.parametrize(
    "heard",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", b"SSH-2.0-x\r\n"],
    ids=["hangs up", "half a body", "no HTTP"],
)
def test_a_connection_that_breaks_after_the_request_leaves_it_unknown(
    send: Send, heard: bytes
) -> None:
    with misbehaving(heard) as address:
        assert isinstance(send(CREATE, base_url=address), Unknown)


def test_a_server_that_says_nothing_in_time_leaves_it_unknown() -> None:
    patience = httpx.Timeout(5, read=0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        httpx.Client(timeout=patience) as client,
    ):
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        psp = StripePsp(SECRET_KEY, base_url=address, http_client=client)
        assert psp.send(CREATE) == Unknown(reason="ReadTimeout")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ConnectError, NotSent),
        (httpx.ConnectTimeout, NotSent),
        (httpx.PoolTimeout, NotSent),
        (httpx.ProxyError, NotSent),
        (httpx.UnsupportedProtocol, NotSent),
        (httpx.InvalidURL, NotSent),
        (httpx.ReadTimeout, Unknown),
        (httpx.ReadError, Unknown),
        (httpx.WriteTimeout, Unknown),
        (httpx.WriteError, Unknown),
        (httpx.CloseError, Unknown),
        (httpx.RemoteProtocolError, Unknown),
        (httpx.LocalProtocolError, Unknown),
        (httpx.DecodingError, Unknown),
        (httpx.TooManyRedirects, Unknown),
    ],
)
def test_only_what_fails_before_the_request_counts_as_not_sent(
    send: Send,
    stripe_api: respx.MockRouter,
    failure: Callable[[str], Exception],
    kind: type[Answer],
) -> None:
    stripe_api.post(INTENTS).mock(side_effect=failure(f"with {SECRET_KEY}"))
    answer = send(CREATE)
    assert type(answer) is kind
    assert SECRET_KEY not in repr(answer)


@pytest.mark.parametrize(
    "failure",
    [ValueError, MemoryError, UserWarning, RuntimeError, RecursionError, OSError],
)
def test_what_nobody_foresaw_is_unknown_and_shows_its_type_alone(
    send: Send, stripe_api: respx.MockRouter, failure: type[Exception]
) -> None:
    stripe_api.post(INTENTS).mock(side_effect=failure(f"with {SECRET_KEY}"))
    answer = send(CREATE)
    assert isinstance(answer, Unknown)
    assert failure.__name__ in answer.reason
    assert SECRET_KEY not in repr(answer)


def test_an_interrupt_is_not_swallowed(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    def interrupt(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt(request.method)

    stripe_api.post(INTENTS).mock(side_effect=interrupt)
    with pytest.raises(KeyboardInterrupt):
        send(CREATE)


def test_a_cancellation_passes_through(stripe_api: respx.MockRouter) -> None:
    async def main() -> None:
        arrived = asyncio.Event()

        async def never(request: httpx.Request) -> httpx.Response:
            arrived.set()
            await asyncio.Event().wait()
            raise AssertionError(request)

        stripe_api.post(INTENTS).mock(side_effect=never)
        task = asyncio.create_task(AsyncStripePsp(SECRET_KEY).send(CREATE))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


# --- one send is one request ----------------------------------------------------------


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_the_sdk_repeats_nothing_by_itself(
    send: Send, stripe_api: respx.MockRouter, status: int
) -> None:
    again = {"Stripe-Should-Retry": "true"}
    route = stripe_api.post(INTENTS).respond(status, json={}, headers=again)
    send(CREATE)
    assert route.call_count == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_even_if_the_hosts_client_would(
    stripe_api: respx.MockRouter, status: int
) -> None:
    elsewhere = {"Location": "https://api.stripe.com/elsewhere"}
    stripe_api.post(INTENTS).respond(status, headers=elsewhere)
    followed = stripe_api.route(path="/elsewhere").respond(200, json=payment_intent())
    with httpx.Client(follow_redirects=True) as client:
        answer = StripePsp(SECRET_KEY, http_client=client).send(CREATE)
    assert isinstance(answer, Misconfigured)
    assert not followed.called


def test_a_notice_of_stripe_does_not_disturb_the_answer(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    notice = {"Stripe-Notice": "this version will end"}
    stripe_api.post(INTENTS).respond(200, json=payment_intent(), headers=notice)
    assert is_payment(send(CREATE))


def test_no_setting_of_the_sdk_changes_and_no_telemetry_is_sent(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    names = ("api_key", "default_http_client", "enable_telemetry", "app_info", "log")
    before = {name: getattr(stripe, name) for name in names}
    route = stripe_api.post(INTENTS).respond(
        200, json=payment_intent(), headers={"Request-Id": "req_1"}
    )
    with httpx.Client() as client:
        psp = StripePsp(SECRET_KEY, http_client=client)
        psp.send(CREATE)
        psp.send(CREATE)  # telemetry reports the request before
    send(CREATE)
    assert {name: getattr(stripe, name) for name in names} == before
    for call in route.calls:
        assert "X-Stripe-Client-Telemetry" not in call.request.headers


# --- the life of the connections ------------------------------------------------------


def test_one_async_adapter_serves_one_event_loop_after_another(server: str) -> None:
    psp = AsyncStripePsp(SECRET_KEY, base_url=server)

    async def twice() -> list[Answer]:
        return [await psp.send(CREATE), await psp.send(READ)]

    for _ in range(3):
        assert all(map(is_payment, asyncio.run(twice())))
        gc.collect()  # an open socket left behind would warn here


def test_one_async_adapter_serves_two_event_loops_at_once(server: str) -> None:
    psp = AsyncStripePsp(SECRET_KEY, base_url=server)
    both_are_here = threading.Barrier(2)
    answers: list[Answer] = []

    async def several() -> None:
        both_are_here.wait()
        for _ in range(5):
            answers.extend(await asyncio.gather(psp.send(CREATE), psp.send(READ)))

    threads = [
        threading.Thread(target=asyncio.run, args=(several(),)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert all(map(is_payment, answers))
    gc.collect()


def test_an_async_adapter_can_be_closed_and_used_again(server: str) -> None:
    psp = AsyncStripePsp(SECRET_KEY, base_url=server)

    async def main() -> None:
        await psp.aclose()
        assert is_payment(await psp.send(CREATE))
        await psp.aclose()
        await psp.aclose()
        assert is_payment(await psp.send(READ))

    asyncio.run(main())


def test_a_loop_that_was_closed_without_farewell_is_no_hindrance(server: str) -> None:
    psp = AsyncStripePsp(SECRET_KEY, base_url=server)

    async def main() -> Answer:
        answer = await psp.send(CREATE)
        await psp.aclose()
        return answer

    for _ in range(2):
        loop = asyncio.new_event_loop()
        try:
            assert is_payment(loop.run_until_complete(main()))
        finally:
            loop.close()


def test_a_closed_adapter_says_that_nothing_was_sent(server: str) -> None:
    psp = StripePsp(SECRET_KEY, base_url=server)
    assert is_payment(psp.send(CREATE))
    psp.close()
    psp.close()
    assert isinstance(psp.send(CREATE), NotSent)


_FORK = """
import os, sys
from paykit.psp import Call, Succeeded
from paykit.stripe import StripePsp

address, key, verb, parameters, idempotency_key = sys.argv[1:]
psp = StripePsp(key, base_url=address)
call = Call(verb=verb, parameters=parameters, idempotency_key=idempotency_key)

def ask():
    assert isinstance(psp.send(call), Succeeded)

ask()
child = os.fork()
if child == 0:
    ask()
    ask()
    psp.close()
    os._exit(0)
assert os.waitpid(child, 0) == (child, 0)
ask()
psp.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_a_forked_process_never_talks_on_its_parents_connection(
    stripe_server: _Server,
) -> None:
    arguments = (CREATE.verb, CREATE.parameters, str(CREATE.idempotency_key))
    command = (sys.executable, "-c", _FORK, stripe_server.address, SECRET_KEY)
    path = str(Path(paykit.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([*command, *arguments], check=True, env=environment, timeout=60)
    parent, child, child_again, parent_again = stripe_server.peers
    assert parent == parent_again
    assert child == child_again
    assert parent != child


def test_the_hosts_client_is_used_and_left_open(server: str) -> None:
    seen: list[str] = []

    def note(request: httpx.Request) -> None:
        seen.append(request.method)

    with httpx.Client(event_hooks={"request": [note]}) as client:
        psp = StripePsp(SECRET_KEY, base_url=server, http_client=client)
        assert is_payment(psp.send(CREATE))
        psp.close()
        assert not client.is_closed
    assert seen == ["POST"]


def test_the_hosts_async_client_is_used_and_left_open(server: str) -> None:
    async def main() -> None:
        async with httpx.AsyncClient() as client:
            psp = AsyncStripePsp(SECRET_KEY, base_url=server, http_client=client)
            assert is_payment(await psp.send(CREATE))
            await psp.aclose()
            assert not client.is_closed

    asyncio.run(main())
