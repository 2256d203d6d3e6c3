"""What the SDK sends again on its own, and under which idempotency key."""

from __future__ import annotations

import random

import pytest
import stripe

from paykit.testing.simulated import SimulatedProvider
from tests.sdk_facts.clients import Colour, Sdk, adapted, confirm, official
from tests.sdk_facts.stub import Said, Stub
from tests.testing.stripe_sdk import served

pytestmark = pytest.mark.usefixtures("at_once")

ERROR = {"error": {"type": "api_error", "message": "No."}}
AGAIN = {"Stripe-Should-Retry": "true"}
NOT_AGAIN = {"Stripe-Should-Retry": "false"}


def said(status: int, headers: dict[str, str] | None = None) -> Said:
    return Said(status=status, body=ERROR, headers=headers or {})


@pytest.mark.parametrize(
    ("answer", "sends"),
    [
        (said(409), 3),
        (said(500), 3),
        (said(503), 3),
        (Said(cut=True), 3),
        (said(429), 1),
        (said(400), 1),
        (said(402), 1),
        (said(424), 1),
        (said(429, AGAIN), 3),
        (said(402, AGAIN), 3),
        (said(500, NOT_AGAIN), 1),
        (said(409, NOT_AGAIN), 1),
        (Said(headers=AGAIN), 3),
    ],
    ids=[
        "409",
        "500",
        "503",
        "a lost connection",
        "not 429",
        "not 400",
        "not 402",
        "not 424",
        "429 if it says so",
        "402 if it says so",
        "not 500 if it says so",
        "not 409 if it says so",
        "200 if it says so",
    ],
)
def test_with_two_retries_the_sdk_repeats(
    stub: Stub, colour: Colour, answer: Said, sends: int
) -> None:
    stub.say(answer)
    with official(stub.url, colour, max_network_retries=2) as sdk:
        try:
            confirm(sdk)
        except stripe.StripeError:
            assert answer.status != 200 or answer.cut
    assert len(stub.heard) == sends


@pytest.mark.parametrize("retries", [None, 0])
def test_a_client_repeats_nothing_by_default_whatever_the_module_says(
    stub: Stub, colour: Colour, retries: int | None
) -> None:
    assert stripe.max_network_retries == 2
    stub.say(said(500))
    client = official(stub.url, colour, max_network_retries=retries)
    with client as sdk, pytest.raises(stripe.APIError):
        confirm(sdk)
    assert len(stub.heard) == 1


def test_a_number_of_retries_can_be_given_for_one_request(stub: Stub, sdk: Sdk) -> None:
    stub.say(said(500), Said())
    sdk("payment_intents.confirm", "pi_test", {}, {"max_network_retries": 1})
    assert len(stub.heard) == 2


@pytest.mark.parametrize(
    "answer", [said(409), said(500), said(429, AGAIN), Said(headers=AGAIN)], ids=repr
)
def test_paykits_adapter_sends_once_whatever_is_said(
    stub: Stub, colour: Colour, answer: Said
) -> None:
    stub.say(answer)
    adapted(stub.url, colour)
    assert len(stub.heard) == 1


def test_a_post_without_a_key_gets_one_that_its_retries_keep(
    stub: Stub, colour: Colour
) -> None:
    stub.say(said(500))
    client = official(stub.url, colour, max_network_retries=2)
    with client as sdk, pytest.raises(stripe.APIError):
        confirm(sdk, key=None)
    keys = [one.headers["idempotency-key"] for one in stub.heard]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_each_new_call_of_the_sdk_gets_a_new_key(stub: Stub, sdk: Sdk) -> None:
    confirm(sdk, key=None)
    confirm(sdk, key=None)
    keys = [one.headers["idempotency-key"] for one in stub.heard]
    assert len(set(keys)) == 2


def test_a_read_has_no_key(stub: Stub, sdk: Sdk) -> None:
    sdk("payment_intents.retrieve", "pi_test")
    assert "idempotency-key" not in stub.heard[0].headers


def test_a_loop_around_the_sdk_without_a_key_charges_twice_and_with_one_once(
    colour: Colour,
) -> None:
    charged = {}
    for key in (None, "key-1"):
        sim = SimulatedProvider()
        with served(sim) as server, official(server.url, colour) as sdk:
            for _ in range(2):
                _pay(sdk, key)
        charged[key] = sum(sim.effects().charges.values())
    assert charged == {None: 2, "key-1": 1}


def _pay(sdk: Sdk, key: str | None) -> None:
    body = {
        "amount": 1000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }
    sdk("payment_intents.create", body, {"idempotency_key": key} if key else {})


def test_a_wait_that_stripe_asks_for_is_not_kept(
    stub: Stub, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    whole = stripe.HTTPClient._sleep_time_seconds

    def noted(self: stripe.HTTPClient, num_retries: int) -> float:
        pauses.append(whole(self, num_retries))
        return pauses[-1]

    monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", noted)
    stub.say(said(429, AGAIN | {"Retry-After": "3600"}), Said())
    with official(stub.url, colour, max_network_retries=1) as sdk:
        confirm(sdk)
    assert pauses == [0.0]


def test_the_pause_doubles_with_jitter_between_half_a_second_and_five(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()  # of at_once
    http = stripe.RequestsClient()
    bounds = {1: (0.5, 0.5), 2: (0.5, 1.0), 3: (1.0, 2.0), 4: (2.0, 4.0), 9: (2.5, 5.0)}
    for jitter in (0.0, 0.37, 1.0):
        monkeypatch.setattr(random, "uniform", lambda low, high, jitter=jitter: jitter)
        for number, (least, most) in bounds.items():
            pause = http._sleep_time_seconds(number)
            assert least <= pause <= most
            if jitter in (0.0, 1.0):
                assert pause == (least if jitter == 0.0 else most)
