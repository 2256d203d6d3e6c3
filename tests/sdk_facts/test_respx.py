"""respx sees a request of the SDK only if httpx carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import httpx
import pytest
import respx
import stripe

from paykit.psp import Succeeded
from paykit.testing.factories import payment_intent
from tests.sdk_facts.clients import KEY, Colour, adapted
from tests.sdk_facts.stub import Stub

API: Final = "https://api.stripe.com"
BODY: Final = {"amount": 100, "currency": "usd", "metadata": {"k": "v"}}


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=API, assert_all_called=False) as router:
        answer = httpx.Response(
            200, json=payment_intent(), headers={"Request-Id": "req_1"}
        )
        router.post("/v1/payment_intents").mock(answer)
        router.post("/v1/payment_intents/pi_test/confirm").mock(answer)
        yield router


def test_a_blocking_httpx_is_intercepted(router: respx.MockRouter) -> None:
    client = stripe.StripeClient(
        KEY, http_client=stripe.HTTPXClient(timeout=5, allow_sync_methods=True)
    )
    paid = client.v1.payment_intents.create(BODY, {"idempotency_key": "k1"})  # type: ignore[arg-type]
    assert (paid.id, paid.status) == ("pi_test", "succeeded")
    assert paid.last_response is not None
    assert paid.last_response.request_id == "req_1"
    sent = router.calls.last.request
    assert sent.content == b"amount=100&currency=usd&metadata[k]=v"
    assert sent.headers["idempotency-key"] == "k1"
    assert sent.headers["stripe-version"] == stripe.api_version


def test_the_asynchronous_path_of_a_default_client_is_intercepted(
    router: respx.MockRouter,
) -> None:
    client = stripe.StripeClient(KEY)
    paid = asyncio.run(client.v1.payment_intents.create_async(BODY))  # type: ignore[arg-type]
    assert paid.id == "pi_test"
    assert router.calls.call_count == 1


def test_the_blocking_path_of_a_default_client_is_not(
    router: respx.MockRouter, stub: Stub
) -> None:
    client = stripe.StripeClient(KEY, base_addresses={"api": stub.url})
    client.v1.payment_intents.create(BODY)  # type: ignore[arg-type]
    assert router.calls.call_count == 0
    assert len(stub.heard) == 1


def test_paykits_adapter_is_intercepted(
    router: respx.MockRouter, colour: Colour
) -> None:
    assert isinstance(adapted(API, colour), Succeeded)
    assert router.calls.call_count == 1
