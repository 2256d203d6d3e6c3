"""
What the SDK makes of webhooks, good and bad, and what paykit makes of the same.

``e`` stands for the SDK's `construct_event`. Where it raises something else than a
`SignatureVerificationError`, a host that catches only that one answers 500.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import stripe

from paykit.psp import SignatureInvalid
from paykit.stripe import StripePsp
from paykit.testing.factories import event, payment_intent, thin_event
from paykit.testing.webhooks import SECRET, signed_webhook
from tests.sdk_facts.clients import KEY
from tests.sdk_versions import of_sdk_16

PAID: Final = event("payment_intent.succeeded", payment_intent())
THIN: Final = thin_event("v1.charge.captured", "ch_1", related_type="charge")
OK: Final = None

Raises = type[Exception] | tuple[type[Exception], ...] | None

BAD_SIGNATURE: Final = stripe.SignatureVerificationError


def signed(body: bytes, seconds: int, *secrets: str, scheme: str = "v1") -> str:
    """Return a header as Stripe makes it, with one signature for each secret."""
    text = b"%d.%s" % (seconds, body)
    made = [hmac.new(one.encode(), text, "sha256").hexdigest() for one in secrets]
    return ",".join([f"t={seconds}", *(f"{scheme}={one}" for one in made)])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One input: what the SDK does with it, and whether paykit accepts it."""

    header: Callable[[bytes, int], str | None]
    sdk: Raises
    paykit: bool
    body: bytes = json.dumps(PAID).encode()
    secret: str = SECRET
    tolerance: int | None = 300


def aged(seconds: int) -> Callable[[bytes, int], str]:
    """Sign as if `seconds` ago."""
    return lambda body, now: signed(body, now - seconds, SECRET)


YEAR: Final = 365 * 86_400

ROWS: Final = {
    "bytes, valid": Row(header=aged(0), sdk=OK, paykit=True),
    "two v1 while the secret is rolled, the second matches": Row(
        header=lambda body, now: signed(body, now, "whsec_new", SECRET),
        sdk=OK,
        paykit=True,
    ),
    "only v0": Row(
        header=lambda body, now: signed(body, now, SECRET, scheme="v0"),
        sdk=BAD_SIGNATURE,
        paykit=False,
    ),
    # Not 299 and 301: the SDK reads the clock later than the test does.
    "290 s old": Row(header=aged(290), sdk=OK, paykit=True),
    "301 s old": Row(header=aged(301), sdk=BAD_SIGNATURE, paykit=False),
    "ten years in the future": Row(header=aged(-10 * YEAR), sdk=OK, paykit=False),
    "a year old, tolerance 0": Row(
        header=aged(YEAR), sdk=OK, paykit=False, tolerance=0
    ),
    "a year old, tolerance None": Row(
        header=aged(YEAR), sdk=OK, paykit=False, tolerance=None
    ),
    "v1=é": Row(header=lambda _, now: f"t={now},v1=é", sdk=TypeError, paykit=False),
    "a body that is no UTF-8": Row(
        body=b"\xff\xfe", header=aged(0), sdk=UnicodeDecodeError, paykit=False
    ),
    "signed {": Row(body=b"{", header=aged(0), sdk=json.JSONDecodeError, paykit=False),
    "signed []": Row(body=b"[]", header=aged(0), sdk=AttributeError, paykit=False),
    "signed null": Row(body=b"null", header=aged(0), sdk=AttributeError, paykit=False),
    "no header": Row(header=lambda *_: None, sdk=BAD_SIGNATURE, paykit=False),
    "an empty header": Row(header=lambda *_: "", sdk=BAD_SIGNATURE, paykit=False),
    "a blank secret": Row(
        header=lambda body, now: signed(body, now, " "),
        secret=" ",
        sdk=BAD_SIGNATURE,
        paykit=False,
    ),
    "a thin event for construct_event": Row(
        body=json.dumps(THIN).encode(), header=aged(0), sdk=ValueError, paykit=True
    ),
}


@of_sdk_16
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_construct_event(row: Row) -> None:
    header = row.header(row.body, int(time.time()))
    construct: Any = stripe.Webhook.construct_event
    if row.sdk is None:
        read = construct(row.body, header, row.secret, row.tolerance)
        assert read.id == PAID["id"]
        return
    with pytest.raises(row.sdk) as caught:
        construct(row.body, header, row.secret, row.tolerance)
    if row.sdk is not BAD_SIGNATURE:
        assert not isinstance(caught.value, stripe.StripeError)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_paykit_accepts_or_says_that_the_signature_is_invalid(row: Row) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    header = row.header(row.body, int(now.timestamp()))
    headers = {} if header is None else {"stripe-signature": header}
    psp = StripePsp(KEY, webhook_secrets=[row.secret])
    try:
        psp.verify(row.body, headers, now)
        psp.read_envelope(row.body)
    except SignatureInvalid:
        assert not row.paykit
    else:
        assert row.paykit


@pytest.mark.parametrize(("age", "accepted"), [(299, True), (300, True), (301, False)])
@pytest.mark.parametrize("sign", [1, -1], ids=["past", "future"])
def test_paykits_tolerance_is_five_minutes_both_ways(
    age: int, accepted: bool, sign: int
) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    body = json.dumps(PAID).encode()
    then = now - timedelta(seconds=sign * age)
    header = signed(body, int(then.timestamp()), SECRET)
    psp = StripePsp(KEY, webhook_secrets=[SECRET])
    try:
        psp.verify(body, {"stripe-signature": header}, now)
    except SignatureInvalid:
        assert not accepted
    else:
        assert accepted


def test_a_body_may_be_text_for_the_sdk() -> None:
    body, headers = signed_webhook(PAID)
    read = stripe.Webhook.construct_event(
        body.decode(), headers["Stripe-Signature"], SECRET
    )
    assert read.id == PAID["id"]


def test_the_sdk_knows_one_secret_and_paykit_several() -> None:
    body, headers = signed_webhook(PAID, secret="whsec_new")
    header = headers["Stripe-Signature"]
    with pytest.raises(BAD_SIGNATURE):
        stripe.Webhook.construct_event(body, header, SECRET)
    psp = StripePsp(KEY, webhook_secrets=[SECRET, "whsec_new"])
    psp.verify(body, {"stripe-signature": header}, datetime.now(UTC))


def test_a_snapshot_is_no_event_notification_to_the_sdk() -> None:
    body, headers = signed_webhook(PAID)
    with pytest.raises(ValueError, match="construct_event"):
        stripe.StripeClient(KEY).parse_event_notification(
            body, headers["Stripe-Signature"], SECRET
        )


def test_verify_header_checks_no_age_by_default() -> None:
    body = json.dumps(PAID).encode()
    header = signed(body, int(time.time()) - YEAR, SECRET)
    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET)


@pytest.mark.parametrize(
    "envelope",
    [{"detail": PAID}, {"specversion": "1.0", "data": PAID}, PAID],
    ids=["EventBridge", "Event Grid", "as it is"],
)
def test_without_verification_the_sdk_opens_envelopes_of_clouds(
    envelope: dict[str, object],
) -> None:
    construct = stripe.Webhook.construct_event_without_verification
    assert construct(json.dumps(envelope)).id == PAID["id"]
