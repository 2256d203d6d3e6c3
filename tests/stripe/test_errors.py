"""What Stripe's errors mean, over the real SDK, in both colours."""

from __future__ import annotations

import json
from typing import Final

import httpx
import pytest
import respx
import stripe
from stripe import oauth_error

from paykit.psp import (
    Answer,
    Conflict,
    Declined,
    InFlight,
    Misconfigured,
    NotExecuted,
    PaymentStatus,
    Rejected,
    Unknown,
)
from paykit.stripe import wire
from paykit.stripe.errors import answer_from_error
from tests.stripe.conftest import Send
from tests.stripe.samples import CLIENT_SECRET, WRITES, Json, error, payment_intent

CALL: Final = wire.prepare(WRITES["confirm_payment"], "key-1")
HTML: Final = "<html><body>Bad gateway</body></html>"

Body = Json | str | bytes


def _heard(
    stripe_api: respx.MockRouter,
    send: Send,
    status: int,
    body: Body,
    headers: dict[str, str] | None = None,
) -> Answer:
    content = json.dumps(body) if isinstance(body, dict) else body
    response = httpx.Response(
        status, content=content, headers={"Request-Id": "req_1", **(headers or {})}
    )
    stripe_api.reset()
    route = stripe_api.post("/v1/payment_intents/pi_1/confirm").mock(response)
    answer = send(CALL)
    assert route.call_count == 1, "the SDK repeated the call on its own"
    return answer


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (402, error("card_error", code="card_declined"), Declined),
        (402, error("card_error"), Declined),
        (400, error("card_error", code="expired_card"), Declined),
        (400, error(code="payment_intent_authentication_failure"), Declined),
        (400, error(code="payment_method_provider_decline"), Declined),
        (400, error("idempotency_error"), Rejected),
        (400, error(code="parameter_missing"), Rejected),
        (400, error(), Rejected),
        (404, error(code="resource_missing"), Rejected),
        (400, error(code="payment_intent_unexpected_state"), Conflict),
        (400, error(code="charge_already_captured"), Conflict),
        (400, error(code="charge_already_refunded"), Conflict),
        (400, error(code="charge_expired_for_capture"), Conflict),
        (400, error(code="intent_invalid_state"), Conflict),
        (400, error(code="capture_charge_authorization_expired"), Conflict),
        (400, error(code="capture_unauthorized_payment"), Conflict),
        (400, error(code="status_transition_invalid"), Conflict),
        (402, error("card_error", code="a_code_of_next_month"), Declined),
        (400, error(code="a_code_of_next_month"), Rejected),
        (401, error(code="api_key_expired"), Misconfigured),
        (401, error(), Misconfigured),
        (403, error(code="more_permissions_required"), Misconfigured),
        (409, error("idempotency_error", code="idempotency_key_in_use"), InFlight),
        (409, error(), InFlight),
        (400, error(code="idempotency_key_in_use"), InFlight),
        (409, error(code="lock_timeout"), NotExecuted),
        (429, error(code="rate_limit"), NotExecuted),
        (429, error(code="lock_timeout"), NotExecuted),
        (429, error(), NotExecuted),
        (400, error(code="rate_limit"), NotExecuted),
        (400, error(code="lock_timeout"), NotExecuted),
        (424, error("api_error"), Unknown),
        (500, error("api_error"), Unknown),
        (500, "", Unknown),
        (502, HTML, Unknown),
        (503, HTML, Unknown),
        (504, HTML, Unknown),
        (429, HTML, Unknown),
        (402, HTML, Unknown),
        (418, error("new_error"), Unknown),
        (301, HTML, Misconfigured),
        (302, "", Misconfigured),
        (307, error(), Misconfigured),
        (200, "", Unknown),
        (200, HTML, Unknown),
        (200, '{"id": "pi_1", "object": "payment_int', Unknown),
        (200, b"\xff\xfe\x00", Unknown),
        (200, "null", Unknown),
        (200, "[]", Unknown),
        (200, "{}", Unknown),
        (200, payment_intent(amount="1050"), Unknown),
        (200, payment_intent(object="charge"), Unknown),
        (200, "[" * 100_000, Unknown),
        (500, '{"error": "a word"}', Unknown),
        (400, '{"error": "invalid_grant"}', Unknown),
        (400, '{"error": []}', Unknown),
        (402, error("card_error", code=7, decline_code=[]), Unknown),
    ],
)
def test_every_response_is_one_of_the_answers(
    stripe_api: respx.MockRouter,
    send: Send,
    status: int,
    body: Body,
    kind: type[Answer],
) -> None:
    answer = _heard(stripe_api, send, status, body)
    assert type(answer) is kind


def test_a_decline_carries_its_reasons_and_the_payment(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    body = error(
        "card_error",
        code="card_declined",
        decline_code="stolen_card",
        advice_code="do_not_try_again",
        charge="ch_1",
        message="Your card was declined.",
        payment_intent=payment_intent("requires_payment_method"),
    )
    answer = _heard(stripe_api, send, 402, body)
    assert isinstance(answer, Declined)
    assert answer.decline.code == "card_declined"
    assert answer.decline.decline_code == "stolen_card"
    assert answer.decline.advice_code == "do_not_try_again"
    assert answer.decline.charge == "ch_1"
    assert answer.decline.message == "Your card was declined."
    assert answer.snapshot is not None
    assert answer.snapshot.status is PaymentStatus.REQUIRES_PAYMENT_METHOD


def test_a_decline_whose_payment_cannot_be_read_is_still_a_decline(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    body = error("card_error", code="card_declined", payment_intent={"id": "pi_1"})
    answer = _heard(stripe_api, send, 402, body)
    assert isinstance(answer, Declined)
    assert answer.snapshot is None


@pytest.mark.parametrize("status", ["succeeded", "processing"])
def test_a_decline_of_a_payment_that_went_on_is_read_before_it_is_believed(
    stripe_api: respx.MockRouter, send: Send, status: str
) -> None:
    body = error(
        "card_error", code="card_declined", payment_intent=payment_intent(status)
    )
    assert isinstance(_heard(stripe_api, send, 402, body), Conflict)


def test_a_reused_key_is_told_by_the_errors_type(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    answer = _heard(stripe_api, send, 400, error("idempotency_error", message="No."))
    assert answer == Rejected(
        code="idempotency_error", message="No.", request_id="req_1"
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, error("card_error", code="card_declined")),
        (400, error(code="payment_intent_unexpected_state")),
        (400, error(code="parameter_missing")),
        (500, error("api_error")),
    ],
)
def test_a_replayed_error_says_so(
    stripe_api: respx.MockRouter, send: Send, status: int, body: Body
) -> None:
    replayed = {"Idempotent-Replayed": "true"}
    assert _heard(stripe_api, send, status, body, replayed).replayed
    assert not _heard(stripe_api, send, status, body).replayed


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ""),
        (200, "{}"),
        (401, error()),
        (409, error()),
        (429, error()),
        (502, HTML),
        (500, error("api_error")),
    ],
)
def test_every_answer_names_the_request_to_stripes_support(
    stripe_api: respx.MockRouter, send: Send, status: int, body: Body
) -> None:
    assert _heard(stripe_api, send, status, body).request_id == "req_1"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-1", None), ("nan", None), ("soon", None), ("", None)],
)
def test_a_rate_limit_tells_how_long_to_wait(
    stripe_api: respx.MockRouter, send: Send, header: str, seconds: float | None
) -> None:
    headers = {"Retry-After": header, "Stripe-Rate-Limited-Reason": "endpoint-rate"}
    answer = _heard(stripe_api, send, 429, error(code="rate_limit"), headers)
    assert isinstance(answer, NotExecuted)
    assert answer.retry_after_seconds == seconds
    assert "rate_limit (endpoint-rate)" in answer.reason


@pytest.mark.parametrize(
    ("status", "kind"), [(409, InFlight), (429, NotExecuted), (503, Unknown)]
)
def test_whatever_may_be_sent_again_tells_how_long_to_wait(
    stripe_api: respx.MockRouter, send: Send, status: int, kind: type[Answer]
) -> None:
    answer = _heard(stripe_api, send, status, error(), {"Retry-After": "7"})
    assert isinstance(answer, kind)
    assert isinstance(answer, InFlight | NotExecuted | Unknown)
    assert answer.retry_after_seconds == 7.0


@pytest.mark.parametrize(
    ("says", "kind"), [("true", Unknown), ("false", Rejected), ("soon", Rejected)]
)
def test_a_refusal_that_stripe_takes_back_is_not_final(
    stripe_api: respx.MockRouter, send: Send, says: str, kind: type[Answer]
) -> None:
    headers = {"Stripe-Should-Retry": says}
    answer = _heard(stripe_api, send, 400, error(code="parameter_missing"), headers)
    assert type(answer) is kind


def test_words_that_nobody_knows_are_kept_as_they_came(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    words = {"code": "new_code", "decline_code": "new_word", "advice_code": "new"}
    answer = _heard(stripe_api, send, 402, error("card_error", **words))
    assert isinstance(answer, Declined)
    assert answer.decline.code == "new_code"
    assert answer.decline.decline_code == "new_word"
    assert answer.decline.advice_code == "new"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 409, 429, 500, 301])
def test_no_answer_shows_a_secret_or_a_card_number(
    stripe_api: respx.MockRouter, send: Send, status: int
) -> None:
    secrets = ("sk_live_abc123", CLIENT_SECRET, "4242 4242 4242 4242")
    body = error(message=" ".join(secrets), payment_intent=payment_intent())
    shown = repr(_heard(stripe_api, send, status, body))
    assert not any(secret in shown for secret in secrets)


def test_a_long_message_is_masked_before_it_is_cut(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    """Half a card number would not be recognised as one."""
    message = "x" * 485 + " 4242424242424242"
    assert "4242" not in repr(_heard(stripe_api, send, 400, error(message=message)))


@pytest.mark.parametrize("status", [200, 400, 402, 500])
def test_no_answer_quotes_a_body_that_cannot_be_read(
    stripe_api: respx.MockRouter, send: Send, status: int
) -> None:
    body = json.dumps(payment_intent())[:-20]
    assert CLIENT_SECRET in body
    assert CLIENT_SECRET not in repr(_heard(stripe_api, send, status, body))


@pytest.mark.parametrize(
    "unforeseen",
    [
        ValueError("sk_live_abc123"),
        stripe.StripeError("new"),
        stripe.APIConnectionError("not ours"),  # type: ignore[no-untyped-call]
        stripe.SignatureVerificationError("x", "y"),  # type: ignore[no-untyped-call]
        oauth_error.InvalidGrantError("a", "b"),  # type: ignore[no-untyped-call]
    ],
)
def test_what_nobody_foresaw_is_unknown(unforeseen: Exception) -> None:
    answer = answer_from_error(unforeseen)
    assert isinstance(answer, Unknown)
    assert "sk_live_abc123" not in answer.reason


def test_every_class_of_error_in_the_sdk_has_an_answer() -> None:
    for kind in stripe.StripeError.__subclasses__():
        bare = kind.__new__(kind)
        stripe.StripeError.__init__(bare, "text", http_status=None)
        assert answer_from_error(bare) is not None
