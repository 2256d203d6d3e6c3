"""Disputes, payouts, endpoints and the rest, as the official SDK finds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
import stripe

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.sdk_versions import of_our_api_version
from tests.testing.simulated import charge_of, paid
from tests.testing.stripe_sdk import TEST_KEY, Sdk, sdk_for, served
from tests.testing.webhook_endpoint import listening
from tests.testing.worlds import StillWorld

# The SDK's own asynchronous transport uses a parameter that httpx has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

EVERYTHING: Final = {"url": "https://shop.example/hooks", "enabled_events": ["*"]}


@pytest.fixture
def world() -> StillWorld:
    world = StillWorld()
    world.time = datetime.now(UTC).replace(microsecond=0)
    return world


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


def test_a_dispute_is_read_answered_and_closed(
    sdk: Sdk, sim: SimulatedProvider
) -> None:
    payment = paid(sim, "pm_card_createDispute")
    (dispute,) = sdk("disputes.list", {"payment_intent": payment}).data
    assert (dispute.status, dispute.balance_transactions[0].net) == (
        "needs_response",
        -2500,
    )
    with pytest.raises(stripe.InvalidRequestError) as caught:
        sdk("refunds.create", {"payment_intent": payment})
    assert caught.value.code == "charge_disputed"
    evidence = {"uncategorized_text": "winning_evidence"}
    won = sdk("disputes.update", dispute.id, {"evidence": evidence})
    assert won.status == "won"
    assert sdk("disputes.retrieve", dispute.id).evidence_details.submission_count == 1
    other = sim.controls.open_dispute(paid(sim))
    assert sdk("disputes.close", other).status == "lost"


def test_a_payout_is_made_and_canceled(sdk: Sdk, sim: SimulatedProvider) -> None:
    paid(sim, "pm_card_bypassPending")
    assert sdk("balance.retrieve").available[0].amount == 941
    payout = sdk("payouts.create", {"amount": 900, "currency": "usd"})
    assert sdk("payouts.list", {"status": "pending"}).data[0].id == payout.id
    sdk("payouts.update", payout.id, {"metadata": {"run": "1"}})
    assert sdk("payouts.cancel", payout.id).status == "canceled"
    assert sdk("payouts.retrieve", payout.id).metadata["run"] == "1"


def test_an_automatic_payout_is_itemised(sdk: Sdk, sim: SimulatedProvider) -> None:
    paid(sim)
    payout = sim.controls.create_automatic_payout()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        sdk("balance_transactions.list", {"payout": payout})
    assert caught.value.code == "payout_reconciliation_not_ready"
    sim.controls.advance_payout(payout, "in_transit")
    sim.controls.advance_payout(payout, "paid")
    found = sdk("balance_transactions.list", {"payout": payout}).data
    assert [row.net for row in found] == [-941, 941]


def test_the_sdk_reads_events_in_the_order_they_happened(
    sim: SimulatedProvider, server: StripeServer
) -> None:
    for _ in range(5):
        paid(sim)
    events = [event.id for event in sim.events()]
    with sdk_for(server.url, "sync") as sdk:
        page = sdk("events.list", {"ending_before": events[0], "limit": 4})
        assert [event.id for event in page.auto_paging_iter()] == events[1:]
        newest = sdk("events.list", {"limit": 4})
        assert [event.id for event in newest.auto_paging_iter()] == events[::-1]


def test_a_webhook_endpoint_lives_and_dies(sdk: Sdk) -> None:
    made = sdk("webhook_endpoints.create", EVERYTHING)
    assert made.secret.startswith("whsec_")
    assert not hasattr(sdk("webhook_endpoints.retrieve", made.id), "secret")
    updated = sdk("webhook_endpoints.update", made.id, {"disabled": True})
    assert updated.status == "disabled"
    assert sdk("webhook_endpoints.list").data[0].id == made.id
    assert sdk("webhook_endpoints.delete", made.id).deleted is True
    assert sdk("webhook_endpoints.list").data == []


def test_a_webhook_endpoint_is_sent_what_it_asked_for(
    sim: SimulatedProvider, server: StripeServer, world: StillWorld
) -> None:
    with listening() as endpoint, sdk_for(server.url, "sync") as sdk:
        wanted = {"url": endpoint.url, "enabled_events": ["charge.succeeded"]}
        made = sdk("webhook_endpoints.create", wanted)
        new = sim.controls.roll_secret(made.id, keep_seconds=60)
        paid(sim)
        server.deliver_webhooks()
        header, body = endpoint.received.get(timeout=20)
        assert endpoint.received.empty()
    for secret in (made.secret, new):
        event = stripe.Webhook.construct_event(body, header, secret)
        assert event.type == "charge.succeeded"


def test_the_sdk_parses_a_thin_notification(
    sim: SimulatedProvider, server: StripeServer
) -> None:
    payment = ""
    with listening() as endpoint, sdk_for(server.url, "sync") as sdk:
        made = sim.controls.add_thin_endpoint(
            endpoint.url, ["v1.payment_intent.succeeded"]
        )
        payment = paid(sim)
        server.deliver_webhooks()
        header, body = endpoint.received.get(timeout=20)
        told: Any = sdk.client.parse_event_notification(
            body, header, made.secrets[0].value
        )
        assert told.type == "v1.payment_intent.succeeded"
        assert told.related_object.id == payment
        related, whole = told.fetch_related_object(), told.fetch_event()
    assert (related.id, related.status) == (payment, "succeeded")
    assert (whole.id, whole.type) == (told.id, told.type)
    assert whole.snapshot_event == sim.events()[-1].id


def test_a_setup_intent_is_confirmed_and_declined(sdk: Sdk) -> None:
    never = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    setup = sdk("setup_intents.create", never)
    with pytest.raises(stripe.CardError) as caught:
        sdk(
            "setup_intents.confirm",
            setup.id,
            {"payment_method": "pm_card_chargeDeclined"},
        )
    error = caught.value.error
    assert error is not None
    assert error.setup_intent is not None
    assert error.setup_intent.id == setup.id
    done = sdk("setup_intents.confirm", setup.id, {"payment_method": "pm_card_visa"})
    assert done.status == "succeeded"
    other = sdk("setup_intents.create", never)
    assert sdk("setup_intents.cancel", other.id).status == "canceled"


def test_reviews_and_warnings_are_read(sdk: Sdk, sim: SimulatedProvider) -> None:
    payment = paid(sim)
    review = sim.controls.open_review(payment)
    assert sdk("reviews.list").data[0].id == review
    assert sdk("reviews.approve", review).closed_reason == "approved"
    warning = sim.controls.warn_of_fraud(payment)
    found = sdk("radar.early_fraud_warnings.list", {"payment_intent": payment}).data
    assert [row.id for row in found] == [warning]
    assert sdk("radar.early_fraud_warnings.retrieve", warning).actionable is True


def test_search_is_behind_and_turns_its_pages(
    sim: SimulatedProvider, server: StripeServer, world: StillWorld
) -> None:
    made = [paid(sim, metadata={"op": "1"}) for _ in range(5)]
    query = {"query": "metadata['op']:'1' AND status:'succeeded'", "limit": 2}
    with sdk_for(server.url, "sync") as sdk:
        assert sdk("payment_intents.search", query).data == []
        world.time += timedelta(minutes=1)
        page = sdk("payment_intents.search", query)
        assert [row.id for row in page.auto_paging_iter()] == made[::-1]
        charges = sdk("charges.search", {"query": "amount:1000"}).data
    assert len(charges) == 5


def test_a_test_clock_is_advanced(sdk: Sdk) -> None:
    clock = sdk("test_helpers.test_clocks.create", {"frozen_time": 1_900_000_000})
    later = {"frozen_time": 1_900_000_060}
    assert (
        sdk("test_helpers.test_clocks.advance", clock.id, later).status == "advancing"
    )
    ready = sdk("test_helpers.test_clocks.retrieve", clock.id)
    assert (ready.status, ready.frozen_time) == ("ready", 1_900_000_060)
    assert sdk("test_helpers.test_clocks.delete", clock.id).deleted is True


def test_another_process_can_steer_it(
    sim: SimulatedProvider, server: StripeServer
) -> None:
    def ask(name: str, **args: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TEST_KEY}"}
        url = f"{server.url}/_test/{name}"
        return httpx.post(url, json=args, headers=headers)

    payment, *_ = (paid(sim) for _ in range(3))
    dispute = ask("open_dispute", payment=payment, amount=5).json()["id"]
    assert ask("resolve_dispute", dispute=dispute, outcome="won").json() == {}
    assert sim.call("read_dispute", dispute)["status"] == "won"
    payout = ask("create_automatic_payout", currency="usd").json()["id"]
    assert ask("advance_payout", payout=payout, status="failed").status_code == 200
    thin = ask("add_thin_endpoint", url="http://127.0.0.1:1/").json()
    rolled = ask("roll_secret", endpoint=thin["id"], keep_seconds=5).json()
    assert rolled["secret"] != thin["secret"]
    for wrong in (
        ask("open_dispute", payment=7),
        ask("open_dispute", payment=payment, colour="red"),
        ask("open_dispute"),
        ask("open_dispute", payment=payment, kind="boredom"),
        ask("resolve_dispute", dispute=dispute, outcome="lost"),
    ):
        assert (wrong.status_code, list(wrong.json())) == (400, ["error"])


# --- every field that the SDK declares ------------------------------------------------

Make = Callable[[SimulatedProvider], Mapping[str, object]]


def _dispute(sim: SimulatedProvider) -> Mapping[str, object]:
    return sim.call("read_dispute", sim.controls.open_dispute(paid(sim)))


def _review(sim: SimulatedProvider) -> Mapping[str, object]:
    return sim.call("read_review", sim.controls.open_review(paid(sim)))


def _warning(sim: SimulatedProvider) -> Mapping[str, object]:
    return sim.call("read_warning", sim.controls.warn_of_fraud(paid(sim)))


def _payout(sim: SimulatedProvider) -> Mapping[str, object]:
    paid(sim)
    return sim.call("read_payout", sim.controls.create_automatic_payout())


OBJECTS: Final[dict[type[stripe.StripeObject], Make]] = {
    stripe.Balance: lambda sim: sim.call("read_balance"),
    stripe.Dispute: _dispute,
    stripe.Payout: _payout,
    stripe.Review: _review,
    stripe.SetupIntent: lambda sim: sim.call("create_setup"),
    stripe.WebhookEndpoint: lambda sim: sim.call(
        "create_webhook_endpoint", **EVERYTHING
    ),
    stripe.radar.EarlyFraudWarning: _warning,
    stripe.test_helpers.TestClock: lambda sim: sim.call("create_clock", frozen_time=1),
}

NOT_SENT: Final = {
    (stripe.Balance, "connect_reserved"): "only platforms with connected accounts",
    (stripe.Balance, "instant_available"): "only accounts with instant payouts",
    (stripe.Balance, "issuing"): "only accounts that issue cards",
    (stripe.Balance, "refund_and_dispute_prefunding"): "only accounts that prefund",
    (stripe.WebhookEndpoint, "deleted"): "only the answer to a deletion",
    (stripe.test_helpers.TestClock, "deleted"): "only the answer to a deletion",
}
"""Declared fields that are not sent, each with its reason."""


@of_our_api_version
@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.__name__)
def test_every_declared_field_is_sent(
    sim: SimulatedProvider, kind: type[stripe.StripeObject]
) -> None:
    declared = {name for name in kind.__annotations__ if name != "OBJECT_NAME"}
    body = json.loads(json.dumps(OBJECTS[kind](sim)))
    missing = declared - set(body)
    assert missing == {name for owner, name in NOT_SENT if owner is kind}
    assert set(body) <= declared


@of_our_api_version
def test_every_kind_of_evidence_is_sent(sim: SimulatedProvider) -> None:
    evidence = _dispute(sim)["evidence"]
    assert isinstance(evidence, dict)
    assert set(evidence) == set(stripe.Dispute.Evidence.__annotations__)
    details = _dispute(sim)["evidence_details"]
    assert isinstance(details, dict)
    assert set(details) == set(stripe.Dispute.EvidenceDetails.__annotations__)


def test_a_disputed_charge_says_so(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_createDispute")
    assert charge_of(sim, payment)["disputed"] is True
