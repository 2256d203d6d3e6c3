"""
Signed webhooks, after Stripe's scheme: ``t=<seconds>,v1=<HMAC-SHA256 of t.body>``.

Source: https://docs.stripe.com/webhooks#verify-manually.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from paykit.psp import SignatureInvalid

__all__ = ["SIGNATURE_HEADER", "TOLERANCE_SECONDS", "check_signature", "sign"]

SIGNATURE_HEADER: Final = "stripe-signature"

TOLERANCE_SECONDS: Final = 300
"""How old a signature may be, and how far in the future."""


def sign(body: bytes, secret: str, now: datetime) -> dict[str, str]:
    """Return the headers of a webhook with `body`, sent at `now`."""
    seconds = str(int(now.timestamp()))
    return {
        "content-type": "application/json; charset=utf-8",
        SIGNATURE_HEADER: f"t={seconds},v1={_digest(body, secret, seconds.encode())}",
    }


def check_signature(
    body: bytes, headers: Mapping[str, str], secret: str, now: datetime
) -> None:
    """Raise `SignatureInvalid` unless `headers` are a fresh signature of `body`."""
    header = headers.get(SIGNATURE_HEADER, "").encode("utf-8", "backslashreplace")
    fields = [field.partition(b"=") for field in header.split(b",")]
    seconds = next((value for name, _, value in fields if name == b"t"), b"")
    if not seconds.isdigit() or len(seconds) > 12:
        raise SignatureInvalid("no timestamp in the signature header")
    if abs(now.timestamp() - int(seconds)) > TOLERANCE_SECONDS:
        raise SignatureInvalid("the signature's timestamp is out of tolerance")
    expected = _digest(body, secret, seconds).encode()
    given = [value for name, _, value in fields if name == b"v1"]
    if not any(hmac.compare_digest(expected, value) for value in given):
        raise SignatureInvalid("no signature matches")


def _digest(body: bytes, secret: str, seconds: bytes) -> str:
    signed = seconds + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
