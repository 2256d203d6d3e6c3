"""What good responses mean, for each verb, and how a search pages."""

from __future__ import annotations

import json
from typing import Final

import httpx
import pytest
import respx

from paykit.psp import (
    ActionRequired,
    Answer,
    Declined,
    FindPayment,
    NotExecuted,
    NotSent,
    PaymentSnapshot,
    PaymentStatus,
    Pending,
    RefundSnapshot,
    RefundStatus,
    Request,
    Succeeded,
    Unknown,
)
from paykit.stripe import wire
from paykit.stripe.responses import MOST_PAGES
from tests.stripe.conftest import Send
from tests.stripe.samples import (
    READS,
    SINCE,
    WRITES,
    Json,
    balance_transaction,
    charge,
    error,
    listing,
    payment_intent,
    refund,
)

REQUESTS: Final[dict[str, Request]] = {**WRITES, **READS}

STATUSES: Final = [
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
    "word_of_next_month",
]


def _heard(
    stripe_api: respx.MockRouter,
    send: Send,
    name: str,
    *bodies: Json | httpx.Response | Exception,
) -> Answer:
    """Send the request called `name`; Stripe says `bodies`, one after the other."""
    replies = [
        httpx.Response(200, json=body, headers={"Request-Id": "req_1"})
        if isinstance(body, dict)
        else body
        for body in bodies
    ]
    stripe_api.reset()
    route = stripe_api.route().mock(side_effect=replies)
    answer = send(wire.prepare(REQUESTS[name], "key-1"))
    assert route.call_count == len(bodies)
    return answer


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("create_payment", dict.fromkeys(STATUSES, Succeeded)),
        ("read_payment", dict.fromkeys(STATUSES, Succeeded)),
        (
            "confirm_payment",
            {
                "requires_payment_method": Declined,
                "requires_action": ActionRequired,
                "processing": Pending,
                "requires_capture": Succeeded,
                "succeeded": Succeeded,
            },
        ),
        ("capture_payment", {"processing": Pending, "succeeded": Succeeded}),
        (
            "capture_payment_in_part",
            {
                "requires_capture": Succeeded,
                "processing": Pending,
                "succeeded": Succeeded,
            },
        ),
        (
            "capture_payment_nothing_more",
            {"processing": Pending, "succeeded": Succeeded},
        ),
        ("increment_authorization", {"requires_capture": Succeeded}),
        ("update_payment", dict.fromkeys(STATUSES, Succeeded)),
        ("cancel_payment", {"canceled": Succeeded}),
    ],
)
@pytest.mark.parametrize("status", STATUSES)
def test_a_payment_that_came_back_means_what_was_asked(
    stripe_api: respx.MockRouter,
    send: Send,
    name: str,
    meant: dict[str, type[Answer]],
    status: str,
) -> None:
    answer = _heard(stripe_api, send, name, payment_intent(status))
    assert type(answer) is meant.get(status, Unknown)
    assert answer.request_id == "req_1"
    if not isinstance(answer, Unknown):
        assert isinstance(answer, Succeeded | ActionRequired | Pending | Declined)
        assert isinstance(answer.snapshot, PaymentSnapshot)
        assert answer.snapshot.raw_status == status


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("pending", Pending),
        ("requires_action", Pending),
        ("succeeded", Succeeded),
        ("failed", Succeeded),
        ("canceled", Succeeded),
        ("word_of_next_month", Succeeded),
    ],
)
def test_a_refund_that_was_made_is_shown_as_it_is(
    stripe_api: respx.MockRouter,
    send: Send,
    status: str,
    kind: type[Pending] | type[Succeeded],
) -> None:
    answer = _heard(stripe_api, send, "create_refund", refund(status))
    assert isinstance(answer, kind)
    assert isinstance(answer.snapshot, RefundSnapshot)
    assert answer.snapshot.raw_status == status


@pytest.mark.parametrize("status", ["pending", "succeeded", "failed"])
def test_a_read_refund_is_a_success_whatever_its_status(
    stripe_api: respx.MockRouter, send: Send, status: str
) -> None:
    answer = _heard(stripe_api, send, "read_refund", refund(status))
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, RefundSnapshot)
    assert answer.snapshot.status is RefundStatus(status)


def test_an_expired_authorization_is_a_canceled_one(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    intent = payment_intent("canceled", cancellation_reason="expired")
    answer = _heard(stripe_api, send, "cancel_payment", intent)
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, PaymentSnapshot)
    assert answer.snapshot.status is PaymentStatus.EXPIRED


def test_a_decline_in_a_good_response_keeps_its_reason(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    failure = {"code": "card_declined", "decline_code": "do_not_honor"}
    intent = payment_intent("requires_payment_method", last_payment_error=failure)
    answer = _heard(stripe_api, send, "confirm_payment", intent)
    assert isinstance(answer, Declined)
    assert answer.decline.decline_code == "do_not_honor"


def test_a_confirmed_payment_comes_with_its_charge(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    intent = payment_intent(latest_charge=charge())
    answer = _heard(stripe_api, send, "confirm_payment", intent)
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, PaymentSnapshot)
    assert answer.snapshot.charge is not None
    assert answer.snapshot.charge.reference == "ch_1"


@pytest.mark.parametrize("replayed", [True, False])
def test_a_replayed_answer_says_so(
    stripe_api: respx.MockRouter, send: Send, replayed: bool
) -> None:
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    response = httpx.Response(200, json=payment_intent(), headers=headers)
    assert _heard(stripe_api, send, "create_payment", response).replayed is replayed


# --- searches -------------------------------------------------------------------------


def _other(number: int) -> Json:
    return payment_intent(id=f"pi_other_{number}", metadata={"paykit_operation": "x"})


def test_a_search_finds_what_carries_all_the_metadata(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    ours = payment_intent(metadata={"paykit_operation": "op_1", "more": "than that"})
    page = listing(_other(1), payment_intent(id="pi_bare", metadata={}), ours)
    answer = _heard(stripe_api, send, "find_payment", page)
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, PaymentSnapshot)
    assert answer.snapshot.reference == "pi_1"


@pytest.mark.parametrize("name", ["find_payment", "find_refund"])
def test_two_finds_in_place_of_one_are_no_evidence(
    stripe_api: respx.MockRouter, send: Send, name: str
) -> None:
    """A refund that was made twice must reach a person, not be taken for the one."""
    wanted = json.loads(wire.prepare(READS[name], None).parameters)["match"]
    twice = (payment_intent, refund)[name == "find_refund"]
    page = listing(twice(id="x_1", metadata=wanted), twice(id="x_2", metadata=wanted))
    answer = _heard(stripe_api, send, name, page)
    assert isinstance(answer, Unknown)
    assert "2 objects" in answer.reason


def test_a_search_compares_every_item_of_the_metadata(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    request = FindPayment(metadata={"a": "1", "b": "2"}, since=SINCE)
    page = listing(payment_intent(metadata={"a": "1", "b": "3"}))
    stripe_api.route().mock(httpx.Response(200, json=page))
    answer = send(wire.prepare(request, None))
    assert isinstance(answer, Succeeded)
    assert answer.snapshot is None


def test_a_search_goes_on_from_page_to_page(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    first = listing(_other(1), _other(2), has_more=True)
    answer = _heard(
        stripe_api, send, "find_payment", first, listing(_other(3), payment_intent())
    )
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, PaymentSnapshot)
    one, two = (call.request.url.params for call in stripe_api.calls)
    assert "starting_after" not in one
    assert two["starting_after"] == "pi_other_2"
    assert two["created[gte]"] == one["created[gte]"]


@pytest.mark.parametrize("name", ["find_payment", "find_refund"])
def test_a_search_that_saw_everything_is_definite(
    stripe_api: respx.MockRouter, send: Send, name: str
) -> None:
    pages = (listing(_other(1), has_more=True), listing())
    answer = _heard(stripe_api, send, name, *pages)
    assert answer == Succeeded(snapshot=None, request_id="req_1")


def test_a_search_that_saw_too_much_is_not_definite(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    pages = [listing(_other(n), has_more=True) for n in range(MOST_PAGES)]
    answer = _heard(stripe_api, send, "find_payment", *pages)
    assert isinstance(answer, Unknown)
    assert "pages" in answer.reason  # and not that a mock ran out of them


@pytest.mark.parametrize(
    "page",
    [
        {"object": "list", "data": []},
        {"object": "list", "data": [], "has_more": None},
        {"object": "list", "data": [], "has_more": True},
        {"object": "list", "has_more": False},
        {"object": "list", "data": {}, "has_more": False},
        {"object": "list", "data": [None], "has_more": False},
        {"object": "search_result", "data": [], "has_more": False},
        {"data": [], "has_more": False},
        listing(payment_intent(metadata="x")),
        listing(payment_intent(amount=None)),
    ],
)
def test_a_list_that_cannot_be_read_is_not_definite(
    stripe_api: respx.MockRouter, send: Send, page: Json
) -> None:
    assert isinstance(_heard(stripe_api, send, "find_payment", page), Unknown)


def _searched(*things: Json, page: str | None = None) -> Json:
    more = {"has_more": page is not None, "next_page": page}
    return {"object": "search_result", "data": list(things), **more}


def test_an_index_is_searched_page_by_page(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    """Its pages have marks of their own, and its object another name."""
    first = _searched(_other(1), page="after_1")
    last = _searched(payment_intent())
    answer = _heard(stripe_api, send, "search_payments", first, last)
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, PaymentSnapshot)
    one, two = (call.request.url.params for call in stripe_api.calls)
    assert one["query"] == "metadata['paykit_operation']:'op_1'"
    assert (two["query"], two["page"]) == (one["query"], "after_1")
    assert "starting_after" not in two


def test_an_index_may_find_nothing(stripe_api: respx.MockRouter, send: Send) -> None:
    answer = _heard(stripe_api, send, "search_payments", _searched(_other(1)))
    assert answer == Succeeded(snapshot=None, request_id="req_1")
    listed = _heard(stripe_api, send, "search_payments", listing())
    assert isinstance(listed, Unknown)


def test_a_search_that_breaks_off_gives_the_error_of_its_page(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    first = listing(_other(1), has_more=True)
    busy = httpx.Response(429, json=error(code="rate_limit"))
    lost = httpx.ConnectError("refused")
    assert isinstance(
        _heard(stripe_api, send, "find_payment", first, busy), NotExecuted
    )
    assert isinstance(_heard(stripe_api, send, "find_payment", first, lost), NotSent)


def test_a_refund_is_found_among_those_of_its_payment(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    page = listing(refund(id="re_other", metadata={}), refund("pending"))
    answer = _heard(stripe_api, send, "find_refund", page)
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, RefundSnapshot)
    assert answer.snapshot.reference == "re_1"
    assert stripe_api.calls.last.request.url.params["payment_intent"] == "pi_1"


def test_balance_transactions_of_all_pages_are_listed(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    partial = balance_transaction(
        id="txn_2", reporting_category="partial_capture_reversal", amount=-350, fee=0
    )
    answer = _heard(
        stripe_api,
        send,
        "list_balance_transactions",
        listing(balance_transaction(), has_more=True),
        listing(partial),
    )
    assert isinstance(answer, Succeeded)
    assert isinstance(answer.snapshot, tuple)
    assert [found.category for found in answer.snapshot] == [
        "charge",
        "partial_capture_reversal",
    ]
    assert stripe_api.calls.last.request.url.params["source"] == "ch_1"


def test_no_balance_transactions_are_an_empty_list(
    stripe_api: respx.MockRouter, send: Send
) -> None:
    answer = _heard(stripe_api, send, "list_balance_transactions", listing())
    assert isinstance(answer, Succeeded)
    assert answer.snapshot == ()
