"""What a payer's browser may ask for: Stripe.js, with a publishable key."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from paykit.testing.simulated import SimulatedProvider
from tests.testing.simulated import opened
from tests.testing.stripe_sdk import served
from tests.testing.worlds import StillWorld

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


@pytest.fixture
def browser(sim: SimulatedProvider) -> Iterator[httpx.Client]:
    with (
        served(sim) as server,
        httpx.Client(
            base_url=f"{server.url}/v1/",
            headers={"Authorization": "Bearer pk_test_simulated", **FORM},
        ) as client,
    ):
        yield client


def secret_of(sim: SimulatedProvider, payment: str) -> str:
    return sim.intent(payment).client_secret


def test_a_browser_confirms_with_the_client_secret(
    browser: httpx.Client, sim: SimulatedProvider
) -> None:
    payment = opened(sim, "pm_card_threeDSecure2Required")
    secret = secret_of(sim, payment)
    confirmed = browser.post(
        f"payment_intents/{payment}/confirm",
        content=f"client_secret={secret}&use_stripe_sdk=true",
    )
    assert confirmed.status_code == 200
    assert confirmed.json()["next_action"]["type"] == "use_stripe_sdk"
    sim.complete_authentication(payment)
    seen = browser.get(f"payment_intents/{payment}", params={"client_secret": secret})
    assert seen.json()["status"] == "succeeded"


@pytest.mark.parametrize("secret", ["pi_1_secret_x", ""])
def test_another_secret_confirms_nothing(
    browser: httpx.Client, sim: SimulatedProvider, secret: str
) -> None:
    payment = opened(sim)
    path = f"payment_intents/{payment}"
    form = f"client_secret={secret}"
    assert browser.post(f"{path}/confirm", content=form).status_code == 400
    assert browser.get(f"{path}?{form}").status_code == 400
    assert sim.intent(payment).status == "requires_confirmation"


def test_without_a_secret_nothing_is_shown(
    browser: httpx.Client, sim: SimulatedProvider
) -> None:
    error = browser.get(f"payment_intents/{opened(sim)}").json()["error"]
    assert (error["code"], error["param"]) == ("parameter_missing", "client_secret")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "payment_intents"),
        ("GET", "payment_intents"),
        ("POST", "payment_intents/PAYMENT"),
        ("POST", "payment_intents/PAYMENT/capture"),
        ("POST", "payment_intents/PAYMENT/cancel"),
        ("POST", "refunds"),
        ("GET", "charges"),
        ("GET", "events"),
    ],
)
def test_everything_else_needs_a_secret_key(
    browser: httpx.Client, sim: SimulatedProvider, method: str, path: str
) -> None:
    payment = opened(sim)
    form = f"client_secret={secret_of(sim, payment)}"
    url = path.replace("PAYMENT", payment)
    reply = browser.request(method, f"{url}?{form}", content=form)
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "secret_key_required"
    assert sim.intent(payment).status == "requires_confirmation"
