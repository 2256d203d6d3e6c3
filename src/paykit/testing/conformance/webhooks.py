"""Webhooks: what anybody on the internet may send, and what is genuine (section 7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from paykit.psp import (
    AsyncPsp,
    PaymentSnapshot,
    PaymentStatus,
    Psp,
    RefundSnapshot,
    RefundStatus,
    SignatureInvalid,
    Subject,
)
from paykit.testing.conformance.base import Base, SignedWebhook

__all__ = ["WebhookRules"]

_UNHEARD_OF: Final = "unheard_of"

_UNRECOGNIZED: Final = (PaymentStatus.UNRECOGNIZED, RefundStatus.UNRECOGNIZED)


def _other_body(body: bytes) -> Callable[[SignedWebhook], SignedWebhook]:
    return lambda genuine: replace(genuine, body=body)


def _other_headers(value: str) -> Callable[[SignedWebhook], SignedWebhook]:
    """Give every header the same value: the signature's is among them."""
    return lambda genuine: replace(
        genuine, headers=dict.fromkeys(genuine.headers, value)
    )


def _at_another_time(by: timedelta) -> Callable[[SignedWebhook], SignedWebhook]:
    return lambda genuine: replace(genuine, signed_at=genuine.signed_at + by)


def _forged(genuine: SignedWebhook) -> SignedWebhook:
    """Change one byte in the middle."""
    middle = len(genuine.body) // 2
    changed = bytes([genuine.body[middle] ^ 1])
    body = genuine.body[:middle] + changed + genuine.body[middle + 1 :]
    return replace(genuine, body=body)


def _truncated(genuine: SignedWebhook) -> SignedWebhook:
    return replace(genuine, body=genuine.body[:-1])


def _longer(genuine: SignedWebhook) -> SignedWebhook:
    return replace(genuine, body=genuine.body + b" ")


def _unsigned(genuine: SignedWebhook) -> SignedWebhook:
    return replace(genuine, headers={})


_NOT_GENUINE: Final[Mapping[str, Callable[[SignedWebhook], SignedWebhook]]] = {
    "forged": _forged,
    "truncated": _truncated,
    "longer": _longer,
    "empty": _other_body(b""),
    "huge": _other_body(b"[" * 8_000_000),
    "not UTF-8": _other_body(b"\xff\xfe\x00\x80"),
    "old": _at_another_time(timedelta(days=1)),
    "future": _at_another_time(timedelta(days=-1)),
    "unsigned": _unsigned,
    "empty signature": _other_headers(""),
    "signature with an umlaut": _other_headers("t=1,v1=ü"),
    "signature of other bytes": _other_headers("\udcff\x00"),
    "signature of commas": _other_headers("=,=,t=,v1="),
    "endless signature": _other_headers("1" * 100_000),
    "signature from the year 30000": _other_headers("t=999999999999,v1=00"),
}

_UNREADABLE: Final = {
    "empty": b"",
    "no object": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "half of an object": b'{"id": "evt_1", "ty',
    "not UTF-8": b'{"id": "\xff"}',
    "nested too deep": b"[" * 100_000,
    "ids of another type": b'{"id": 7, "type": {}, "data": []}',
}


class WebhookRules(Base):
    """Genuine ones are read; everything else is `SignatureInvalid` and nothing else."""

    @pytest.mark.parametrize("change", _NOT_GENUINE.values(), ids=_NOT_GENUINE)
    def test_a_webhook_that_is_not_genuine_is_signature_invalid(
        self,
        psp: Psp | AsyncPsp,
        webhook: SignedWebhook,
        change: Callable[[SignedWebhook], SignedWebhook],
    ) -> None:
        """Anybody may send anything: no other exception, whatever comes."""
        sent = change(webhook)
        with pytest.raises(SignatureInvalid):
            psp.verify(sent.body, sent.headers, sent.signed_at)

    def test_a_genuine_webhook_is_verified(
        self, psp: Psp | AsyncPsp, webhook: SignedWebhook
    ) -> None:
        """Also when it comes a second time."""
        for _ in range(2):
            psp.verify(webhook.body, webhook.headers, webhook.signed_at)

    def test_a_genuine_webhook_is_read(
        self, psp: Psp | AsyncPsp, webhook: SignedWebhook
    ) -> None:
        """The inbox and the parser agree, and two readings are equal."""
        envelope = psp.read_envelope(webhook.body)
        event = psp.read_event(webhook.body)
        assert envelope.event_id
        assert envelope.event_type
        assert (event.id, event.type) == (envelope.event_id, envelope.event_type)
        assert event.account == envelope.account
        assert event.subject is not None, "`webhook` is about a payment"
        assert event == psp.read_event(webhook.body)

    def test_a_webhook_of_another_account_says_so(
        self, psp: Psp | AsyncPsp, foreign_webhook: SignedWebhook
    ) -> None:
        """Otherwise it would be booked as if it were about our own."""
        sent = foreign_webhook
        psp.verify(sent.body, sent.headers, sent.signed_at)
        envelope, event = psp.read_envelope(sent.body), psp.read_event(sent.body)
        told = (envelope.account, envelope.livemode)
        assert (event.account, event.livemode) == told
        another = envelope.account not in (None, psp.account)
        assert another or envelope.livemode not in (None, psp.livemode), told

    def test_a_webhook_carries_no_client_secret(
        self, psp: Psp | AsyncPsp, webhook: SignedWebhook
    ) -> None:
        """Events are stored and shown; a payer's secret is neither (DESIGN law 11)."""
        subject = psp.read_event(webhook.body).subject
        if isinstance(subject, PaymentSnapshot):
            assert subject.client_secret is None

    @pytest.mark.parametrize("body", _UNREADABLE.values(), ids=_UNREADABLE)
    def test_an_unreadable_body_is_signature_invalid_to_the_inbox(
        self, psp: Psp | AsyncPsp, body: bytes
    ) -> None:
        """Without an id nothing can be stored."""
        with pytest.raises(SignatureInvalid):
            psp.read_envelope(body)

    @pytest.mark.parametrize("body", _UNREADABLE.values(), ids=_UNREADABLE)
    def test_an_unreadable_body_is_a_value_error_to_the_parser(
        self, psp: Psp | AsyncPsp, body: bytes
    ) -> None:
        """The inbox parks such an event; other errors would be ours."""
        with pytest.raises(ValueError):  # noqa: PT011  the text is the adapter's
            psp.read_event(body)

    def test_unknown_words_of_the_provider_crash_nothing(
        self, psp: Psp | AsyncPsp, webhook: SignedWebhook
    ) -> None:
        """Providers add words without notice: each is shown raw, and taken for none."""
        if not self.open_words:
            pytest.skip("no `open_words` were given")
        before = psp.read_event(webhook.body).subject
        for path, body in _with_unknown_words(webhook.body, self.open_words):
            psp.read_envelope(body)
            _check_unrecognized(before, psp.read_event(body).subject, path)


def _with_unknown_words(
    body: bytes, paths: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Return `body` with one unknown word at a time."""
    for path in paths:
        tree = inner = json.loads(body)
        for name in path[:-1]:
            inner = inner[name]
        assert isinstance(inner[path[-1]], str), f"no word at {path}"
        inner[path[-1]] = _UNHEARD_OF
        yield path, json.dumps(tree).encode()


def _check_unrecognized(before: Subject, after: Subject, path: tuple[str, ...]) -> None:
    """Check that an unknown status is called that, and no other status changed."""
    if not isinstance(after, PaymentSnapshot | RefundSnapshot):
        return
    if after.raw_status == _UNHEARD_OF:
        assert after.status in _UNRECOGNIZED, f"{path} was taken for {after.status}"
    else:
        known = isinstance(before, type(after)) and after.status is before.status
        assert known, f"{path} turned the status into {after.status}"
