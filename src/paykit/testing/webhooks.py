"""
Webhooks for a host's own endpoint, signed as Stripe signs them.

``t=<seconds>,v1=<HMAC-SHA256 of "t.body" under the endpoint's secret>``, the same text
as the official SDK's `WebhookSignature.generate_signature_header` gives.
Source: https://docs.stripe.com/webhooks#verify-manually.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from paykit.clock import SYSTEM, World

__all__ = ["SECRET", "SignedWebhook", "signed_webhook"]

SECRET: Final = "whsec_test"
"""The signing secret, unless another one is given."""

_ON_TIME: Final = timedelta(0)


class SignedWebhook(NamedTuple):
    """A request to a webhook endpoint; a receiver takes it as ``receive(*webhook)``."""

    body: bytes
    headers: dict[str, str]


def signed_webhook(
    event: Mapping[str, object] | bytes,
    *,
    secret: str = SECRET,
    clock: World = SYSTEM,
    skew: timedelta = _ON_TIME,
) -> SignedWebhook:
    """
    Return `event` as Stripe would post it, signed with `secret` at this moment.

    `event` is any JSON object, such as those of `paykit.testing.factories`, or the
    bytes of a body, broken ones too. `skew` moves the signature's time: minus six
    minutes makes it too old, plus six minutes too new.
    """
    body = event if isinstance(event, bytes) else _encoded(event)
    seconds = int((clock.now() + skew).timestamp())
    signed = b"%d.%s" % (seconds, body)
    signature = hmac.new(secret.encode(), signed, "sha256").hexdigest()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": f"t={seconds},v1={signature}",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    return SignedWebhook(body, headers)


def _encoded(event: Mapping[str, object]) -> bytes:
    """Return the event as Stripe writes it: indented, and not in ASCII alone."""
    return json.dumps(event, indent=2, ensure_ascii=False).encode()
