"""What we send to Stripe, as it is stored; `golden` holds calls of earlier releases."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from paykit.errors import UsageError
from paykit.money import Money
from paykit.psp import (
    Call,
    CancelPayment,
    CreatePayment,
    CreateRefund,
    FindPayment,
    FindRefund,
    ReadPayment,
    Request,
    Unknown,
)
from paykit.stripe import wire
from tests.stripe.conftest import Send
from tests.stripe.samples import READS, SINCE, WRITES

GOLDEN: Final = Path(__file__).parent / "golden"
REQUESTS: Final[dict[str, Request]] = {**WRITES, **READS}
KEY: Final = "paykit-op_1-1"


def _params(request: Request) -> dict[str, object]:
    params = json.loads(wire.prepare(request, KEY).parameters)["params"]
    assert isinstance(params, dict)
    return params


def _sent(stripe_api: respx.MockRouter, send: Send, call: Call) -> httpx.Request:
    """Send `call` and return the request that Stripe would have had."""
    route = stripe_api.route().mock(httpx.Response(500))
    assert isinstance(send(call), Unknown)
    request: httpx.Request = route.calls.last.request
    return request


def _stored(name: str) -> tuple[Call, str]:
    """Return a stored call, and the body or query that it was sent with."""
    text = (GOLDEN / f"{name}.json").read_text("utf-8")
    stored: dict[str, str] = json.loads(text)
    call = Call(
        verb=stored["verb"],
        parameters=stored["parameters"],
        idempotency_key=stored["idempotency_key"],
    )
    return call, stored["sent"]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_prepared_as_it_always_was(name: str) -> None:
    call, _ = _stored(name)
    assert wire.prepare(REQUESTS[name], KEY) == call


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.json")))
def test_a_stored_call_is_sent_byte_for_byte(
    name: str, stripe_api: respx.MockRouter, send: Send
) -> None:
    call, sent = _stored(name)
    for _ in range(2):
        request = _sent(stripe_api, send, call)
        query = request.url.query.decode()
        assert f"{request.method} {request.url.path}" == sent.partition("\n")[0]
        assert query + request.content.decode() == sent.partition("\n")[2]
        assert request.headers.get("Idempotency-Key") == call.idempotency_key


def test_every_stored_call_is_still_tried() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} >= REQUESTS.keys()


@pytest.mark.parametrize("request_", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("key", [None, "", " ", "a b", "é", "x\n", "k" * 256])
def test_no_write_is_prepared_without_a_usable_key(
    request_: Request, key: str | None
) -> None:
    with pytest.raises(UsageError, match="idempotency key"):
        wire.prepare(request_, key)


@pytest.mark.parametrize("request_", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("key", [None, ""])
def test_no_write_is_sent_without_its_key(
    request_: Request, key: str | None, stripe_api: respx.MockRouter, send: Send
) -> None:
    call = wire.prepare(request_, KEY)
    broken = Call(verb=call.verb, parameters=call.parameters, idempotency_key=key)
    with pytest.raises(UsageError, match="idempotency key"):
        send(broken)
    assert not stripe_api.calls


@pytest.mark.parametrize("request_", READS.values(), ids=READS.keys())
def test_a_read_carries_no_key(request_: Request) -> None:
    assert wire.prepare(request_, KEY).idempotency_key is None


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"method":"delete","path":"/v1/payment_intents/pi_1","params":{}}',
        '{"method":"get","path":1,"params":{}}',
        '{"method":"get","path":"/v1/payment_intents/pi_1","params":[]}',
        "[" * 100_000,
    ],
)
def test_a_broken_stored_call_is_refused_before_anything_is_sent(
    parameters: str, stripe_api: respx.MockRouter, send: Send
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        send(Call(verb="read_payment", parameters=parameters, idempotency_key=KEY))
    assert not stripe_api.calls


@pytest.mark.parametrize("verb", ["create_subscription", "find_payment"])
def test_a_call_of_another_release_is_refused_before_anything_is_sent(
    verb: str, stripe_api: respx.MockRouter, send: Send
) -> None:
    """An unknown verb, and a search that does not say what it looks for."""
    call = wire.prepare(ReadPayment(payment="pi_1"), None)
    with pytest.raises(ValueError, match=verb):
        send(Call(verb=verb, parameters=call.parameters, idempotency_key=None))
    assert not stripe_api.calls


@pytest.mark.parametrize(
    "reference", ["", "..", "pi_1/capture", "pi 1", "pi_1?x=1", "pi_é", "pi_1\n"]
)
def test_an_id_cannot_lead_to_another_path(reference: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        wire.prepare(CancelPayment(payment=reference), KEY)


def test_a_text_that_cannot_be_encoded_is_refused_before_it_is_stored() -> None:
    request = CreatePayment(
        amount=Money(100, "usd"), capture="automatic", description="\ud800"
    )
    with pytest.raises(ValueError, match="surrogates"):
        wire.prepare(request, KEY)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text("aé\x00€😀")))
def test_what_is_stored_is_ascii_and_reads_back_the_same(
    metadata: dict[str, str],
) -> None:
    request = CreatePayment(
        amount=Money(100, "usd"), capture="automatic", metadata=metadata
    )
    call = wire.prepare(request, KEY)
    assert call.parameters.isascii()
    assert wire.read_call(call).params.get("metadata", {}) == metadata


def test_the_order_of_metadata_changes_nothing() -> None:
    one, other = (
        CreatePayment(amount=Money(1, "usd"), capture="manual", metadata=dict(items))
        for items in ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")])
    )
    assert wire.prepare(one, KEY) == wire.prepare(other, KEY)


def test_payment_method_types_is_never_sent() -> None:
    """Removed from the API in 2026-09-30.endive: it is an error there."""
    for request in WRITES.values():
        assert "payment_method_types" not in wire.prepare(request, KEY).parameters


@pytest.mark.parametrize("capture", ["automatic", "manual"])
def test_the_capture_method_is_always_said(capture: str) -> None:
    request = CreatePayment(
        amount=Money(100, "usd"),
        capture="manual" if capture == "manual" else "automatic",
    )
    assert _params(request)["capture_method"] == capture


def test_a_reason_that_stripe_does_not_know_is_not_sent() -> None:
    cancel = CancelPayment(payment="pi_1", reason="out of stock")
    refund = CreateRefund(payment="pi_1", amount=Money(1, "usd"), reason="abandoned")
    assert "cancellation_reason" not in _params(cancel)
    assert "reason" not in _params(refund)


def test_a_search_allows_for_stripes_clock() -> None:
    moment = SINCE.replace(microsecond=999_999)
    request = FindPayment(metadata={"a": "b"}, since=moment)
    oldest = int((SINCE - timedelta(minutes=5)).timestamp())
    assert _params(request)["created"] == {"gte": oldest}


@pytest.mark.parametrize(
    "search",
    [
        FindPayment(metadata={}, since=SINCE),
        FindRefund(payment="pi_1", metadata={}),
    ],
)
def test_a_search_that_anything_would_match_is_refused(
    search: FindPayment | FindRefund,
) -> None:
    with pytest.raises(ValueError, match="needs metadata"):
        wire.prepare(search, None)
