"""Signed webhooks for hosts: Stripe's own library and paykit's receivers take them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import stripe

from paykit import WebhookReceiver
from paykit.psp import SignatureInvalid
from paykit.stripe import StripePsp
from paykit.testing.clock import FrozenClock
from paykit.testing.factories import Json, event, payment_intent, thin_event
from paykit.testing.webhooks import SECRET, signed_webhook
from tests.support import Shop, quick

__all__ = ["quick"]

PAID = event("payment_intent.succeeded", payment_intent())
THIN = thin_event("v1.payment_intent.succeeded", "pi_1", related_type="payment_intent")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.mark.parametrize("secret", [SECRET, "whsec_other", "ein Schlüssel"])
@pytest.mark.parametrize(
    "thing", [PAID, THIN, {"name": "Zoë €", "nested": [{}]}, {}], ids=str
)
def test_the_header_is_the_one_of_the_official_sdk(
    clock: FrozenClock, secret: str, thing: Json
) -> None:
    body, headers = signed_webhook(thing, secret=secret, clock=clock)
    theirs = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(clock.now().timestamp())
    )
    assert headers["Stripe-Signature"] == theirs
    assert json.loads(body) == thing


def test_the_official_sdk_reads_a_signed_event() -> None:
    body, headers = signed_webhook(PAID)
    read = stripe.Webhook.construct_event(body, headers["Stripe-Signature"], SECRET)
    assert (read.id, read.type) == (PAID["id"], "payment_intent.succeeded")


def test_the_official_sdk_reads_a_thin_event() -> None:
    body, headers = signed_webhook(THIN)
    client = stripe.StripeClient("sk_test_x")
    read = client.parse_event_notification(body, headers["Stripe-Signature"], SECRET)
    assert read.type == "v1.payment_intent.succeeded"


@pytest.mark.parametrize(
    ("minutes", "accepted"), [(0, True), (-4, True), (4, True), (-6, False), (6, False)]
)
def test_a_skewed_signature_is_judged_by_its_age(
    clock: FrozenClock, minutes: int, accepted: bool
) -> None:
    psp = StripePsp("sk_test_x", webhook_secrets=[SECRET])
    skew = timedelta(minutes=minutes)
    body, headers = signed_webhook(PAID, clock=clock, skew=skew)
    lower = {name.lower(): value for name, value in headers.items()}
    if accepted:
        psp.verify(body, lower, clock.now())
    else:
        with pytest.raises(SignatureInvalid):
            psp.verify(body, lower, clock.now())


def test_bytes_are_signed_as_they_are(clock: FrozenClock) -> None:
    body, headers = signed_webhook(b"\xff{", clock=clock)
    assert body == b"\xff{"
    lower = {name.lower(): value for name, value in headers.items()}
    StripePsp("sk_test_x", webhook_secrets=[SECRET]).verify(body, lower, clock.now())


def test_a_receiver_takes_it_once_and_refuses_another_secret(quick: Shop) -> None:
    secret = quick.sim.webhook_secret
    assert isinstance(quick.receiver, WebhookReceiver)
    ours = signed_webhook(PAID, secret=secret, clock=quick.world)
    assert quick.receiver.receive(*ours).reason == "stored"
    again = signed_webhook(
        PAID, secret=secret, clock=quick.world, skew=timedelta(seconds=9)
    )
    assert again.headers != ours.headers
    assert quick.receiver.receive(*again).reason == "received before"
    stolen = signed_webhook(PAID, secret="whsec_else", clock=quick.world)
    assert quick.receiver.receive(*stolen).status == 400
