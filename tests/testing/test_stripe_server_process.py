"""The server as a process of its own, steered from outside."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import stripe

from tests.testing.stripe_sdk import TEST_KEY
from tests.testing.webhook_endpoint import listening

HOLD = {
    "amount": "1000",
    "currency": "usd",
    "capture_method": "manual",
    "automatic_payment_methods[enabled]": "true",
    "automatic_payment_methods[allow_redirects]": "never",
    "payment_method": "pm_card_visa",
    "confirm": "true",
}


@contextmanager
def started(*options: str) -> Iterator[httpx.Client]:
    """Run the server with `options`, and return a client of it."""
    command = [sys.executable, "-m", "paykit.testing.stripe_server", *options]
    headers = {"Authorization": f"Bearer {TEST_KEY}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with started("--port", "0") as client:
        yield client


def create(http: httpx.Client, **params: str) -> dict[str, str]:
    response = http.post("/v1/payment_intents", data=HOLD | params)
    assert response.status_code == 200, response.text
    body: dict[str, str] = response.json()
    return body


def status_of(http: httpx.Client, intent: str) -> object:
    return http.get(f"/v1/payment_intents/{intent}").json()["status"]


def steer(http: httpx.Client, name: str, **args: object) -> httpx.Response:
    return http.post(f"/_test/{name}", json=args)


def test_a_fault_can_be_ordered(http: httpx.Client) -> None:
    order = steer(http, "faults", fault="rate_limit", verb="read_payment")
    assert order.status_code == 200
    intent = create(http)["id"]
    assert http.get(f"/v1/payment_intents/{intent}").status_code == 429
    assert http.get(f"/v1/payment_intents/{intent}").status_code == 200


def test_faults_can_be_called_off(http: httpx.Client) -> None:
    steer(http, "faults", fault="rate_limit")
    steer(http, "clear_faults")
    assert http.get("/v1/events").status_code == 200


def test_the_payer_can_authenticate(http: httpx.Client) -> None:
    intent = create(http, payment_method="pm_card_authenticationRequired")["id"]
    assert status_of(http, intent) == "requires_action"
    steer(http, "complete_authentication", intent=intent)
    assert status_of(http, intent) == "requires_capture"


def test_the_payer_can_fail_to_authenticate(http: httpx.Client) -> None:
    intent = create(http, payment_method="pm_card_authenticationRequired")["id"]
    steer(http, "complete_authentication", intent=intent, success=False)
    assert status_of(http, intent) == "requires_payment_method"


def test_a_hold_can_run_out(http: httpx.Client) -> None:
    intent = create(http)["id"]
    steer(http, "expire", intent=intent)
    assert status_of(http, intent) == "canceled"


def test_pending_refunds_can_settle(http: httpx.Client) -> None:
    intent = create(
        http, payment_method="pm_card_pendingRefund", capture_method="automatic"
    )["id"]
    refund = http.post("/v1/refunds", data={"payment_intent": intent}).json()
    assert refund["status"] == "pending"
    steer(http, "settle_refunds")
    settled = http.get(f"/v1/refunds/{refund['id']}").json()
    assert settled["status"] == "succeeded"


def test_a_slow_debit_settles_and_can_be_returned(http: httpx.Client) -> None:
    intent = create(
        http, payment_method="pm_usBankAccount_success", capture_method="automatic"
    )["id"]
    assert status_of(http, intent) == "processing"
    steer(http, "settle_charges")
    assert status_of(http, intent) == "succeeded"
    assert steer(http, "return_debit", intent=intent).status_code == 200


def test_effects_and_state_can_be_read(http: httpx.Client) -> None:
    intent = create(http)["id"]
    assert http.get("/_test/effects").json()
    assert intent in http.get("/_test/state").text


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("faults", {"fault": "none such"}),
        ("faults", {}),
        ("faults", {"fault": "hang", "times": "two"}),
        ("expire", {"intent": "pi_none"}),
        ("deliver_webhooks", {}),
    ],
)
def test_what_cannot_be_done_is_said(
    http: httpx.Client, name: str, args: dict[str, object]
) -> None:
    refused = http.post(f"/_test/{name}", json=args)
    assert refused.status_code == 400
    assert refused.json()["error"]


def test_an_unknown_control_lists_the_known_ones(http: httpx.Client) -> None:
    refused = steer(http, "explode")
    assert refused.status_code == 404
    assert "POST /_test/faults" in refused.json()["known"]


def test_webhooks_leave_the_process_for_the_url_that_it_was_given() -> None:
    with listening() as endpoint:
        options = ["--webhook-url", endpoint.url, "--webhook-secret", "whsec_cli"]
        with started(*options, "--seed", "1", "--duplicate", "1.0") as http:
            create(http)
            assert http.post("/_test/deliver_webhooks").status_code == 200
            header, body = endpoint.received.get(timeout=20)
    assert stripe.WebhookSignature.verify_header(
        body.decode(), header, "whsec_cli", 300
    )
