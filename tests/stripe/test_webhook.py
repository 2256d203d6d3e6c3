"""Is a webhook authentic, and what does it say? No input may crash the receiver."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
import stripe
from hypothesis import example, given
from hypothesis import strategies as st

from paykit.psp import (
    ChargeSnapshot,
    DisputeSnapshot,
    Named,
    PaymentSnapshot,
    PaymentStatus,
    RefundSnapshot,
    RefundStatus,
    SignatureInvalid,
)
from paykit.stripe import API_VERSION
from paykit.stripe.webhook import read_envelope, read_event, verify

SECRET = "whsec_current"
FORMER = "whsec_former"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TIME = int(NOW.timestamp())
BODY = b'{"id": "evt_1", "type": "payment_intent.succeeded"}'


def signature(body: bytes, time: str | int = TIME, secret: str = SECRET) -> str:
    signed = f"{time}.".encode() + body
    return hmac.new(secret.encode(), signed, "sha256").hexdigest()


def signed(body: bytes = BODY, time: int = TIME, secret: str = SECRET) -> str:
    return f"t={time},v1={signature(body, time, secret)}"


def check(
    header: str | None, body: bytes = BODY, *secrets: str, now: datetime = NOW
) -> None:
    headers = {} if header is None else {"stripe-signature": header}
    verify(body, headers, now, secrets or (SECRET,))


# --- what is accepted -----------------------------------------------------------------


def test_what_stripe_itself_signs_is_accepted() -> None:
    header = stripe.WebhookSignature.generate_signature_header(
        BODY.decode(), SECRET, timestamp=TIME
    )
    check(header)


def test_a_body_of_any_bytes_is_checked_as_bytes() -> None:
    body = b"\xff\xfe\x00"
    check(signed(body), body)


@pytest.mark.parametrize("secrets", [(FORMER, SECRET), (SECRET, FORMER), ("", SECRET)])
def test_any_of_several_secrets_will_do(secrets: tuple[str, ...]) -> None:
    check(signed(), BODY, *secrets)


@pytest.mark.parametrize("wrong", ["0" * 64, "", "v1", "é", "\udcff", "=" * 9])
def test_one_good_signature_among_bad_ones_is_enough(wrong: str) -> None:
    good = signature(BODY)
    check(f"t={TIME},v1={wrong},v1={good}")
    check(f"t={TIME},v1={good},v1={wrong}")


def test_signatures_of_other_schemes_are_passed_over() -> None:
    check(f"t={TIME},v0=something,v1={signature(BODY)},v2=later")


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_five_minutes_either_way_are_tolerated(seconds: int) -> None:
    check(signed(time=TIME + seconds))


def test_our_clock_may_run_in_any_time_zone() -> None:
    check(signed(), now=NOW.astimezone(timezone(timedelta(hours=-11))))


# --- what is refused ------------------------------------------------------------------

GOOD = signature(BODY)

REFUSED: Mapping[str, str | None] = {
    "no header": None,
    "empty": "",
    "no time": f"v1={GOOD}",
    "no signature": f"t={TIME}",
    "only another scheme": f"t={TIME},v0={GOOD}",
    "two times": f"t={TIME},t={TIME},v1={GOOD}",
    "two different times": f"t={TIME},t=1,v1={GOOD}",
    "empty time": f"t=,v1={GOOD}",
    "negative time": f"t=-{TIME},v1={GOOD}",
    "signed time": f"t=+{TIME},v1={GOOD}",
    "fraction": f"t={TIME}.0,v1={GOOD}",
    "underscore": f"t=1_{TIME},v1={GOOD}",
    "exponent": f"t=1e9,v1={GOOD}",
    "huge time": f"t={'9' * 4000},v1={GOOD}",
    "other digits": f"t={str(TIME).translate({48 + n: 0x660 + n for n in range(10)})}"
    f",v1={GOOD}",
    "not ASCII": f"t={TIME},v1=é",
    "surrogate": f"t={TIME},v1=\udcff",
    "NUL": f"t={TIME},v1={GOOD}\0",
    "half a signature": f"t={TIME},v1={GOOD[:32]}",
    "a signature and more": f"t={TIME},v1={GOOD}00",
    "upper case name": f"T={TIME},V1={GOOD}",
    "too long": f"t={TIME},v1={GOOD}" + ",v1=" + "0" * 5000,
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_malformed_header_is_refused(case: str) -> None:
    with pytest.raises(SignatureInvalid):
        check(REFUSED[case])


@pytest.mark.parametrize("seconds", [-301, 301, 10 * 365 * 86400, -(10**9)])
def test_what_was_signed_at_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(SignatureInvalid):
        check(signed(time=TIME + seconds))


@pytest.mark.parametrize(
    "body", [BODY + b" ", BODY[:-1], b"", BODY.replace(b"1", b"2")]
)
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        check(signed(), body)


def test_another_secret_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        check(signed(secret="whsec_of_somebody_else"), BODY, SECRET, FORMER)


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_secret_signs_nothing(blank: str) -> None:
    # An environment variable that is not set must not let everybody in.
    for secret in {blank, blank.strip()}:
        with pytest.raises(SignatureInvalid):
            check(signed(secret=secret), BODY, blank)


def test_without_secrets_nothing_is_authentic() -> None:
    with pytest.raises(SignatureInvalid):
        verify(BODY, {"stripe-signature": signed()}, NOW, ())


@pytest.mark.parametrize(
    "now",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=23))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))),
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_a_clock_at_the_end_of_time_refuses(now: datetime) -> None:
    with pytest.raises(SignatureInvalid):
        check(signed(), now=now)


def test_a_refusal_names_neither_the_secret_nor_what_was_expected() -> None:
    for header in REFUSED.values():
        with pytest.raises(SignatureInvalid) as refusal:
            check(header)
        shown = f"{refusal.value!r} {refusal.value}"
        assert SECRET not in shown
        assert GOOD not in shown


# --- nothing but SignatureInvalid, whatever comes -------------------------------------

_PIECES = st.sampled_from(
    ["t=", "v1=", "v0=", ",", "=", str(TIME), GOOD, " ", "é", "\udcff", "\0", "9" * 500]
)
_TEXT = st.text(st.characters(codec=None), max_size=200)
_HEADER = st.one_of(_TEXT, st.lists(_PIECES | _TEXT, max_size=12).map("".join))
_MOMENT = st.datetimes(
    timezones=st.just(UTC)
    | st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))
)


@given(
    body=st.binary(max_size=200),
    header=_HEADER,
    name=st.sampled_from(["stripe-signature", "Stripe-Signature", "x"]),
    now=_MOMENT,
    secrets=st.lists(_TEXT, max_size=3),
)
@example(
    body=b"",
    header="t=1,v1=x",
    name="stripe-signature",
    now=datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    secrets=["x"],
)
def test_any_input_is_refused_and_crashes_nothing(
    body: bytes, header: str, name: str, now: datetime, secrets: list[str]
) -> None:
    with pytest.raises(SignatureInvalid):
        verify(body, {name: header}, now, secrets)


@given(body=st.binary(max_size=300))
def test_any_authentic_body_is_accepted(body: bytes) -> None:
    check(signed(body), body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "type", "object", "data", "account", "request", "created"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(
    body=st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode())
)
@example(body=b"[" * 100_000)
@example(body=b'{"id": ' + b"9" * 5000 + b"}")
def test_an_unreadable_body_is_refused_in_its_own_words(body: bytes) -> None:
    with suppress(SignatureInvalid):
        envelope = read_envelope(body)
        assert envelope.event_id
        assert envelope.event_type
    with suppress(ValueError):
        assert read_event(body, API_VERSION).id


# --- what an event says ---------------------------------------------------------------


def payment_intent(**changes: object) -> dict[str, object]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1000,
        "amount_capturable": 0,
        "amount_received": 1000,
        "client_secret": "pi_1_secret_2",
        "created": TIME,
        "currency": "usd",
        "latest_charge": "ch_1",
        "metadata": {"paykit_operation": "op_1"},
        "status": "succeeded",
        **changes,
    }


CHARGE: dict[str, object] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 1000,
    "amount_captured": 1000,
    "amount_refunded": 0,
    "currency": "usd",
    "payment_intent": "pi_1",
    "status": "succeeded",
}

REFUND: dict[str, object] = {
    "id": "re_1",
    "object": "refund",
    "amount": 300,
    "charge": "ch_1",
    "currency": "usd",
    "payment_intent": "pi_1",
    "status": "failed",
    "failure_reason": "lost_or_stolen_card",
}


def event(kind: str, thing: object, **changes: object) -> bytes:
    return json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "account": "acct_7",
            "api_version": API_VERSION,
            "created": TIME,
            "data": {"object": thing},
            "livemode": True,
            "request": {"id": "req_1", "idempotency_key": "pk1:op_1:create:1"},
            "type": kind,
            **changes,
        }
    ).encode()


def test_the_envelope_holds_what_the_inbox_needs() -> None:
    envelope = read_envelope(event("payment_intent.succeeded", payment_intent()))
    assert (envelope.event_id, envelope.event_type, envelope.account) == (
        "evt_1",
        "payment_intent.succeeded",
        "acct_7",
    )


def test_an_event_is_told_in_our_words() -> None:
    found = read_event(event("payment_intent.succeeded", payment_intent()), API_VERSION)
    assert (found.id, found.type) == ("evt_1", "payment_intent.succeeded")
    assert (found.account, found.livemode, found.created) == ("acct_7", True, NOW)
    assert found.idempotency_key == "pk1:op_1:create:1"
    assert found.current


def test_a_payment_event_shows_its_payment_without_its_secret() -> None:
    subject = read_event(
        event("payment_intent.succeeded", payment_intent()), API_VERSION
    ).subject
    assert isinstance(subject, PaymentSnapshot)
    assert (subject.reference, subject.status) == ("pi_1", PaymentStatus.SUCCEEDED)
    assert (subject.captured, subject.charge_reference) == (1000, "ch_1")
    assert subject.metadata == {"paykit_operation": "op_1"}
    assert subject.client_secret is None


@pytest.mark.parametrize("kind", ["charge.succeeded", "charge.expired", "charge.new"])
def test_a_charge_event_shows_its_charge(kind: str) -> None:
    subject = read_event(event(kind, CHARGE), API_VERSION).subject
    assert isinstance(subject, ChargeSnapshot)
    assert (subject.reference, subject.payment, subject.captured) == (
        "ch_1",
        "pi_1",
        1000,
    )


@pytest.mark.parametrize(
    "kind",
    ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"],
)
def test_a_refund_event_shows_its_refund(kind: str) -> None:
    subject = read_event(event(kind, REFUND), API_VERSION).subject
    assert isinstance(subject, RefundSnapshot)
    assert (subject.reference, subject.status) == ("re_1", RefundStatus.FAILED)
    assert subject.failure_reason == "lost_or_stolen_card"


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("topup.succeeded", {"id": "tu_1", "object": "topup"}),
        ("customer.created", {"id": "du_1", "object": "dispute"}),
        ("some.new.type", {"id": "x", "object": "something_new"}),
        ("some.new.type", {"id": "x"}),
    ],
)
def test_an_event_that_is_no_use_to_us_has_no_subject(
    kind: str, thing: dict[str, object]
) -> None:
    assert read_event(event(kind, thing), API_VERSION).subject is None


@pytest.mark.parametrize("version", ["2025-03-31.basil", None])
def test_a_payload_of_another_version_is_not_current(version: str | None) -> None:
    body = event("charge.succeeded", CHARGE, api_version=version)
    found = read_event(body, API_VERSION)
    assert not found.current
    assert found.subject == Named(kind="charge", reference="ch_1", payment="pi_1")


DISPUTE: dict[str, object] = {
    "id": "du_1",
    "object": "dispute",
    "amount": 1200,
    "balance_transactions": [],
    "charge": "ch_1",
    "created": 1_795_262_400,
    "currency": "eur",
    "evidence_details": {"due_by": 0, "submission_count": 1},
    "is_charge_refundable": False,
    "metadata": {},
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "tossed_by_a_coin",
}


def test_a_dispute_event_shows_its_dispute() -> None:
    """A word that is new is kept; a deadline of 0 means that it is too late."""
    subject = read_event(event("charge.dispute.created", DISPUTE), API_VERSION).subject
    assert isinstance(subject, DisputeSnapshot)
    assert (subject.reference, subject.payment, subject.amount) == (
        "du_1",
        "pi_1",
        1200,
    )
    assert (subject.status, subject.raw_status) == ("unrecognized", "tossed_by_a_coin")
    assert (subject.evidence_due_by, subject.submissions) == (None, 1)


@pytest.mark.parametrize("request_field", [None, "req_1", {"id": "req_1"}])
def test_an_event_may_have_no_key(request_field: object) -> None:
    body = event("charge.succeeded", CHARGE, request=request_field)
    assert read_event(body, API_VERSION).idempotency_key is None


def test_a_thin_event_of_v2_has_no_subject() -> None:
    body = json.dumps(
        {
            "id": "evt_test_65",
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "livemode": False,
            "created": "2026-11-21T12:00:00.000Z",
            "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/x"},
        }
    ).encode()
    assert read_envelope(body).event_id == "evt_test_65"
    found = read_event(body, API_VERSION)
    assert (found.subject, found.created) == (None, NOW)


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("payment_intent.succeeded", payment_intent(amount="1000")),
        ("payment_intent.succeeded", payment_intent(amount=10.0)),
        ("payment_intent.succeeded", payment_intent(amount=True)),
        ("payment_intent.succeeded", payment_intent(status=None)),
        ("charge.succeeded", {**CHARGE, "amount_captured": None}),
        ("refund.created", {**REFUND, "currency": 7}),
        ("charge.succeeded", []),
        ("charge.succeeded", "ch_1"),
    ],
)
def test_a_broken_payload_is_a_value_error(kind: str, thing: object) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        read_event(event(kind, thing), API_VERSION)
    assert "1000" not in str(refusal.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"evt_1"',
        b"\xff\xfe",
        b'{"id": 1, "type": "x"}',
        b'{"id": "evt_1"}',
        b'{"id": "", "type": "x"}',
        b'{"id": "evt_1\\u0000", "type": "x"}',
        b'{"id": "evt_1", "type": "x", "account": 7}',
        b'{"id": "evt_1", "type": "x", "account": "acct_\\u0000"}',
        b'{"id": "' + b"e" * 300 + b'", "type": "x"}',
    ],
)
def test_a_webhook_that_cannot_be_stored_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        read_envelope(body)
