"""Webhook endpoints of the simulated account: who hears of what, signed with what."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from paykit.testing.simulated import ApiRequest, ProviderError, SimulatedProvider
from paykit.testing.simulated.deliveries import Delivery
from tests.testing.simulated import NEVER_REDIRECT, opened, paid, rows
from tests.testing.worlds import StillWorld

URL = "https://shop.example/hooks"


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def add(sim: SimulatedProvider, *events: str, **params: object) -> str:
    """Add an endpoint that hears `events`, or everything; return its id."""
    wanted = list(events) or ["*"]
    body = sim.call("create_webhook_endpoint", url=URL, enabled_events=wanted, **params)
    return str(body["id"])


def due(sim: SimulatedProvider) -> list[Delivery]:
    return sim.deliveries(lambda _event, _endpoint: True)


def heard(sim: SimulatedProvider, endpoint: str) -> list[str]:
    """Return the types of the events that `endpoint` is to hear of."""
    return [one.event.type for one in due(sim) if one.endpoint.id == endpoint]


def open_connected(sim: SimulatedProvider) -> None:
    """Open a payment of a connected account."""
    params: dict[str, object] = {
        "amount": 1000,
        "currency": "usd",
        "automatic_payment_methods": NEVER_REDIRECT,
    }
    sim.handle(ApiRequest(verb="create_payment", params=params, account="acct_1"))


def told(delivery: Delivery) -> dict[str, object]:
    body = json.loads(delivery.body)
    assert isinstance(body, dict)
    return body


def test_only_the_creation_shows_the_secret(sim: SimulatedProvider) -> None:
    body = sim.call("create_webhook_endpoint", url=URL, enabled_events=["*"])
    assert str(body["secret"]).startswith("whsec_")
    assert (body["status"], body["enabled_events"]) == ("enabled", ["*"])
    endpoint = str(body["id"])
    updated = sim.call("update_webhook_endpoint", endpoint, description="mine")
    for later in (
        updated,
        sim.call("read_webhook_endpoint", endpoint),
        rows(sim.call("list_webhook_endpoints"))[0],
    ):
        assert "secret" not in later
        assert later["id"] == endpoint


def test_an_endpoint_hears_what_it_asked_for(sim: SimulatedProvider) -> None:
    all_, charges = add(sim), add(sim, "charge.succeeded", "charge.refunded")
    paid(sim)
    assert heard(sim, charges) == ["charge.succeeded"]
    assert heard(sim, all_) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_an_event_waits_for_each_of_its_endpoints(sim: SimulatedProvider) -> None:
    first, second = add(sim), add(sim)
    opened(sim)
    event = sim.events()[0]
    shown = [sim.call("read_event", event.id)["pending_webhooks"]]
    for endpoint in (first, first, second):
        sim.mark_delivered(event, endpoint)
        shown.append(sim.call("read_event", event.id)["pending_webhooks"])
    assert shown == [2, 1, 1, 0]
    assert due(sim) == []
    delivered = rows(sim.call("list_events", delivery_success=True))
    assert [row["id"] for row in delivered] == [event.id]


def test_a_new_endpoint_does_not_hear_of_the_past(sim: SimulatedProvider) -> None:
    add(sim)
    opened(sim)
    late = add(sim)
    assert heard(sim, late) == []
    opened(sim)
    assert heard(sim, late) == ["payment_intent.created"]


def test_a_disabled_endpoint_hears_nothing(sim: SimulatedProvider) -> None:
    endpoint = add(sim)
    opened(sim)
    body = sim.call("update_webhook_endpoint", endpoint, disabled=True)
    assert body["status"] == "disabled"
    assert heard(sim, endpoint) == []
    opened(sim)
    sim.call("update_webhook_endpoint", endpoint, disabled=False)
    assert heard(sim, endpoint) == ["payment_intent.created"]


def test_a_deleted_endpoint_is_gone(sim: SimulatedProvider) -> None:
    endpoint = add(sim)
    opened(sim)
    body = sim.call("delete_webhook_endpoint", endpoint)
    assert body == {"id": endpoint, "object": "webhook_endpoint", "deleted": True}
    assert due(sim) == []
    assert sim.call("read_event", sim.events()[0].id)["pending_webhooks"] == 0
    with pytest.raises(ProviderError, match="No such webhook_endpoint"):
        sim.call("read_webhook_endpoint", endpoint)


def test_an_endpoint_moves_and_changes_its_mind(sim: SimulatedProvider) -> None:
    endpoint = add(sim)
    elsewhere = "http://127.0.0.1:9/hooks"
    sim.call(
        "update_webhook_endpoint",
        endpoint,
        url=elsewhere,
        enabled_events=["charge.succeeded"],
    )
    paid(sim)
    delivery = due(sim)[0]
    assert (delivery.endpoint.url, delivery.event.type) == (
        elsewhere,
        "charge.succeeded",
    )


def test_there_are_at_most_sixteen(sim: SimulatedProvider) -> None:
    for _ in range(16):
        add(sim)
    with pytest.raises(ProviderError, match="maximum of 16"):
        add(sim)


@pytest.mark.parametrize("url", ["shop.example/hooks", "ftp://shop.example", "http://"])
def test_only_an_http_url_is_accepted(sim: SimulatedProvider, url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        sim.call("create_webhook_endpoint", url=url, enabled_events=["*"])
    assert caught.value.code == "url_invalid"


def test_an_endpoint_hears_of_something(sim: SimulatedProvider) -> None:
    with pytest.raises(ProviderError) as caught:
        sim.call("create_webhook_endpoint", url=URL, enabled_events=[])
    assert caught.value.param == "enabled_events"


def test_a_rolled_secret_signs_beside_the_old_one_for_a_while(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    body = sim.call("create_webhook_endpoint", url=URL, enabled_events=["*"])
    old, endpoint = str(body["secret"]), str(body["id"])
    opened(sim)
    new = sim.controls.roll_secret(endpoint, keep_seconds=60)
    assert due(sim)[0].secrets == (new, old)
    newest = sim.controls.roll_secret(endpoint, keep_seconds=3600)
    world.time += timedelta(seconds=59)
    assert due(sim)[0].secrets == (newest, new, old)
    world.time += timedelta(seconds=1)
    assert due(sim)[0].secrets == (newest, new)
    world.time += timedelta(hours=1)
    assert due(sim)[0].secrets == (newest,)


def test_an_old_endpoint_is_told_in_its_own_version(sim: SimulatedProvider) -> None:
    add(sim, api_version="2024-06-20")
    opened(sim)
    assert told(due(sim)[0])["api_version"] == "2024-06-20"


def test_connected_accounts_are_heard_by_their_platform(
    sim: SimulatedProvider,
) -> None:
    own, connect = add(sim), add(sim, connect=True)
    open_connected(sim)
    assert heard(sim, own) == []
    assert heard(sim, connect) == ["payment_intent.created"]
    assert told(due(sim)[0])["account"] == "acct_1"
    opened(sim)
    assert heard(sim, own) == heard(sim, connect) == ["payment_intent.created"]


def test_a_thin_endpoint_hears_what_changed_and_not_how(
    sim: SimulatedProvider,
) -> None:
    thin = sim.controls.add_thin_endpoint(URL, ["v1.payment_intent.succeeded"])
    payment = paid(sim)
    (delivery,) = due(sim)
    assert delivery.endpoint.id == thin.id
    event = delivery.event
    body = told(delivery)
    assert body.pop("id") != event.id
    assert body == {
        "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded",
        "created": "2030-01-01T00:00:00.000Z",
        "livemode": False,
        "context": None,
        "reason": {
            "type": "request",
            "request": {"id": event.request_id, "idempotency_key": None},
        },
        "related_object": {
            "id": payment,
            "type": "payment_intent",
            "url": f"/v1/payment_intents/{payment}",
        },
    }


def test_a_thin_event_names_the_account_and_no_request_that_was_not_there(
    sim: SimulatedProvider,
) -> None:
    sim.controls.add_thin_endpoint(URL)
    sim.controls.open_dispute(paid(sim, "pm_card_visa"))
    body = told(next(one for one in due(sim) if "dispute" in one.event.type))
    assert body["reason"] is None
    related = body["related_object"]
    assert isinstance(related, dict)
    assert str(related["url"]).startswith("/v1/disputes/du_")


def test_a_fresh_memory_knows_no_endpoint_of_the_old_one(
    sim: SimulatedProvider,
) -> None:
    empty = sim.dump()
    add(sim, connect=True)
    sim.load(empty)
    open_connected(sim)
    assert sim.events()[-1].waiting is None
