"""Stripe's lists of events and endpoints: whole pages, in the words of the inbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import pytest
import respx

from paykit.psp import (
    Answer,
    EndpointList,
    EventPage,
    Named,
    PaymentSnapshot,
    Succeeded,
    Unknown,
)
from paykit.stripe import API_VERSION, StripePsp, wire
from paykit.stripe.listing import NEEDED
from tests.stripe.conftest import Send
from tests.stripe.samples import (
    CREATED,
    READS,
    SECRET_KEY,
    event,
    listing,
    payment_intent,
)

WHOLE: Final[dict[str, Any]] = json.loads(
    event("payment_intent.succeeded", payment_intent())
)
OTHER: Final[dict[str, Any]] = json.loads(
    event("customer.created", {"id": "cus_1", "object": "customer"}, id="evt_0")
)


def _ask(router: respx.MockRouter, send: Send, name: str, *bodies: object) -> Answer:
    call = wire.prepare(READS[name], None)
    router.route(path=wire.read_call(call).path).mock(
        side_effect=[httpx.Response(200, json=body) for body in bodies]
    )
    return send(call)


def _page(router: respx.MockRouter, send: Send, body: object) -> EventPage:
    answer = _ask(router, send, "list_events", body)
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, EventPage)
    return answer.snapshot


def test_an_event_of_the_list_is_read_like_a_webhook(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    page = _page(stripe_api, send, listing(WHOLE))
    (listed,) = page.events
    psp = StripePsp(SECRET_KEY)
    assert psp.read_event(listed.body) == psp.read_event(json.dumps(WHOLE).encode())
    assert psp.read_envelope(listed.body).event_id == "evt_1"
    assert isinstance(psp.read_event(listed.body).subject, PaymentSnapshot)


def test_an_event_of_another_version_is_only_named(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    """The list shows it in the version that the account had when it was made."""
    old = {**WHOLE, "api_version": "2019-02-19"}
    (listed,) = _page(stripe_api, send, listing(old)).events
    assert isinstance(StripePsp(SECRET_KEY).read_event(listed.body).subject, Named)


def test_what_paykit_has_no_use_for_is_left_out_and_counts_as_read(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    newer = {**OTHER, "created": CREATED + 60}
    page = _page(stripe_api, send, listing(newer, OTHER, has_more=True))
    assert page.events == ()
    assert page.newest == datetime.fromtimestamp(CREATED + 60, UTC)
    assert page.next == "evt_0"


def test_a_page_is_one_request_and_says_where_the_next_begins(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    page = _page(stripe_api, send, listing(WHOLE, has_more=True))
    assert (page.next, len(stripe_api.calls)) == ("evt_1", 1)
    last = _page(stripe_api, send, listing(WHOLE))
    assert last.next is None


def test_an_object_that_cannot_be_read_is_for_the_inbox_to_park(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    broken = {**WHOLE, "data": {"object": payment_intent(amount="much")}}
    odd = {**WHOLE, "data": "nothing"}
    assert len(_page(stripe_api, send, listing(broken, odd)).events) == 2


@pytest.mark.parametrize(
    "page",
    [
        {"object": "list", "data": [WHOLE]},
        {"object": "list", "data": [], "has_more": True},
        {"object": "list", "data": [WHOLE, None], "has_more": False},
        {"data": [WHOLE], "has_more": False},
        listing(WHOLE, {**WHOLE, "id": None}),
        listing(WHOLE, {**WHOLE, "id": "no id"}),
        listing(WHOLE, {**WHOLE, "type": 7}),
        listing(WHOLE, {**WHOLE, "created": None}),
        listing(WHOLE, payment_intent()),
    ],
)
def test_a_page_that_is_not_whole_is_none(
    stripe_api: respx.MockRouter, send: Send, page: object
) -> None:
    assert isinstance(_ask(stripe_api, send, "list_events", page), Unknown)


def test_a_page_that_ends_in_the_middle_is_none(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    half = json.dumps(listing(WHOLE)).encode()[:-40]
    stripe_api.get("/v1/events").mock(return_value=httpx.Response(200, content=half))
    assert isinstance(send(wire.prepare(READS["list_events"], None)), Unknown)


def _endpoint(**changed: object) -> dict[str, object]:
    return {
        "id": "we_1",
        "object": "webhook_endpoint",
        "url": "https://shop.example/hook",
        "status": "enabled",
        "enabled_events": ["*"],
        "api_version": None,
        **changed,
    }


def test_endpoints_say_what_is_wrong_with_them(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    answer = _ask(
        stripe_api,
        send,
        "list_webhook_endpoints",
        listing(
            _endpoint(),
            _endpoint(status="disabled", enabled_events=[*NEEDED[:-1], "x.y"]),
            _endpoint(api_version="2019-02-19"),
            _endpoint(api_version=API_VERSION),
        ),
    )
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, EndpointList)
    fine, deaf, old, pinned = answer.snapshot.endpoints
    assert (fine.enabled, fine.unheard, fine.current) == (True, (), True)
    assert (deaf.enabled, deaf.unheard) == (False, NEEDED[-1:])
    assert (old.current, pinned.current) == (False, True)


def test_more_endpoints_than_there_can_be_are_no_list(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    body = listing(_endpoint(), has_more=True)
    assert isinstance(_ask(stripe_api, send, "list_webhook_endpoints", body), Unknown)
