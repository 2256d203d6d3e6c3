"""What Stripe's subscriptions and invoices say, in paykit's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest
import respx
import stripe

from paykit.psp import (
    InvoiceSnapshot,
    InvoiceStatus,
    Named,
    ReadInvoice,
    ReadSubscription,
    Request,
    SubscriptionSnapshot,
    SubscriptionStatus,
    Succeeded,
    Unknown,
)
from paykit.stripe import API_VERSION, billing_objects, wire
from paykit.stripe.fields import Unreadable
from paykit.stripe.webhook import read_event
from tests.sdk_versions import of_our_api_version
from tests.stripe.conftest import Send
from tests.stripe.samples import (
    CREATED,
    Json,
    billed,
    event,
    invoice,
    listing,
    subscription,
)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(CREATED + seconds, UTC)


def test_a_subscription_is_read_whole() -> None:
    ends: Json = {
        "cancel_at_period_end": True,
        "cancel_at": CREATED + 100,
        "canceled_at": CREATED + 50,
    }
    assert billing_objects.subscription(
        {**subscription(), **ends}
    ) == SubscriptionSnapshot(
        reference="sub_1",
        status=SubscriptionStatus.ACTIVE,
        raw_status="active",
        customer="cus_1",
        cancel_at_period_end=True,
        cancel_at=at(100),
        canceled_at=at(50),
        ended_at=None,
        current_period_end=at(100),
        latest_invoice="in_1",
        metadata={"paykit_merchant": "default"},
        created=at(0),
    )


def test_a_subscription_is_billed_until_its_latest_item_is() -> None:
    ends: list[Json] = [{"current_period_end": CREATED + end} for end in (7, 9, 8)]
    items = listing(*ends)
    seen = billing_objects.subscription(subscription(items=items))
    assert seen.current_period_end == at(9)
    none = billing_objects.subscription(subscription(items=listing()))
    assert none.current_period_end is None


def test_what_is_expanded_is_only_named() -> None:
    seen = billing_objects.subscription(
        subscription(customer={"id": "cus_2"}, latest_invoice={"id": "in_2"})
    )
    assert (seen.customer, seen.latest_invoice) == ("cus_2", "in_2")


def test_an_invoice_is_read_whole() -> None:
    assert billing_objects.invoice(invoice()) == InvoiceSnapshot(
        reference="in_1",
        subscription="sub_1",
        status=InvoiceStatus.PAID,
        raw_status="paid",
        billing_reason="subscription_cycle",
        amount_paid=900,
        currency="usd",
        period_start=at(10),
        period_end=at(40),
        paid_at=at(1),
        metadata={"paykit_merchant": "default"},
        created=at(0),
    )


def test_an_invoice_bills_the_latest_period_that_is_charged_for() -> None:
    lines = listing(billed(5, 10, 40), billed(9, 40, 70), billed(-9, 70, 99))
    seen = billing_objects.invoice(invoice(lines=lines))
    assert (seen.period_start, seen.period_end) == (at(40), at(70))


@pytest.mark.parametrize(
    "lines",
    [
        listing(),
        listing(billed(0, 10, 40)),
        listing(billed(900, 10, 40), has_more=True),
    ],
    ids=["none", "nothing", "more"],
)
def test_a_period_that_is_not_shown_is_not_guessed(lines: Json) -> None:
    seen = billing_objects.invoice(invoice(lines=lines))
    assert (seen.period_start, seen.period_end) == (None, None)


def test_an_invoice_may_be_of_no_subscription() -> None:
    for parent in (None, {"type": "quote_details", "subscription_details": None}):
        seen = billing_objects.invoice(invoice(parent=parent))
        assert (seen.subscription, seen.metadata) == (None, {})


@pytest.mark.parametrize("status", ["paid", "void", "framed", None])
def test_the_status_of_an_invoice_is_an_open_word(status: str | None) -> None:
    seen = billing_objects.invoice({**invoice(), "status": status})
    assert seen.raw_status == (status or "")
    known = status in set(InvoiceStatus)
    assert seen.status == (status if known else "unrecognized")


def test_the_status_of_a_subscription_is_an_open_word() -> None:
    seen = billing_objects.subscription(subscription("hibernating"))
    assert seen.status is SubscriptionStatus.UNRECOGNIZED
    assert seen.raw_status == "hibernating"


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (subscription(id=None), "subscription.id"),
        (subscription(items=None), "object.data"),
        (subscription(items=listing({"current_period_end": "soon"})), "period_end"),
        (subscription(ended_at="yesterday"), "subscription.ended_at"),
        (subscription(cancel_at_period_end="yes"), "subscription.cancel_at_period_end"),
        (subscription(metadata={"a": 1}), "subscription.metadata"),
        (subscription(customer=7), "subscription.customer"),
        (subscription(object="payout"), "the object is no subscription"),
    ],
)
def test_a_subscription_that_cannot_be_read_is_named_and_never_guessed(
    broken: Json, complaint: str
) -> None:
    with pytest.raises(Unreadable, match=complaint):
        billing_objects.subscription(broken)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (invoice(id=None), "invoice.id"),
        (invoice(amount_paid="900"), "invoice.amount_paid"),
        (invoice(currency=7), "invoice.currency"),
        (invoice(parent=7), "invoice.parent"),
        (invoice(lines=None), "object.data"),
        (invoice(lines=listing({"amount": 1.5})), "object.amount"),
        (invoice(lines=listing({"amount": 1})), "object.end"),
        (invoice(status_transitions={"paid_at": "x"}), "object.paid_at"),
        (invoice(object="payout"), "the object is no invoice"),
    ],
)
def test_an_invoice_that_cannot_be_read_is_named_and_never_guessed(
    broken: Json, complaint: str
) -> None:
    with pytest.raises(Unreadable, match=complaint):
        billing_objects.invoice(broken)


# -- events and reads ------------------------------------------------------------------


def test_an_event_shows_its_subscription_or_its_invoice() -> None:
    body = event("customer.subscription.updated", subscription())
    expected: object = billing_objects.subscription(subscription())
    assert read_event(body, API_VERSION).subject == expected
    body = event("invoice.paid", invoice())
    assert read_event(body, API_VERSION).subject == billing_objects.invoice(invoice())


@pytest.mark.parametrize("kind", ["invoice.upcoming", "invoice.updated"])
def test_only_a_paid_invoice_is_of_use(kind: str) -> None:
    """``invoice.upcoming`` has no id, and could not even be read."""
    lacking = {name: value for name, value in invoice().items() if name != "id"}
    assert read_event(event(kind, lacking), API_VERSION).subject is None


def test_in_another_version_they_are_only_named() -> None:
    old = subscription(items=None, current_period_end=CREATED)
    body = event("customer.subscription.updated", old, api_version="2019-01-01")
    assert read_event(body, API_VERSION).subject == Named(
        kind="subscription", reference="sub_1", metadata={"paykit_merchant": "default"}
    )
    body = event("invoice.paid", invoice(lines=None), api_version="2019-01-01")
    subject = read_event(body, API_VERSION).subject
    assert subject == Named(kind="invoice", reference="in_1")


READ: Final[list[tuple[Request, Json, object]]] = [
    (
        ReadSubscription(subscription="sub_1"),
        subscription(),
        billing_objects.subscription(subscription()),
    ),
    (ReadInvoice(invoice="in_1"), invoice(), billing_objects.invoice(invoice())),
]


@pytest.mark.parametrize(("request_", "body", "expected"), READ)
def test_a_read_shows_it(
    request_: Request,
    body: Json,
    expected: object,
    stripe_api: respx.MockRouter,
    send: Send,
) -> None:
    stripe_api.route().respond(json=body)
    answer = send(wire.prepare(request_, None))
    assert isinstance(answer, Succeeded)
    assert answer.snapshot == expected
    stripe_api.route().respond(json={**body, "id": None})
    assert isinstance(send(wire.prepare(request_, None)), Unknown)


# -- the SDK's own classes -------------------------------------------------------------


def _declared(kind: Any) -> set[str]:
    return set(kind.__annotations__)


@of_our_api_version
def test_the_sdk_declares_what_is_read() -> None:
    assert _declared(stripe.Subscription) >= subscription().keys()
    assert _declared(stripe.Invoice) >= invoice().keys()
    assert "current_period_end" in _declared(stripe.SubscriptionItem)
    assert {"amount", "period"} <= _declared(stripe.InvoiceLineItem)
    assert {"start", "end"} <= _declared(stripe.InvoiceLineItem.Period)
    details = _declared(stripe.Invoice.Parent.SubscriptionDetails)
    assert {"subscription", "metadata"} <= details
    assert "paid_at" in _declared(stripe.Invoice.StatusTransitions)


@of_our_api_version
def test_the_sdk_has_no_older_places_for_it() -> None:
    assert "current_period_end" not in _declared(stripe.Subscription)
    assert not {"subscription", "paid", "charge"} & _declared(stripe.Invoice)


@of_our_api_version
@pytest.mark.parametrize(
    ("kind", "ours"),
    [(stripe.Subscription, SubscriptionStatus), (stripe.Invoice, InvoiceStatus)],
    ids=["subscription", "invoice"],
)
def test_the_words_for_a_status_are_the_sdks(kind: Any, ours: Any) -> None:
    text = str(kind.__annotations__["status"])
    for status in ours:
        known = f"'{status.value}'" in text
        assert known is (status.value != "unrecognized"), status
