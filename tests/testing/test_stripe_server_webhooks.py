"""Webhooks arrive over HTTP: signed, repeated, and in whatever order a seed says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import stripe

from paykit.clock import SYSTEM
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import Deliveries, Disorder, StripeServer
from tests.testing.webhook_endpoint import Endpoint, listening
from tests.testing.worlds import StillWorld

SECRET = "whsec_of_this_test"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with listening() as endpoint:
        yield endpoint


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def server_for(
    sim: SimulatedProvider, url: str, disorder: Disorder | None = None
) -> StripeServer:
    return StripeServer(
        sim,
        webhook_url=url,
        webhook_secret=SECRET,
        background=False,
        disorder=disorder,
    )


def make(sim: SimulatedProvider, payments: int) -> list[str]:
    """Create payments, and return the ids of the events that this caused."""
    for _ in range(payments):
        sim.call("create_payment", amount=1000, currency="usd")
    return [event.id for event in sim.events()]


def test_the_sdk_accepts_the_signature(endpoint: Endpoint) -> None:
    sim = SimulatedProvider(SYSTEM)
    make(sim, payments=1)
    server_for(sim, endpoint.url).deliver_webhooks()

    header, body = endpoint.received.get_nowait()

    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, 300)
    event = stripe.Webhook.construct_event(body, header, SECRET)
    assert event.type == "payment_intent.created"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body.decode(), header, "whsec_x", 300)


def test_every_event_is_delivered_once_in_order(
    sim: SimulatedProvider, endpoint: Endpoint
) -> None:
    events = make(sim, payments=3)
    server = server_for(sim, endpoint.url)
    assert server.deliver_webhooks() == Deliveries(delivered=3, failed=0, dropped=0)
    assert server.deliver_webhooks() == Deliveries(delivered=0, failed=0, dropped=0)
    assert endpoint.bodies() == events


@pytest.mark.parametrize("status", [302, 400, 500, 503])
def test_a_refused_webhook_comes_again_signed_anew(
    sim: SimulatedProvider, world: StillWorld, endpoint: Endpoint, status: int
) -> None:
    make(sim, payments=1)
    endpoint.statuses.append(status)
    server = server_for(sim, endpoint.url)
    assert server.deliver_webhooks().failed == 1
    world.time += timedelta(hours=1)
    assert server.deliver_webhooks().delivered == 1

    (first, body), (second, again) = (endpoint.received.get() for _ in range(2))

    assert body == again
    signed = [
        int(header.split(",")[0].removeprefix("t=")) for header in (first, second)
    ]
    assert signed[1] - signed[0] == 3600
    assert first.split("v1=")[1] != second.split("v1=")[1]


def test_an_endpoint_that_is_down_loses_nothing(
    sim: SimulatedProvider, endpoint: Endpoint
) -> None:
    make(sim, payments=1)
    # Port 1 of this machine: nobody listens there.
    assert server_for(sim, "http://127.0.0.1:1/").deliver_webhooks().failed == 1
    assert server_for(sim, endpoint.url).deliver_webhooks().delivered == 1


def test_the_same_seed_makes_the_same_disorder(endpoint: Endpoint) -> None:
    def story(seed: int) -> list[str]:
        sim = SimulatedProvider(StillWorld())
        make(sim, payments=12)
        disorder = Disorder(seed=seed, duplicate=0.3, drop=0.3)
        server_for(sim, endpoint.url, disorder).deliver_webhooks()
        return endpoint.bodies()

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_a_shuffle_changes_the_order_and_nothing_else(
    sim: SimulatedProvider, endpoint: Endpoint
) -> None:
    events = make(sim, payments=12)
    server_for(sim, endpoint.url, Disorder(seed=3)).deliver_webhooks()
    bodies = endpoint.bodies()
    assert bodies != events
    assert sorted(bodies) == sorted(events)


def test_a_duplicate_is_the_same_event_twice(
    sim: SimulatedProvider, endpoint: Endpoint
) -> None:
    events = make(sim, payments=2)
    disorder = Disorder(seed=1, shuffle=False, duplicate=1.0)
    server_for(sim, endpoint.url, disorder).deliver_webhooks()
    assert endpoint.bodies() == [events[0], events[0], events[1], events[1]]


def test_a_dropped_webhook_never_comes_but_the_event_can_be_read(
    sim: SimulatedProvider, endpoint: Endpoint
) -> None:
    events = make(sim, payments=2)
    server = server_for(sim, endpoint.url, Disorder(seed=1, drop=1.0))
    assert server.deliver_webhooks().dropped == 2
    assert server.deliver_webhooks() == Deliveries(delivered=0, failed=0, dropped=0)
    assert endpoint.bodies() == []
    assert [event.id for event in sim.events(undelivered=True)] == events


def test_webhooks_leave_by_themselves_and_insist(
    sim: SimulatedProvider, endpoint: Endpoint
) -> None:
    endpoint.statuses.extend([500, 500])
    with StripeServer(sim, webhook_url=endpoint.url, webhook_secret=SECRET):
        make(sim, payments=1)
        bodies = [endpoint.received.get(timeout=20)[1] for _ in range(3)]
    assert len(set(bodies)) == 1
    assert sim.events(undelivered=True) == []


def test_without_a_url_nothing_can_be_delivered(sim: SimulatedProvider) -> None:
    with pytest.raises(ValueError, match="webhook URL"):
        StripeServer(sim).deliver_webhooks()
