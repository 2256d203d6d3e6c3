"""Subscriptions and invoices, as the official SDK finds them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
import stripe

from paykit.testing.simulated import ProviderError, SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.sdk_versions import of_our_api_version
from tests.testing.simulated import told
from tests.testing.stripe_sdk import TEST_KEY, Sdk, sdk_for, served
from tests.testing.worlds import StillWorld

# The SDK's own asynchronous transport uses a parameter that httpx has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

MONTH: Final = timedelta(days=30)


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


@pytest.fixture
def server(sim: SimulatedProvider) -> Iterator[StripeServer]:
    with served(sim) as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, server: StripeServer) -> Iterator[Sdk]:
    with sdk_for(server.url, request.param) as sdk:
        yield sdk


def test_the_sdk_reads_a_subscription_and_its_invoice(
    sdk: Sdk, sim: SimulatedProvider
) -> None:
    reference = sim.controls.start_subscription({"plan": "gold"}, amount=500)
    seen = sdk("subscriptions.retrieve", reference)
    assert (seen.status, seen.metadata["plan"]) == ("active", "gold")
    invoice = sdk("invoices.retrieve", seen.latest_invoice)
    assert (invoice.status, invoice.amount_paid) == ("paid", 500)
    assert invoice.parent.subscription_details.subscription == reference
    until = seen["items"].data[0].current_period_end
    assert invoice.lines.data[0].period.end == until
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        sdk("subscriptions.retrieve", "sub_none")


def test_a_subscription_tells_what_stripe_tells(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    reference = sim.controls.start_subscription()
    updated, paid = "customer.subscription.updated", "invoice.paid"
    begun = ["invoice.created", "customer.subscription.created"]
    assert told(sim) == [*begun, paid, "invoice.payment_succeeded", updated]
    assert len({event.created for event in sim.events()}) == 1
    shown = [event.object["status"] for event in sim.events()]
    assert shown == ["open", "incomplete", "paid", "paid", "active"]
    world.time += MONTH
    sim.controls.fail_renewal(reference)
    failed = ["invoice.created", updated, "invoice.payment_failed", updated]
    assert told(sim)[5:] == failed
    assert sim.call("read_subscription", reference)["status"] == "past_due"
    sim.controls.cancel_subscription(reference)
    assert told(sim)[9:] == ["customer.subscription.deleted"]


def test_a_planned_end_comes_with_the_period_or_is_taken_back(
    sim: SimulatedProvider,
) -> None:
    reference = sim.controls.start_subscription()
    sim.controls.cancel_subscription(reference, at_period_end=True)
    sim.controls.keep_subscription(reference)
    sim.controls.renew_subscription(reference)
    assert sim.call("read_subscription", reference)["cancel_at"] is None
    sim.controls.cancel_subscription(reference, at_period_end=True)
    sim.controls.renew_subscription(reference)
    body = sim.call("read_subscription", reference)
    assert (body["status"], body["cancel_at_period_end"]) == ("canceled", True)


def test_what_has_ended_can_only_be_paid(sim: SimulatedProvider) -> None:
    reference = sim.controls.start_subscription()
    sim.controls.fail_renewal(reference)
    sim.controls.cancel_subscription(reference)
    controls = sim.controls
    for act in (controls.renew_subscription, controls.fail_renewal):
        with pytest.raises(ProviderError, match="has ended"):
            act(reference)
    with pytest.raises(ProviderError, match="has ended"):
        controls.keep_subscription(reference)
    invoice = str(sim.call("read_subscription", reference)["latest_invoice"])
    controls.pay_invoice(invoice)
    assert sim.call("read_subscription", reference)["status"] == "canceled"
    with pytest.raises(ProviderError, match="is paid"):
        controls.pay_invoice(invoice)


def test_another_process_steers_a_subscription(server: StripeServer) -> None:
    def act(name: str, **body: object) -> Any:
        return httpx.post(
            f"{server.url}/_test/{name}",
            json=body,
            headers={"Authorization": f"Bearer {TEST_KEY}"},
        ).json()

    started = act("start_subscription", metadata={"a": "b"}, paid=False)["id"]
    act("cancel_subscription", subscription=started)
    body = server.sim.call("read_subscription", started)
    assert (body["status"], body["metadata"]) == ("incomplete_expired", {"a": "b"})


NOT_SENT: Final[dict[Any, set[str]]] = {
    stripe.Subscription: set(),
    # A price and a plan, of which there are none here; the others only say "deleted".
    stripe.SubscriptionItem: {"plan", "price", "deleted", "current_trial"},
    stripe.Invoice: {"deleted"},
}
"""Declared fields that are not sent."""


@of_our_api_version
@pytest.mark.parametrize("kind", NOT_SENT, ids=lambda kind: kind.__name__)
def test_every_declared_field_is_sent(sim: SimulatedProvider, kind: Any) -> None:
    body = sim.call("read_subscription", sim.controls.start_subscription())
    if kind is stripe.SubscriptionItem:
        items: Any = body["items"]
        (body,) = items["data"]
    if kind is stripe.Invoice:
        body = sim.call("read_invoice", str(body["latest_invoice"]))
    declared = {name for name in kind.__annotations__ if name != "OBJECT_NAME"}
    assert declared - body.keys() == NOT_SENT[kind]
    assert body.keys() <= declared
