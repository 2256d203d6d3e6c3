"""
Every kind of bad answer: the SDK's exception, and what paykit's adapter says.

The SDK takes the class from the HTTP status and leaves ``code`` empty for most classes,
so only the error object in the body tells one 409 or 429 from another.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe

from paykit.psp import (
    Answer,
    Conflict,
    Declined,
    InFlight,
    Misconfigured,
    NotExecuted,
    NotSent,
    Rejected,
    Unknown,
)
from paykit.testing.factories import payment_intent
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.sdk_facts.clients import Colour, Sdk, adapted, confirm, official
from tests.sdk_facts.stub import Said, Stub

HTML = b"<html><body>Bad gateway</body></html>"


def error(kind: str = "invalid_request_error", **details: object) -> dict[str, object]:
    return {"error": {"type": kind, "message": "No.", **details}}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table: what Stripe says, and what becomes of it."""

    said: Said
    raises: type[stripe.StripeError]
    code: str | None
    """What ``e.code`` is."""
    error_code: str | None
    """What ``e.error.code`` is; None also where there is no error object."""
    answer: type[Answer]
    has_error: bool = True
    """Whether there is an ``e.error`` at all."""
    more: dict[str, Any] = field(default_factory=dict)
    """Other attributes of the exception."""


def row(
    status: int,
    body: dict[str, object] | bytes,
    raises: type[stripe.StripeError],
    code: str | None,
    error_code: str | None,
    answer: type[Answer],
    **more: Any,
) -> Row:
    return Row(
        said=Said(status=status, body=body),
        raises=raises,
        code=code,
        error_code=error_code,
        answer=answer,
        has_error=isinstance(body, dict),
        more=more,
    )


STATE: dict[str, Any] = {"payment_intent": payment_intent(status="succeeded")}

ROWS = {
    "402 card_declined": row(
        402,
        error(
            "card_error",
            code="card_declined",
            decline_code="insufficient_funds",
            advice_code="try_again_later",
            network_decline_code="51",
            payment_intent=payment_intent(status="requires_payment_method"),
        ),
        stripe.CardError,
        "card_declined",
        "card_declined",
        Declined,
    ),
    "402 without code": row(
        402, error("card_error"), stripe.CardError, None, None, Declined
    ),
    "400 idempotency_error": row(
        400, error("idempotency_error"), stripe.IdempotencyError, None, None, Rejected
    ),
    "409 idempotency_key_in_use": row(
        409,
        error(code="idempotency_key_in_use"),
        stripe.APIError,
        None,
        "idempotency_key_in_use",
        InFlight,
    ),
    "429 rate_limit": row(
        429,
        error(code="rate_limit"),
        stripe.RateLimitError,
        None,
        "rate_limit",
        NotExecuted,
    ),
    "429 lock_timeout": row(
        429,
        error(code="lock_timeout"),
        stripe.RateLimitError,
        None,
        "lock_timeout",
        NotExecuted,
    ),
    "400 parameter_missing": row(
        400,
        error(code="parameter_missing", param="amount"),
        stripe.InvalidRequestError,
        "parameter_missing",
        "parameter_missing",
        Rejected,
        param="amount",
    ),
    "404 resource_missing": row(
        404,
        error(code="resource_missing", param="intent"),
        stripe.InvalidRequestError,
        "resource_missing",
        "resource_missing",
        Rejected,
        param="intent",
    ),
    **{
        f"400 {code}": row(
            400,
            error(code=code, **STATE),
            stripe.InvalidRequestError,
            code,
            code,
            Conflict,
        )
        for code in (
            "payment_intent_unexpected_state",
            "charge_already_captured",
            "charge_already_refunded",
            "intent_invalid_state",
        )
    },
    "401": row(401, error(), stripe.AuthenticationError, None, None, Misconfigured),
    "403 more_permissions_required": row(
        403,
        error(code="more_permissions_required"),
        stripe.PermissionError,
        None,
        "more_permissions_required",
        Misconfigured,
    ),
    "500": row(500, error("api_error"), stripe.APIError, None, None, Unknown),
    "502 HTML": row(502, HTML, stripe.APIError, None, None, Unknown, request_id=None),
    "503 HTML": row(503, HTML, stripe.APIError, None, None, Unknown, request_id=None),
    "200 truncated": row(
        200, b'{"id": "pi_', stripe.APIError, None, None, Unknown, http_status=200
    ),
    "200 empty": row(200, b"", stripe.APIError, None, None, Unknown, http_status=200),
    "200 HTML": row(200, HTML, stripe.APIError, None, None, Unknown, http_status=200),
    "301": row(301, HTML, stripe.APIError, None, None, Misconfigured, http_status=301),
    "424": row(
        424, error("api_error"), stripe.APIError, None, None, Unknown, http_status=424
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_sdk_raises(row: Row, stub: Stub, sdk: Sdk) -> None:
    stub.say(row.said)
    with pytest.raises(stripe.StripeError) as caught:
        confirm(sdk)
    found = caught.value
    assert type(found) is row.raises
    assert found.code == row.code
    assert (found.error is not None) is row.has_error
    assert getattr(found.error, "code", None) == row.error_code
    assert {name: getattr(found, name) for name in row.more} == row.more
    assert len(stub.heard) == 1


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_adapter_answers(row: Row, stub: Stub, colour: Colour) -> None:
    stub.say(row.said)
    answer = adapted(stub.url, colour)
    assert type(answer) is row.answer
    assert len(stub.heard) == 1


# --- what a row says beside the class -------------------------------------------------


def test_a_declined_card_brings_its_reasons_and_the_payment(
    stub: Stub, sdk: Sdk
) -> None:
    stub.say(ROWS["402 card_declined"].said)
    with pytest.raises(stripe.CardError) as caught:
        confirm(sdk)
    found: Any = caught.value.error
    assert found.decline_code == "insufficient_funds"
    assert found.advice_code == "try_again_later"
    assert found.network_decline_code == "51"
    assert found.payment_intent.status == "requires_payment_method"


def test_the_adapter_tells_the_reasons_of_a_declined_card(
    stub: Stub, colour: Colour
) -> None:
    stub.say(ROWS["402 card_declined"].said)
    answer = adapted(stub.url, colour)
    assert isinstance(answer, Declined)
    assert answer.decline.decline_code == "insufficient_funds"
    assert answer.decline.advice_code == "try_again_later"
    assert answer.snapshot is not None


def test_a_decline_without_a_code_is_an_unknown_reason(
    stub: Stub, colour: Colour
) -> None:
    stub.say(ROWS["402 without code"].said)
    answer = adapted(stub.url, colour)
    assert isinstance(answer, Declined)
    assert answer.decline.code == "unknown"


def test_an_error_about_the_state_shows_the_payment(stub: Stub, sdk: Sdk) -> None:
    stub.say(ROWS["400 payment_intent_unexpected_state"].said)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        confirm(sdk)
    found: Any = caught.value.error
    assert found.payment_intent.status == "succeeded"


def test_a_decline_whose_payment_has_succeeded_is_not_believed(
    stub: Stub, colour: Colour
) -> None:
    stub.say(Said(status=402, body=error("card_error", code="card_declined", **STATE)))
    assert isinstance(adapted(stub.url, colour), Conflict)


def test_for_a_body_that_is_no_json_the_sdk_puts_headers_into_json_body(
    stub: Stub, sdk: Sdk
) -> None:
    stub.say(ROWS["502 HTML"].said)
    with pytest.raises(stripe.APIError) as caught:
        confirm(sdk)
    found: Any = caught.value
    assert found.json_body["Request-Id"] == "req_stub"
    assert found.headers == {}


def test_the_adapter_finds_the_request_id_that_the_sdk_loses(
    stub: Stub, colour: Colour
) -> None:
    stub.say(ROWS["502 HTML"].said)
    answer = adapted(stub.url, colour)
    assert isinstance(answer, Unknown)
    assert answer.request_id == "req_stub"


# --- the local Stripe gives the same answers ------------------------------------------

FAULTS = {
    "key_in_use": "409 idempotency_key_in_use",
    "rate_limit": "429 rate_limit",
    "lock_timeout": "429 lock_timeout",
    "unauthorized": "401",
    "forbidden": "403 more_permissions_required",
    "error_before": "500",
    "error_after": "500",
    "bad_gateway": "502 HTML",
    "unavailable": "503 HTML",
    "truncated": "200 truncated",
    "empty": "200 empty",
}
"""By the name of a fault in the header ``Paykit-Fault``: the row that it is."""


@pytest.fixture
def local() -> Iterator[str]:
    """The address of a local Stripe."""
    with StripeServer(SimulatedProvider()) as server:
        yield server.url


@pytest.mark.parametrize("fault", FAULTS)
def test_the_local_stripe_can_say_the_same(
    local: str, colour: Colour, fault: str
) -> None:
    row = ROWS[FAULTS[fault]]
    body = {"amount": 1000, "currency": "usd"}
    options = {"headers": {"Paykit-Fault": fault}}
    with official(local, colour) as sdk, pytest.raises(stripe.StripeError) as caught:
        sdk("payment_intents.create", body, options)
    found = caught.value
    assert type(found) is row.raises
    assert found.http_status == row.said.status
    assert (found.code, getattr(found.error, "code", None)) == (
        row.code,
        row.error_code,
    )
    assert (found.error is not None) is row.has_error
    assert {name: getattr(found, name) for name in row.more} == row.more


# --- no answer ------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def cut(stub: Stub) -> str:
    """An address that takes the request and hangs up."""
    stub.say(Said(cut=True))
    return stub.url


@pytest.mark.parametrize(
    ("where", "answer"), [("closed_port", NotSent), ("cut", Unknown)]
)
def test_without_an_answer_the_sdk_cannot_tell_sent_from_unsent_and_paykit_can(
    request: pytest.FixtureRequest, colour: Colour, where: str, answer: type[Answer]
) -> None:
    url: str = request.getfixturevalue(where)
    with official(url, colour) as sdk, pytest.raises(stripe.StripeError) as caught:
        confirm(sdk)
    assert type(caught.value) is stripe.APIConnectionError
    assert (caught.value.code, caught.value.error) == (None, None)
    assert type(adapted(url, colour)) is answer
