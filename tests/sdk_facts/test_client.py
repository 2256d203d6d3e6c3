"""What a `StripeClient` does with options, parameters, pages, secrets and logs."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest
import stripe

from paykit import InvalidMoney, Money
from paykit.psp import Succeeded
from paykit.stripe import AsyncStripePsp, StripePsp
from paykit.testing.factories import payment_intent
from paykit.testing.simulated import SimulatedProvider
from tests.sdk_facts.clients import (
    CONFIRM,
    KEY,
    Colour,
    Sdk,
    adapted,
    confirm,
    official,
    official_http,
)
from tests.sdk_facts.stub import Said, Stub
from tests.sdk_versions import of_sdk_16
from tests.testing.stripe_sdk import served

# --- versions -------------------------------------------------------------------------


def test_the_sdk_asks_for_the_version_of_the_api_that_it_was_made_for(
    stub: Stub, sdk: Sdk
) -> None:
    confirm(sdk)
    assert stub.heard[0].headers["stripe-version"] == stripe.api_version


def test_a_pinned_version_is_asked_for(stub: Stub, colour: Colour) -> None:
    with official(stub.url, colour, stripe_version="2025-01-27.acacia") as sdk:
        confirm(sdk)
    assert stub.heard[0].headers["stripe-version"] == "2025-01-27.acacia"


def test_objects_are_no_dicts(sdk: Sdk) -> None:
    paid = confirm(sdk)
    assert not isinstance(paid, dict)
    assert not hasattr(paid, "get") or "get" in paid.to_dict()
    assert paid.to_dict()["id"] == "pi_test"


# --- options --------------------------------------------------------------------------


def test_options_of_one_request_become_headers(stub: Stub, sdk: Sdk) -> None:
    options = {
        "api_key": "sk_test_other",
        "idempotency_key": "k",
        "stripe_account": "acct_1",
        "stripe_context": "ctx_1",
        "stripe_version": "2025-01-27.acacia",
        "headers": {"X-Mine": "1"},
    }
    sdk("payment_intents.confirm", "pi_test", {}, options)
    headers = stub.heard[0].headers
    assert {
        "authorization": "Bearer sk_test_other",
        "idempotency-key": "k",
        "stripe-account": "acct_1",
        "stripe-context": "ctx_1",
        "stripe-version": "2025-01-27.acacia",
        "x-mine": "1",
    }.items() <= headers.items()


def test_no_option_gives_one_request_a_timeout() -> None:
    assert set(stripe.RequestOptions.__annotations__) == {
        "api_key",
        "stripe_version",
        "stripe_account",
        "stripe_context",
        "max_network_retries",
        "idempotency_key",
        "content_type",
        "headers",
    }


def test_a_client_with_a_transport_takes_no_proxy() -> None:
    with pytest.raises(ValueError, match="http_client"):
        stripe.StripeClient(KEY, http_client=official_http("sync"), proxy="http://x")


def test_services_without_a_version_are_deprecated(stub: Stub) -> None:
    client = stripe.StripeClient(KEY, base_addresses={"api": stub.url})
    with pytest.warns(DeprecationWarning, match="v1"):
        _ = client.payment_intents


# --- responses ------------------------------------------------------------------------


def test_the_last_response_tells_of_the_exchange(stub: Stub, sdk: Sdk) -> None:
    replayed = {"Idempotent-Replayed": "true", "Original-Request": "req_first"}
    stub.say(Said(headers=replayed | {"Idempotency-Key": "k", "Stripe-Version": "v"}))
    last = confirm(sdk).last_response
    assert (last.code, last.request_id, last.idempotency_key) == (200, "req_stub", "k")
    assert json.loads(last.body) == last.data == payment_intent()
    assert isinstance(last.body, str)
    assert last.headers["Idempotent-Replayed"] == "true"
    assert last.headers["Original-Request"] == "req_first"
    assert last.headers["Stripe-Version"] == "v"


def test_a_raw_request_builds_no_object(sdk: Sdk) -> None:
    raw = sdk.raw("get", "/v1/payment_intents/pi_test")
    assert type(raw) is stripe.StripeResponse
    assert type(raw.data) is not stripe.PaymentIntent
    assert raw.data == payment_intent()


# --- pages ----------------------------------------------------------------------------


@pytest.fixture
def history(colour: Colour) -> Iterator[tuple[Sdk, list[str]]]:
    """The local Stripe with six payments, and their events, oldest first."""
    sim = SimulatedProvider()
    for _ in range(6):
        sim.call("create_payment", amount=500, currency="usd")
    with served(sim) as server, official(server.url, colour) as sdk:
        yield sdk, [event.id for event in sim.events()]


def test_pages_before_an_object_are_read_oldest_first(
    history: tuple[Sdk, list[str]],
) -> None:
    sdk, events = history
    page = sdk("events.list", {"ending_before": events[0], "limit": 2})
    assert [one.id for one in sdk.all(page)] == events[1:]


def test_pages_without_a_direction_are_read_newest_first(
    history: tuple[Sdk, list[str]],
) -> None:
    sdk, events = history
    page = sdk("events.list", {"limit": 2})
    assert [one.id for one in sdk.all(page)] == events[::-1]


# --- parameters -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, ""),
        (True, "x=true"),
        (False, "x=false"),
        (datetime(2026, 1, 1, tzinfo=UTC), "x=1767225600"),
        ({}, ""),
        ([], ""),
        ("", "x="),
        (["a", "b"], "x[0]=a&x[1]=b"),
        ({"y": {"z": 1}}, "x[y][z]=1"),
        (Decimal("10.50"), "x=10.50"),
        (10.5, "x=10.5"),
        ("ä &=", "x=%C3%A4+%26%3D"),
    ],
    ids=repr,
)
def test_a_parameter_is_sent_as(stub: Stub, sdk: Sdk, value: object, sent: str) -> None:
    sdk("payment_intents.create", {"x": value})
    assert stub.heard[0].body == sent


@pytest.mark.parametrize("amount", [Decimal("10.50"), 10.5, "10"])
def test_paykit_sends_no_amount_that_is_not_an_integer(amount: Any) -> None:
    with pytest.raises(InvalidMoney):
        Money(amount, "usd")


# --- secrets --------------------------------------------------------------------------


def test_a_pickled_object_of_the_sdk_holds_the_key(sdk: Sdk) -> None:
    assert KEY.encode() in pickle.dumps(confirm(sdk))


def test_a_pickled_answer_of_paykit_does_not(stub: Stub, colour: Colour) -> None:
    answer = adapted(stub.url, colour)
    assert isinstance(answer, Succeeded)
    assert KEY.encode() not in pickle.dumps(answer)


@pytest.mark.parametrize("kind", [StripePsp, AsyncStripePsp])
def test_paykits_adapters_are_not_pickled(
    kind: type[StripePsp | AsyncStripePsp],
) -> None:
    with pytest.raises(TypeError, match="secret key"):
        pickle.dumps(kind(KEY))


@of_sdk_16
@pytest.mark.parametrize(
    "error",
    [
        stripe.CardError("no", None, "card_declined"),  # type: ignore[no-untyped-call]
        stripe.APIConnectionError("no", should_retry=True),  # type: ignore[no-untyped-call]
        stripe.RateLimitError("no", http_status=429),
        stripe.InvalidRequestError("no", "amount"),  # type: ignore[no-untyped-call]
        stripe.SignatureVerificationError("no", "t=1"),  # type: ignore[no-untyped-call]
    ],
    ids=lambda error: type(error).__name__,
)
def test_exceptions_can_be_pickled(error: stripe.StripeError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (again.user_message, again.http_status) == ("no", error.http_status)


# --- logs -----------------------------------------------------------------------------

SECRETS = {"client_secret": "pi_test_secret_test", "receipt_email": "payer@shop.test"}


@pytest.fixture
def debugged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "stripe"):
        yield caplog


def test_at_debug_the_sdk_logs_parameters_and_bodies_but_not_the_key(
    stub: Stub, sdk: Sdk, debugged: pytest.LogCaptureFixture
) -> None:
    stub.say(Said(body=payment_intent() | SECRETS))
    sdk("payment_intents.create", {"amount": 5, "receipt_email": "sent@shop.test"})
    assert "sent%40shop.test" in debugged.text
    assert "payer@shop.test" in debugged.text
    assert "pi_test_secret_test" in debugged.text
    assert KEY not in debugged.text


def test_at_debug_the_sdk_logs_no_body_that_came_to_paykit(
    stub: Stub, colour: Colour, debugged: pytest.LogCaptureFixture
) -> None:
    stub.say(Said(body=payment_intent() | SECRETS))
    adapted(stub.url, colour, CONFIRM)
    assert "Post details" in debugged.text  # the logger is on
    assert "payer@shop.test" not in debugged.text
    assert "pi_test_secret_test" not in debugged.text


# --- types ----------------------------------------------------------------------------


@of_sdk_16
def test_a_status_is_an_open_set_of_words() -> None:
    words = stripe.Dispute.__annotations__["status"]
    assert str in get_args(words)
    known = get_args(get_args(words)[0])
    assert {"appeal_needs_response", "appeal_under_review"} <= set(known)


def test_an_error_has_one_of_four_types() -> None:
    declared = stripe.PaymentIntent.LastPaymentError.__annotations__["type"]
    words = next(get_args(one) for one in get_args(declared) if get_args(one))
    assert set(words) == {
        "api_error",
        "card_error",
        "idempotency_error",
        "invalid_request_error",
    }
