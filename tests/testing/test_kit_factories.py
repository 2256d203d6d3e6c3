"""The factories' bodies are whole, consistent, and readable by everybody who reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
import stripe

from paykit.psp import (
    ChargeSnapshot,
    PaymentSnapshot,
    PaymentStatus,
    RefundSnapshot,
    RefundStatus,
)
from paykit.stripe import StripePsp
from paykit.stripe import objects as read
from paykit.stripe.wire import API_VERSION as TESTED_WITH
from paykit.testing.factories import (
    API_VERSION,
    Json,
    charge,
    dispute,
    event,
    payment_intent,
    refund,
    thin_event,
)
from tests.sdk_versions import of_our_api_version

KINDS: list[tuple[Callable[[], Json], type[stripe.StripeObject]]] = [
    (payment_intent, stripe.PaymentIntent),
    (charge, stripe.Charge),
    (refund, stripe.Refund),
    (dispute, stripe.Dispute),
]

NOT_SENT: dict[type[stripe.StripeObject], set[str]] = {
    # Only in events of connected accounts.
    stripe.Event: {"account"},
}


def fields_of(kind: type[stripe.StripeObject]) -> set[str]:
    """Return the fields that the SDK declares, but for what it adds itself."""
    declared = {name for name in kind.__annotations__ if not name.startswith("_")}
    return declared - {"OBJECT_NAME"} - NOT_SENT.get(kind, set())


def words_of(kind: type[stripe.StripeObject], name: str) -> list[str]:
    """Return the values that the SDK names for a field."""
    options = get_args(kind.__annotations__[name])
    return [word for option in options for word in get_args(option)]


@of_our_api_version
@pytest.mark.parametrize(("make", "kind"), KINDS)
def test_a_body_has_every_field_of_the_sdks_type_and_no_other(
    make: Callable[[], Json], kind: type[stripe.StripeObject]
) -> None:
    assert set(make()) == fields_of(kind)


def test_an_event_has_every_field_of_the_sdks_type() -> None:
    assert set(event("charge.captured", charge())) == fields_of(stripe.Event)


def test_the_version_is_the_one_that_the_adapter_reads() -> None:
    assert API_VERSION == TESTED_WITH


@pytest.mark.parametrize("status", words_of(stripe.PaymentIntent, "status"))
def test_the_totals_of_a_payment_follow_from_its_status(status: str) -> None:
    seen = read.payment(payment_intent(amount=500, status=status))
    assert isinstance(seen, PaymentSnapshot)
    assert seen.raw_status == status
    held = 500 if seen.status is PaymentStatus.AUTHORIZED else 0
    taken = 500 if seen.status is PaymentStatus.SUCCEEDED else 0
    assert (seen.capturable, seen.captured) == (held, taken)
    assert (seen.next_action is not None) == (status == "requires_action")


@pytest.mark.parametrize("status", ["succeeded", "pending", "failed"])
def test_a_charge_is_captured_only_if_it_succeeded(status: str) -> None:
    seen = read.charge(charge(amount=500, status=status))
    assert isinstance(seen, ChargeSnapshot)
    assert seen.captured == (500 if status == "succeeded" else 0)
    assert (seen.decline is not None) == (status == "failed")


def test_a_charge_that_is_refunded_says_so_in_both_fields() -> None:
    assert charge(refunded=True)["amount_refunded"] == 1000
    assert charge(amount_refunded=1000)["refunded"] is True
    assert charge(amount_refunded=999)["refunded"] is False


@pytest.mark.parametrize("status", ["pending", "succeeded", "failed", "canceled"])
def test_a_refund_tells_why_it_failed(status: str) -> None:
    seen = read.refund(refund(status=status))
    assert isinstance(seen, RefundSnapshot)
    assert seen.status is not RefundStatus.UNRECOGNIZED
    assert (seen.failure_reason is not None) == (status == "failed")


@pytest.mark.parametrize("status", words_of(stripe.Dispute, "status"))
def test_an_inquiry_is_no_chargeback(status: str) -> None:
    body: Any = dispute(status=status)
    inquiry = status.startswith("warning")
    case = body["payment_method_details"]["card"]["case_type"]
    assert case == ("inquiry" if inquiry else "chargeback")
    assert body["is_charge_refundable"] is inquiry


def test_what_is_told_wins_over_what_follows() -> None:
    body = payment_intent(status="succeeded", amount_received=7, latest_charge=None)
    assert (body["amount_received"], body["latest_charge"]) == (7, None)


def test_two_bodies_share_nothing() -> None:
    first: Any = payment_intent(status="requires_action")
    first["next_action"]["redirect_to_url"]["url"] = "changed"
    first["metadata"]["a"] = "b"
    second: Any = payment_intent(status="requires_action")
    assert second["next_action"]["redirect_to_url"]["url"] != "changed"
    assert second["metadata"] == {}


def test_the_same_event_is_a_duplicate_and_another_one_is_not() -> None:
    paid, held = payment_intent(), payment_intent(status="requires_capture")
    made = [
        event("payment_intent.succeeded", paid),
        event("payment_intent.succeeded", paid),
        event("payment_intent.updated", paid),
        event("payment_intent.updated", held),
        event("payment_intent.updated", held, id="evt_mine"),
    ]
    ids = [one["id"] for one in made]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert ids[-1] == "evt_mine"


def test_the_adapter_reads_an_event_with_its_account_and_what_changed() -> None:
    body: Any = event(
        "charge.updated",
        charge(),
        account="acct_1",
        previous_attributes={"captured": False},
    )
    seen = StripePsp("sk_test_x").read_event(json.dumps(body).encode())
    assert (seen.account, seen.current) == ("acct_1", True)
    assert isinstance(seen.subject, ChargeSnapshot)
    assert body["data"]["previous_attributes"] == {"captured": False}


def test_a_thin_event_names_its_object() -> None:
    body: Any = thin_event("v1.charge.captured", "ch_1", related_type="charge")
    assert "data" not in body
    assert body["related_object"] == {
        "id": "ch_1",
        "type": "charge",
        "url": "/v1/charges/ch_1",
    }
    seen = StripePsp("sk_test_x").read_envelope(json.dumps(body).encode())
    assert (seen.event_id, seen.event_type) == (body["id"], "v1.charge.captured")
