"""Faults that a request asks for itself, outages, limits and locks, over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from threading import Barrier, Event
from urllib.parse import urlsplit

import httpx
import pytest
from typing_extensions import override

from paykit.testing.simulated import Fault, SimulatedProvider
from paykit.testing.simulated.limits import LIMITS, Limits, read_limits
from paykit.testing.stripe_server import StripeServer
from tests.testing.simulated import held
from tests.testing.worlds import StillWorld

KEY = {"Authorization": "Bearer sk_test_faults"}
PAYMENT = {"amount": "1000", "currency": "usd"}


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


@pytest.fixture
def server(sim: SimulatedProvider) -> Iterator[StripeServer]:
    with StripeServer(sim) as server:
        yield server


@pytest.fixture
def http(server: StripeServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=KEY, timeout=20) as client:
        yield client


def create(http: httpx.Client, key: str = "k", fault: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key} | ({"Paykit-Fault": fault} if fault else {})
    return http.post("/v1/payment_intents", data=PAYMENT, headers=headers)


def made(sim: SimulatedProvider) -> int:
    """How many payments there are."""
    return len(sim.effects().attempts)


# --- by header ------------------------------------------------------------------------

NOTHING_COMES = {Fault.LOSE_REQUEST_UNSENT, Fault.LOSE_REQUEST, Fault.LOSE_ANSWER}
STATUSES = {
    Fault.ERROR_BEFORE: 500,
    Fault.UNAVAILABLE: 503,
    Fault.UNAUTHORIZED: 401,
    Fault.FORBIDDEN: 403,
    Fault.RATE_LIMIT: 429,
    Fault.LOCK_TIMEOUT: 429,
    Fault.KEY_IN_USE: 409,
    Fault.DELAY: 200,
    Fault.TRUNCATED: 200,
    Fault.EMPTY: 200,
    Fault.BAD_GATEWAY: 502,
    Fault.ERROR_AFTER: 500,
}
EXECUTED = {
    Fault.LOSE_ANSWER,
    Fault.HANG,
    Fault.DELAY,
    Fault.TRUNCATED,
    Fault.EMPTY,
    Fault.BAD_GATEWAY,
    Fault.ERROR_AFTER,
}


def test_every_fault_is_in_these_tables() -> None:
    assert {*STATUSES, *NOTHING_COMES, Fault.HANG} == set(Fault)


@pytest.mark.parametrize("fault", STATUSES)
def test_a_request_can_ask_for_its_own_fault(
    http: httpx.Client, sim: SimulatedProvider, fault: Fault
) -> None:
    assert create(http, fault=fault.value).status_code == STATUSES[fault]
    assert made(sim) == (fault in EXECUTED)
    assert create(http, key="other").status_code == 200


@pytest.mark.parametrize("fault", sorted(NOTHING_COMES))
def test_a_request_can_ask_for_a_cut(
    http: httpx.Client, sim: SimulatedProvider, fault: Fault
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        create(http, fault=fault.value)
    assert made(sim) == (fault in EXECUTED)


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.HANG}))
def test_after_any_fault_the_same_key_leaves_one_payment(
    http: httpx.Client, sim: SimulatedProvider, fault: Fault
) -> None:
    try:
        create(http, fault=fault.value)
    except httpx.RemoteProtocolError:
        assert fault in NOTHING_COMES
    again = create(http)
    assert again.status_code == (500 if fault is Fault.ERROR_AFTER else 200)
    assert ("Idempotent-Replayed" in again.headers) == (fault in EXECUTED)
    assert made(sim) == 1


def test_a_proxy_answers_with_a_page_and_no_request_id(http: httpx.Client) -> None:
    page = create(http, fault="bad_gateway")
    assert page.headers["Content-Type"] == "text/html"
    assert page.text.startswith("<html>")
    assert "Request-Id" not in page.headers


def test_an_empty_answer_is_empty(http: httpx.Client) -> None:
    assert create(http, fault="empty").content == b""


def test_a_delay_is_as_long_as_was_asked(
    server: StripeServer, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(server, "_wait", waited.append)
    assert create(http, fault="delay; seconds=2.5").status_code == 200
    assert waited == [2.5]


@pytest.mark.parametrize("said", [True, False])
def test_an_error_can_say_whether_to_retry(http: httpx.Client, said: bool) -> None:
    header = "Stripe-Should-Retry"
    text = str(said).lower()
    asked = create(http, fault=f"rate_limit; should_retry={text}")
    assert asked.headers[header] == text
    assert header not in create(http, fault="rate_limit").headers


@pytest.mark.parametrize(
    "fault",
    ["explode", "delay; seconds=long", "delay; hours=1", "hang; should_retry=maybe"],
)
def test_a_fault_that_is_none_is_refused(
    http: httpx.Client, sim: SimulatedProvider, fault: str
) -> None:
    refused = create(http, fault=fault)
    assert refused.status_code == 400
    assert "Paykit-Fault" in refused.json()["error"]["message"]
    assert made(sim) == 0


# --- by control -----------------------------------------------------------------------


def test_an_outage_lasts_until_it_is_called_off(http: httpx.Client) -> None:
    order = {"fault": "error_before", "times": None}
    assert http.post("/_test/faults", json=order).status_code == 200
    assert [create(http).status_code for _ in range(3)] == [500] * 3
    http.post("/_test/clear_faults")
    assert create(http).status_code == 200


def test_an_outage_can_last_for_a_number_of_requests(http: httpx.Client) -> None:
    http.post("/_test/faults", json={"fault": "unavailable", "times": 2})
    assert [create(http).status_code for _ in range(3)] == [503, 503, 200]


def test_an_outage_can_last_for_a_time(http: httpx.Client, world: StillWorld) -> None:
    order = {"fault": "unavailable", "times": None, "for_seconds": 60}
    http.post("/_test/faults", json=order)
    world.time += timedelta(seconds=59)
    assert create(http).status_code == 503
    world.time += timedelta(seconds=1)
    assert create(http).status_code == 200


def test_an_outage_can_be_that_of_one_account(http: httpx.Client) -> None:
    order = {"fault": "error_before", "times": None, "account": "acct_a"}
    http.post("/_test/faults", json=order)
    assert create(http).status_code == 200
    http.headers["Stripe-Account"] = "acct_a"
    assert create(http).status_code == 500


@pytest.mark.parametrize(
    "wrong",
    [
        {"times": 0},
        {"times": True},
        {"times": "two"},
        {"seconds": "long"},
        {"for_seconds": "long"},
        {"account": 1},
        {"should_retry": "no"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    http: httpx.Client, wrong: dict[str, object]
) -> None:
    order = {"fault": "hang"} | wrong
    assert http.post("/_test/faults", json=order).status_code == 400
    assert create(http).status_code == 200


# --- limits ---------------------------------------------------------------------------


def read(http: httpx.Client, kind: str = "events") -> int:
    return http.get(f"/v1/{kind}").status_code


def test_an_endpoint_has_a_limit_and_time_lifts_it(
    http: httpx.Client, sim: SimulatedProvider, world: StillWorld
) -> None:
    sim.limits = Limits(10, 2)
    assert [read(http) for _ in range(3)] == [200, 200, 429]
    assert read(http, "charges") == 200
    world.time += timedelta(seconds=0.5)
    assert [read(http) for _ in range(2)] == [200, 429]


def test_an_account_has_a_limit_for_all_of_its_endpoints(
    http: httpx.Client, sim: SimulatedProvider
) -> None:
    sim.limits = Limits(3, 2)
    kinds = ["events", "charges", "refunds", "payment_intents"]
    assert [read(http, kind) for kind in kinds] == [200, 200, 200, 429]
    http.headers["Stripe-Account"] = "acct_other"
    assert read(http) == 200


def test_what_is_limited_is_not_executed_and_leaves_its_key_free(
    http: httpx.Client, sim: SimulatedProvider, world: StillWorld
) -> None:
    sim.limits = Limits(1, 1)
    assert create(http, "first").status_code == 200
    refused = create(http, "k")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit")
    world.time += timedelta(seconds=1)
    assert "Idempotent-Replayed" not in create(http, "k").headers
    assert made(sim) == 2


def test_limits_can_be_set_and_lifted_from_outside(http: httpx.Client) -> None:
    http.post("/_test/limits", json={"limits": "1/1"})
    assert [read(http) for _ in range(2)] == [200, 429]
    http.post("/_test/limits", json={"limits": None})
    assert [read(http) for _ in range(3)] == [200] * 3


def test_stripes_own_limits_have_names() -> None:
    assert (read_limits("live"), read_limits("test")) == tuple(LIMITS.values())
    assert read_limits("10/5") == Limits(10, 5)
    assert read_limits("10") == Limits(10, 10)
    for wrong in ("", "none", "0/1", "1/0"):
        with pytest.raises(ValueError, match=r"could not|at least one"):
            read_limits(wrong)


# --- locks ----------------------------------------------------------------------------


class Slow(StripeServer):
    """A server whose delays last until the test lets go of them."""

    arrived: Event
    let_go: Event

    @override
    def _wait(self, seconds: float) -> None:
        if seconds:
            self.arrived.set()
            assert self.let_go.wait(20)


def test_an_object_that_is_being_changed_is_locked(sim: SimulatedProvider) -> None:
    payment, other = held(sim), held(sim)
    server = Slow(sim)
    server.arrived, server.let_go = Event(), Event()
    with (
        server,
        httpx.Client(base_url=server.url, headers=KEY, timeout=20) as http,
        ThreadPoolExecutor(1) as slow,
    ):
        sim.faults.add(Fault.DELAY, verb="capture_payment", seconds=60)
        work = slow.submit(http.post, f"/v1/payment_intents/{payment}/capture")
        assert server.arrived.wait(20)
        cancel = f"/v1/payment_intents/{payment}/cancel"
        refused = http.post(cancel, headers={"Idempotency-Key": "cancel"})
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "lock_timeout"
        assert http.get(f"/v1/payment_intents/{payment}").status_code == 200
        assert http.post(f"/v1/payment_intents/{other}/cancel").status_code == 200
        server.let_go.set()
        assert work.result().json()["status"] == "succeeded"
        late = http.post(cancel, headers={"Idempotency-Key": "cancel"})
        assert late.status_code == 400  # the key was free: now it is the state
        assert "Idempotent-Replayed" not in late.headers


# --- many clients ---------------------------------------------------------------------


def test_32_clients_at_once_act_once_for_every_key(
    server: StripeServer, sim: SimulatedProvider
) -> None:
    clients, keys = 32, 6
    together = Barrier(clients)

    def pay(_: int) -> list[tuple[int, str]]:
        url = urlsplit(server.url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=60)
        together.wait(60)
        answers = []
        for key in range(keys):
            headers = KEY | {"Idempotency-Key": f"key-{key}"}
            body = "amount=1000&currency=usd"
            connection.request("POST", "/v1/payment_intents", body, headers)
            answer = connection.getresponse()
            answers.append((answer.status, answer.read().decode()))
        connection.close()
        return answers

    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(pay, range(clients)))
    for answers in zip(*found, strict=True):
        assert {status for status, _ in answers} <= {200, 409}
        assert len({body for status, body in answers if status == 200}) == 1
    assert made(sim) == keys


# --- clients of other kinds -----------------------------------------------------------


def raw(server: StripeServer, request: bytes) -> bytes:
    """Send bytes and return what comes until the server ends the connection."""
    url = urlsplit(server.url)
    with socket.create_connection((url.hostname, url.port), 20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while more := connection.recv(65536):
            found += more
        return found


def test_a_client_that_asks_first_is_told_to_go_on(server: StripeServer) -> None:
    head = (
        b"POST /v1/payment_intents HTTP/1.1\r\nAuthorization: Bearer sk_test_x\r\n"
        b"Expect: 100-continue\r\nContent-Length: 24\r\n\r\namount=1000&currency=usd"
    )
    answer = raw(server, head)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_an_old_client_gets_one_answer(server: StripeServer) -> None:
    answer = raw(
        server, b"GET /v1/events HTTP/1.0\r\n\r\nGET /v1/events HTTP/1.0\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 401") == 1
    assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v1/events HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
    ],
)
def test_what_is_no_request_is_refused(
    server: StripeServer, request_: bytes, status: int
) -> None:
    assert raw(server, request_).startswith(f"HTTP/1.1 {status} ".encode())
