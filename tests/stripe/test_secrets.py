"""The key, the webhook secrets and client secrets appear nowhere (DESIGN law 11)."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
import respx

from paykit.psp import SignatureInvalid, binding_of
from paykit.psp.codec import encode_answer
from paykit.stripe import AsyncStripePsp, StripePsp
from paykit.stripe.wire import prepare
from tests.stripe.conftest import Send
from tests.stripe.samples import (
    CLIENT_SECRET,
    READS,
    SECRET_KEY,
    WEBHOOK_SECRET,
    WRITES,
    error,
    payment_intent,
)

CREATE = prepare(WRITES["create_payment"], "key-1")
CONFIRM = prepare(WRITES["confirm_payment"], "key-2")
INTENTS = "/v1/payment_intents"

Adapter = StripePsp | AsyncStripePsp


@pytest.fixture(params=[StripePsp, AsyncStripePsp])
def psp(request: pytest.FixtureRequest) -> Iterator[Adapter]:
    adapter: Adapter = request.param(SECRET_KEY, webhook_secrets=[WEBHOOK_SECRET])
    yield adapter
    if isinstance(adapter, StripePsp):
        adapter.close()


def assert_no_secret(text: str) -> None:
    for secret in (SECRET_KEY, WEBHOOK_SECRET, CLIENT_SECRET):
        assert secret not in text


def test_an_adapter_shows_what_it_is_and_no_secret(psp: Adapter) -> None:
    for shown in (repr(psp), str(psp), f"{psp}", f"{[psp]}"):
        assert type(psp).__name__ in shown
        assert_no_secret(shown)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_adapter_is_neither_pickled_nor_copied(
    psp: Adapter, copied: Callable[[object], object]
) -> None:
    with pytest.raises(TypeError) as refusal:
        copied(psp)
    assert_no_secret(str(refusal.value))


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        SECRET_KEY + "\n",
        " " + SECRET_KEY,
        SECRET_KEY + "\N{CYRILLIC SMALL LETTER A}",
        SECRET_KEY.replace("sk_", "pk_"),
        SECRET_KEY.replace("test", "prod"),
        WEBHOOK_SECRET,
        f"Bearer {SECRET_KEY}",
        "sk_test_",
    ],
)
@pytest.mark.parametrize("adapter", [StripePsp, AsyncStripePsp])
def test_what_is_no_secret_key_is_refused_without_showing_it(
    adapter: type[Adapter], key: str
) -> None:
    with pytest.raises(ValueError, match="secret key") as refusal:
        adapter(key)
    assert len(key) < 10 or key.strip() not in str(refusal.value)
    assert_no_secret(str(refusal.value))


@pytest.mark.parametrize("adapter", [StripePsp, AsyncStripePsp])
def test_one_webhook_secret_in_place_of_a_list_is_refused(
    adapter: type[Adapter],
) -> None:
    # As a list of letters, "w" would be a secret that anybody can sign with.
    with pytest.raises(ValueError, match="webhook_secrets") as refusal:
        adapter(SECRET_KEY, webhook_secrets=WEBHOOK_SECRET)
    assert_no_secret(str(refusal.value))


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("sk_test_1", "test"),
        ("rk_test_1", "test"),
        ("sk_live_1", "live"),
        ("rk_live_1", "live"),
    ],
)
def test_the_key_tells_live_from_test_mode(key: str, mode: str) -> None:
    psp = StripePsp(key)
    assert psp.livemode is (mode == "live")
    assert binding_of(psp) == f"stripe:default:{mode}"
    assert f" {mode}," in repr(psp)
    psp.close()


def test_a_refused_webhook_shows_no_secret(psp: Adapter) -> None:
    headers = {"stripe-signature": "t=1,v1=0"}
    with pytest.raises(SignatureInvalid) as refusal:
        psp.verify(b"{}", headers, datetime(2026, 11, 21, tzinfo=UTC))
    assert_no_secret(f"{refusal.value!r} {refusal.value}")


def test_a_good_answer_shows_its_client_secret_to_nobody_but_the_caller(
    send: Send, stripe_api: respx.MockRouter
) -> None:
    stripe_api.post(INTENTS).respond(200, json=payment_intent("requires_confirmation"))
    answer = send(CREATE)
    assert getattr(answer, "snapshot").client_secret == CLIENT_SECRET  # noqa: B009
    assert_no_secret(repr(answer))
    assert_no_secret(repr(encode_answer(answer)))


_LEAKY = f"the key {SECRET_KEY} and {WEBHOOK_SECRET} and {CLIENT_SECRET}"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 424, 429, 500])
def test_an_answer_masks_secrets_that_stripe_repeats(
    send: Send, stripe_api: respx.MockRouter, status: int
) -> None:
    said = error(message=_LEAKY, payment_intent=payment_intent("processing"))
    stripe_api.post(f"{INTENTS}/pi_1/confirm").respond(status, json=said)
    answer = send(CONFIRM)
    assert_no_secret(repr(answer))
    assert_no_secret(repr(encode_answer(answer)))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 402, 409, 429, 500, 502])
def test_a_body_that_cannot_be_read_is_not_repeated(
    send: Send, stripe_api: respx.MockRouter, status: int
) -> None:
    stripe_api.post(INTENTS).respond(status, html=f"<p>{_LEAKY}</p>")
    assert_no_secret(repr(send(CREATE)))


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, json=payment_intent("requires_confirmation")),
        httpx.Response(402, json=error("card_error", message=_LEAKY)),
        httpx.Response(500, text=_LEAKY),
    ],
    ids=["good", "declined", "broken"],
)
def test_no_secret_is_logged_at_any_level(
    send: Send,
    stripe_api: respx.MockRouter,
    caplog: pytest.LogCaptureFixture,
    response: httpx.Response,
) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("paykit", "httpx", "httpcore"):
            caplog.set_level(logging.DEBUG, logger=name)
        stripe_api.post(INTENTS).mock(response)
        send(CREATE)
    for record in caplog.records:
        if record.name != "stripe":  # its own hazard: see paykit.stripe.transport
            assert_no_secret(record.getMessage())
    assert_no_secret(
        " ".join(r.getMessage() for r in caplog.records if r.name == "paykit")
    )


def test_the_sdks_log_holds_neither_the_key_nor_a_good_body(
    send: Send, stripe_api: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    stripe_api.post(INTENTS).respond(200, json=payment_intent("requires_confirmation"))
    with caplog.at_level(logging.DEBUG, logger="stripe"):
        send(CREATE)
    logged = [r.getMessage() for r in caplog.records if r.name == "stripe"]
    assert logged
    assert_no_secret(" ".join(logged))


def test_a_lost_connection_shows_no_secret_not_even_in_its_cause(
    stripe_api: respx.MockRouter,
) -> None:
    # httpx quotes an illegal header with its value.
    stripe_api.route().mock(side_effect=httpx.LocalProtocolError(_LEAKY))
    psp = AsyncStripePsp(SECRET_KEY)
    assert_no_secret(repr(asyncio.run(psp.send(prepare(READS["read_payment"], None)))))
