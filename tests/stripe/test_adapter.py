"""The two adapters: what they promise to the engine, and what goes out with a call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import pytest
import respx
import stripe

from paykit.psp import (
    AsyncPsp,
    Psp,
    RequestLimits,
    SignatureInvalid,
    Succeeded,
    binding_of,
)
from paykit.stripe import API_VERSION, AsyncStripePsp, StripePsp
from tests.stripe.conftest import Send
from tests.stripe.samples import (
    CREATED,
    READS,
    SECRET_KEY,
    WEBHOOK_SECRET,
    WRITES,
    charge,
    event,
    payment_intent,
    refund,
)

NOW: Final = datetime.fromtimestamp(CREATED, UTC)


@pytest.fixture
def psp() -> Iterator[StripePsp]:
    adapter = StripePsp(SECRET_KEY, webhook_secrets=["whsec_old", WEBHOOK_SECRET])
    yield adapter
    adapter.close()


def test_both_adapters_are_what_the_engine_asks_for(psp: StripePsp) -> None:
    blocking: Psp = psp
    asynchronous: AsyncPsp = AsyncStripePsp(SECRET_KEY)
    assert isinstance(blocking, Psp)
    assert isinstance(asynchronous, AsyncPsp)
    for adapter in (blocking, asynchronous):
        assert adapter.provider == "stripe"
        assert adapter.capabilities.key_retention == timedelta(hours=24)


@pytest.mark.parametrize(
    ("key", "per_second"), [("sk_live_abc", 100), ("sk_test_abc", 25)]
)
def test_the_limits_are_those_of_the_mode_unless_others_were_agreed(
    key: str, per_second: float
) -> None:
    published = RequestLimits(per_second=per_second, per_endpoint=25)
    agreed = RequestLimits(per_second=500, per_endpoint=200)
    assert AsyncStripePsp(key).capabilities.limits == published
    assert AsyncStripePsp(key, limits=agreed).capabilities.limits == agreed
    local = AsyncStripePsp(key, base_url="http://127.0.0.1:1")
    assert local.capabilities.limits is None


def test_both_adapters_prepare_the_same_call(psp: StripePsp) -> None:
    asynchronous = AsyncStripePsp(SECRET_KEY)
    for request in (*WRITES.values(), *READS.values()):
        assert psp.prepare(request, "key-1") == asynchronous.prepare(request, "key-1")


@pytest.mark.filterwarnings("error")
def test_a_call_goes_out_with_its_key_version_and_credentials(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    route = stripe_api.post("/v1/payment_intents").respond(200, json=payment_intent())
    call = StripePsp(SECRET_KEY).prepare(WRITES["create_payment"], "key-1")
    assert isinstance(send(call), Succeeded)
    headers = route.calls.last.request.headers
    assert headers["Idempotency-Key"] == "key-1"
    assert headers["Stripe-Version"] == API_VERSION
    assert headers["Authorization"] == f"Bearer {SECRET_KEY}"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Stripe-Account" not in headers


def test_a_read_goes_out_without_a_key(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    route = stripe_api.get("/v1/refunds/re_1").respond(200, json=refund())
    assert isinstance(
        send(StripePsp(SECRET_KEY).prepare(READS["read_refund"], "key-1")), Succeeded
    )
    assert "Idempotency-Key" not in route.calls.last.request.headers


def test_a_call_for_a_connected_account_names_it(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    route = stripe_api.post("/v1/refunds").respond(200, json=refund())
    call = StripePsp(SECRET_KEY).prepare(WRITES["create_refund"], "key-1")
    send(call, stripe_account="acct_7")
    assert route.calls.last.request.headers["Stripe-Account"] == "acct_7"


@pytest.mark.parametrize(
    ("account", "stripe_account", "binding"),
    [
        ("default", None, "stripe:default:test"),
        ("eu", None, "stripe:eu:test"),
        ("default", "acct_7", "stripe:acct_7:test"),
        ("eu", "acct_7", "stripe:eu:test"),
    ],
)
def test_two_connected_accounts_are_never_one_binding(
    account: str, stripe_account: str | None, binding: str
) -> None:
    psp = AsyncStripePsp(SECRET_KEY, account=account, stripe_account=stripe_account)
    assert binding_of(psp) == binding


def test_a_host_may_pin_another_version(stripe_api: respx.MockRouter) -> None:
    psp = StripePsp(SECRET_KEY, api_version="2026-09-30.endive")
    route = stripe_api.get("/v1/refunds/re_1").respond(200, json=refund())
    psp.send(psp.prepare(READS["read_refund"], None))
    assert route.calls.last.request.headers["Stripe-Version"] == "2026-09-30.endive"
    body = event("charge.succeeded", charge())
    assert not psp.read_event(body).current
    psp.close()


def test_a_stored_call_goes_out_in_the_version_it_was_prepared_for(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    route = stripe_api.post("/v1/refunds").respond(200, json=refund())
    earlier = StripePsp(SECRET_KEY, api_version="2026-09-30.endive")
    send(earlier.prepare(WRITES["create_refund"], "key-1"))
    earlier.close()
    assert route.calls.last.request.headers["Stripe-Version"] == "2026-09-30.endive"


def test_the_base_url_may_end_in_a_slash(send: Send) -> None:
    with respx.mock(base_url="http://127.0.0.1:12111") as router:
        route = router.get("/v1/refunds/re_1").respond(200, json=refund())
        call = StripePsp(SECRET_KEY).prepare(READS["read_refund"], None)
        send(call, base_url="http://127.0.0.1:12111/")
        assert route.called


def test_one_blocking_adapter_serves_many_threads(
    psp: StripePsp, stripe_api: respx.MockRouter
) -> None:
    route = stripe_api.post("/v1/payment_intents").respond(200, json=payment_intent())
    started = threading.Barrier(8)

    def work(number: int) -> None:
        started.wait()
        psp.send(psp.prepare(WRITES["create_payment"], f"key-{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = {call.request.headers["Idempotency-Key"] for call in route.calls}
    assert sent == {f"key-{number}" for number in range(8)}


def test_a_default_client_waits_as_long_as_it_says(
    stripe_api: respx.MockRouter,
) -> None:
    seen: list[object] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return httpx.Response(200, json=refund())

    stripe_api.get("/v1/refunds/re_1").mock(side_effect=note)
    psp = StripePsp(SECRET_KEY)
    call = psp.prepare(READS["read_refund"], None)
    psp.send(call)
    psp.close()
    asyncio.run(AsyncStripePsp(SECRET_KEY).send(call))
    assert seen == [{"connect": 2.0, "read": 10.0, "write": 5.0, "pool": 2.0}] * 2


# --- webhooks, through the adapter ----------------------------------------------------


@pytest.mark.parametrize("secret", ["whsec_old", WEBHOOK_SECRET])
def test_a_webhook_signed_with_any_secret_is_read(psp: StripePsp, secret: str) -> None:
    body = event("payment_intent.succeeded", payment_intent())
    header = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, timestamp=CREATED
    )
    psp.verify(body, {"stripe-signature": header}, NOW)
    assert psp.read_envelope(body).event_id == "evt_1"
    found = psp.read_event(body)
    assert found.current
    assert found.idempotency_key == "key-1"


def test_an_adapter_without_secrets_takes_no_webhook() -> None:
    body = event("payment_intent.succeeded", payment_intent())
    header = stripe.WebhookSignature.generate_signature_header(
        body.decode(), " ", timestamp=CREATED
    )
    for secrets in ((), ("",), (" ",)):
        psp = AsyncStripePsp(SECRET_KEY, webhook_secrets=secrets)
        with pytest.raises(SignatureInvalid, match="no webhook secret"):
            psp.verify(body, {"stripe-signature": header}, NOW)
