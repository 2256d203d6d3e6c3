"""Webhooks to several endpoints: filtered, counted, signed with every active secret."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
import stripe

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import Deliveries, Disorder, StripeServer
from paykit.testing.stripe_server.sending import signed
from tests.testing.webhook_endpoint import Endpoint, listening
from tests.testing.worlds import StillWorld

KEY = {"Authorization": "Bearer sk_test_delivery"}


@pytest.fixture
def endpoints() -> Iterator[list[Endpoint]]:
    with ExitStack() as stack:
        yield [stack.enter_context(listening()) for _ in range(2)]


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


@pytest.fixture
def server(sim: SimulatedProvider) -> Iterator[StripeServer]:
    with StripeServer(sim, background=False) as server:
        yield server


@pytest.fixture
def http(server: StripeServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=KEY, timeout=20) as client:
        yield client


def listen(http: httpx.Client, endpoint: Endpoint, *events: str) -> dict[str, str]:
    """Register an endpoint through the API."""
    wanted = {f"enabled_events[{n}]": event for n, event in enumerate(events)}
    data = {"url": endpoint.url} | wanted
    made: dict[str, str] = http.post("/v1/webhook_endpoints", data=data).json()
    return made


def pay(http: httpx.Client) -> str:
    data = {"amount": "1000", "currency": "usd"}
    made: dict[str, str] = http.post("/v1/payment_intents", data=data).json()
    return made["id"]


def event(http: httpx.Client) -> dict[str, object]:
    """The newest event as the API shows it."""
    newest: dict[str, object] = http.get("/v1/events").json()["data"][0]
    return newest


def test_endpoints_hear_what_they_are_enabled_for(
    server: StripeServer, http: httpx.Client, endpoints: list[Endpoint]
) -> None:
    everything, refunds = endpoints
    listen(http, everything, "*")
    listen(http, refunds, "refund.created")
    pay(http)
    assert server.deliver_webhooks() == Deliveries(delivered=1, failed=0, dropped=0)
    assert len(everything.bodies()) == 1
    assert refunds.bodies() == []


def test_pending_webhooks_counts_the_endpoints_that_have_not_accepted(
    server: StripeServer, http: httpx.Client, endpoints: list[Endpoint]
) -> None:
    good, bad = endpoints
    bad.statuses.append(500)
    listen(http, good, "*")
    listen(http, bad, "*")
    pay(http)
    assert event(http)["pending_webhooks"] == 2
    undelivered = {"delivery_success": "false"}
    assert server.deliver_webhooks() == Deliveries(delivered=1, failed=1, dropped=0)
    assert event(http)["pending_webhooks"] == 1
    assert len(http.get("/v1/events", params=undelivered).json()["data"]) == 1
    assert server.deliver_webhooks() == Deliveries(delivered=1, failed=0, dropped=0)
    assert event(http)["pending_webhooks"] == 0
    assert http.get("/v1/events", params=undelivered).json()["data"] == []
    assert (len(good.bodies()), len(bad.bodies())) == (1, 2)


def test_each_endpoint_has_a_secret_of_its_own(
    server: StripeServer, http: httpx.Client, endpoints: list[Endpoint]
) -> None:
    secrets = [listen(http, endpoint, "*")["secret"] for endpoint in endpoints]
    pay(http)
    server.deliver_webhooks()
    assert len(set(secrets)) == 2
    for endpoint, secret in zip(endpoints, secrets, strict=True):
        header, body = endpoint.received.get(timeout=20)
        verify = stripe.WebhookSignature.verify_header
        assert verify(body.decode(), header, secret)


def test_a_webhook_is_signed_with_every_active_secret() -> None:
    now = StillWorld().now()
    header = signed(b"{}", ("whsec_new", "whsec_old"), now)["stripe-signature"]
    assert header.count("v1=") == 2
    assert header.count("t=") == 1
    for secret in ("whsec_new", "whsec_old"):
        assert stripe.WebhookSignature.verify_header("{}", header, secret)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header("{}", header, "whsec_other")


def test_an_endpoint_that_was_disabled_hears_later(
    server: StripeServer, http: httpx.Client, endpoints: list[Endpoint]
) -> None:
    endpoint = listen(http, endpoints[0], "*")
    pay(http)
    path = f"/v1/webhook_endpoints/{endpoint['id']}"
    http.post(path, data={"disabled": "true"})
    assert server.deliver_webhooks().delivered == 0
    http.post(path, data={"disabled": "false"})
    assert server.deliver_webhooks().delivered == 1


def test_the_url_of_the_command_line_is_one_endpoint_more(
    sim: SimulatedProvider, endpoints: list[Endpoint]
) -> None:
    shortcut, registered = endpoints
    server = StripeServer(sim, webhook_url=shortcut.url, background=False)
    with server, httpx.Client(base_url=server.url, headers=KEY, timeout=20) as http:
        listen(http, registered, "*")
        pay(http)
        http.headers["Stripe-Account"] = "acct_connected"
        pay(http)
        server.deliver_webhooks()
    heard = {json.loads(body).get("account") for _, body in shortcut.received.queue}
    assert heard == {None, "acct_connected"}  # two endpoints there: in no order
    assert shortcut.received.qsize() == 2
    assert len(registered.bodies()) == 1


def test_an_endpoint_that_does_not_answer_holds_up_nobody(
    server: StripeServer, http: httpx.Client, endpoints: list[Endpoint]
) -> None:
    silent, answering = socket.create_server(("127.0.0.1", 0)), endpoints[0]
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
    http.post("/v1/webhook_endpoints", data={"url": url, "enabled_events[0]": "*"})
    listen(http, answering, "*")
    pay(http)
    with ThreadPoolExecutor(1) as sender:
        work = sender.submit(server.deliver_webhooks)
        connection, _ = silent.accept()
        answering.received.get(timeout=5)  # sooner than the silent one is given up
        assert not work.done()
        connection.close()
        assert work.result() == Deliveries(delivered=1, failed=1, dropped=0)
    silent.close()


def test_webhooks_can_be_held_back(
    sim: SimulatedProvider, endpoints: list[Endpoint]
) -> None:
    held = Disorder(seed=1, shuffle=False, delay_seconds=3600)
    url = endpoints[0].url
    with StripeServer(sim, webhook_url=url, disorder=held) as server:
        sim.call("create_payment", amount=1000, currency="usd")
        sender = server._tenants.named("default").sender
        assert sender.deliver(patient=True) == Deliveries(
            delivered=0, failed=0, dropped=0
        )
        assert endpoints[0].bodies() == []
        assert server.deliver_webhooks().delivered == 1


def test_a_short_delay_ends_by_itself(
    sim: SimulatedProvider, endpoints: list[Endpoint]
) -> None:
    soon = Disorder(seed=1, delay_seconds=0.05)
    with StripeServer(sim, webhook_url=endpoints[0].url, disorder=soon):
        sim.call("create_payment", amount=1000, currency="usd")
        endpoints[0].received.get(timeout=20)


def test_endpoints_that_the_api_made_are_served_in_the_background(
    endpoints: list[Endpoint],
) -> None:
    with (
        StripeServer() as server,
        httpx.Client(base_url=server.url, headers=KEY, timeout=20) as http,
    ):
        listen(http, endpoints[0], "payment_intent.created")
        made = pay(http)
        _, body = endpoints[0].received.get(timeout=20)
        assert json.loads(body)["data"]["object"]["id"] == made
