"""What goes over the socket: credentials, headers, and real failures of the network."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import Barrier
from urllib.parse import urlsplit

import httpx
import pytest

from paykit.testing.simulated import Fault, SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from paykit.testing.stripe_server.api import HttpReply, HttpRequest, answer
from tests.testing.stripe_sdk import TEST_KEY
from tests.testing.worlds import StillWorld

AUTHORIZED = {"Authorization": f"Bearer {TEST_KEY}"}
PAYMENT = {"amount": "1000", "currency": "usd"}


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


@pytest.fixture
def server(sim: SimulatedProvider) -> Iterator[StripeServer]:
    with StripeServer(sim) as server:
        yield server


@pytest.fixture
def http(server: StripeServer) -> Iterator[httpx.Client]:
    """A client with credentials."""
    with httpx.Client(base_url=server.url, headers=AUTHORIZED, timeout=20) as client:
        yield client


def create(http: httpx.Client, key: str | None = None, **params: str) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return http.post("/v1/payment_intents", data=PAYMENT | params, headers=headers)


@pytest.mark.parametrize("authorization", ["", "Bearer sk_live_x", "Basic abc"])
def test_only_test_keys_are_let_in(http: httpx.Client, authorization: str) -> None:
    refused = http.get("/v1/events", headers={"Authorization": authorization})
    assert refused.status_code == 401
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_connected_accounts_see_only_their_own(http: httpx.Client) -> None:
    create(http)
    for account in ("acct_a", "acct_b"):
        http.headers["Stripe-Account"] = account
        create(http, key="k1")
        events = http.get("/v1/events").json()["data"]
        assert [event["account"] for event in events] == [account]
    del http.headers["Stripe-Account"]
    assert len(http.get("/v1/payment_intents").json()["data"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"),
        ("GET", "/v2/events"),
        ("GET", "/v1"),
        ("POST", "/v1/events"),
        ("DELETE", "/v1/payment_intents/pi_1"),
        ("POST", "/v1/payment_intents/pi_1/nothing"),
    ],
)
def test_what_is_no_endpoint_is_not_found(
    http: httpx.Client, method: str, path: str
) -> None:
    refused = http.request(method, path)
    assert refused.status_code == 404
    assert "Unrecognized request URL" in refused.json()["error"]["message"]


def test_an_id_that_is_not_there_is_a_missing_resource(http: httpx.Client) -> None:
    refused = http.get("/v1/payment_intents/pi_none")
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "resource_missing"


def test_answers_carry_the_request_and_the_version(http: httpx.Client) -> None:
    plain = create(http)
    assert plain.headers["Request-Id"].startswith("req_")
    assert plain.headers["Stripe-Version"] == "2026-10-28.endive"
    asked = http.get("/v1/events", headers={"Stripe-Version": "2025-01-27.acacia"})
    assert asked.headers["Stripe-Version"] == "2025-01-27.acacia"


def test_a_first_answer_says_that_it_is_the_original(http: httpx.Client) -> None:
    first = create(http, key="k1")
    assert first.headers["Idempotency-Key"] == "k1"
    assert first.headers["Original-Request"] == first.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.headers
    second = create(http, key="k1")
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert second.headers["Request-Id"] != first.headers["Request-Id"]
    assert second.content == first.content


def test_one_connection_carries_many_requests(server: StripeServer) -> None:
    url = urlsplit(server.url)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=20)
    used = set()
    for _ in range(3):
        connection.request("GET", "/v1/events", headers=AUTHORIZED)
        assert connection.getresponse().read()
        used.add(connection.sock)
    connection.close()
    assert len(used) == 1


@pytest.mark.parametrize("body", [b"a=1&a[b]=2", b"amount=\xff"])
def test_a_malformed_form_is_the_callers_fault(http: httpx.Client, body: bytes) -> None:
    assert http.post("/v1/payment_intents", content=body).status_code == 400


def test_a_body_without_end_is_refused(http: httpx.Client) -> None:
    assert http.post("/v1/refunds", content=b"a" * (1 << 20) + b"b").status_code == 413


def test_a_refused_request_leaves_its_key_free(http: httpx.Client) -> None:
    assert create(http, key="k1", amount="none").status_code == 400
    assert create(http, key="k1").status_code == 200


def test_the_same_key_twice_at_once_is_a_conflict(sim: SimulatedProvider) -> None:
    request = HttpRequest(
        method="POST",
        target="/v1/payment_intents",
        headers={
            "authorization": AUTHORIZED["Authorization"],
            "idempotency-key": "k1",
        },
        body=b"amount=1000&currency=usd",
    )
    meanwhile: list[HttpReply] = []

    def send_it_again(_seconds: float) -> None:
        meanwhile.append(answer(sim, request, send_it_again))

    sim.faults.add(Fault.DELAY, verb="create_payment", seconds=60)
    assert answer(sim, request, send_it_again).status == 200
    assert [reply.status for reply in meanwhile] == [409]


def test_many_callers_with_one_key_act_once(http: httpx.Client) -> None:
    together = Barrier(8)

    def send(_: int) -> httpx.Response:
        together.wait(timeout=20)
        return create(http, key="k1")

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(send, range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(http.get("/v1/payment_intents").json()["data"]) == 1


def test_a_lost_request_was_not_executed(
    http: httpx.Client, sim: SimulatedProvider
) -> None:
    sim.faults.add(Fault.LOSE_REQUEST, verb="create_payment")
    with pytest.raises(httpx.RemoteProtocolError):
        create(http)
    assert http.get("/v1/payment_intents").json()["data"] == []


def test_a_lost_answer_was_executed(http: httpx.Client, sim: SimulatedProvider) -> None:
    sim.faults.add(Fault.LOSE_ANSWER, verb="create_payment")
    with pytest.raises(httpx.RemoteProtocolError):
        create(http)
    assert len(http.get("/v1/payment_intents").json()["data"]) == 1


def test_a_hanging_request_outlasts_the_clients_patience(
    server: StripeServer, http: httpx.Client, sim: SimulatedProvider
) -> None:
    sim.faults.add(Fault.HANG, verb="create_payment")
    patience = httpx.Timeout(20, read=0.2)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/payment_intents", data=PAYMENT, timeout=patience)
    server.stop()  # which waits for the request, if it was slower than the client
    assert [event.type for event in sim.events()] == ["payment_intent.created"]


def test_a_hanging_request_does_not_keep_the_server_from_stopping(
    server: StripeServer, sim: SimulatedProvider
) -> None:
    sim.faults.add(Fault.HANG, verb="list_events")
    url = urlsplit(server.url)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=20)
    connection.request("GET", "/v1/events", headers=AUTHORIZED)
    server.stop()
    with pytest.raises(ConnectionError):
        connection.getresponse()
    connection.close()


def test_a_truncated_answer_is_a_success_that_nobody_can_read(
    http: httpx.Client, sim: SimulatedProvider
) -> None:
    sim.faults.add(Fault.TRUNCATED, verb="create_payment")
    broken = create(http)
    assert broken.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        broken.json()
    assert len(http.get("/v1/payment_intents").json()["data"]) == 1


def test_an_injected_500_is_what_the_key_repeats(
    http: httpx.Client, sim: SimulatedProvider
) -> None:
    sim.faults.add(Fault.ERROR_AFTER, verb="create_payment")
    assert create(http, key="k1").status_code == 500
    again = create(http, key="k1")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (500, "true")
    assert len(http.get("/v1/payment_intents").json()["data"]) == 1


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.LOCK_TIMEOUT])
def test_too_much_is_turned_away_and_the_key_stays_free(
    http: httpx.Client, sim: SimulatedProvider, fault: Fault
) -> None:
    sim.faults.add(fault, verb="create_payment")
    refused = create(http, key="k1")
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == fault.value
    again = create(http, key="k1")
    assert again.status_code == 200
    assert "Idempotent-Replayed" not in again.headers


def test_a_stopped_server_refuses_connections_and_forgets_nothing(
    server: StripeServer, http: httpx.Client
) -> None:
    made = create(http).json()["id"]
    server.stop()
    with pytest.raises(httpx.ConnectError):
        create(http)
    server.start()
    assert http.get(f"/v1/payment_intents/{made}").status_code == 200
