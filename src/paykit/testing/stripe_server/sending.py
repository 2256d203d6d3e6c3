"""One webhook over HTTP: signed at the moment it is sent, with every active secret."""

from __future__ import annotations

from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from paykit.testing.simulated import sign
from paykit.testing.simulated.deliveries import Delivery
from paykit.testing.simulated.webhooks import SIGNATURE_HEADER

__all__ = ["post_webhook", "signed"]

_TIMEOUT_SECONDS: Final = 10.0
"""How long an endpoint may take; Stripe does not say how long it waits."""


def signed(body: bytes, secrets: tuple[str, ...], now: datetime) -> dict[str, str]:
    """Return the headers of a webhook with one ``v1`` for each of `secrets`."""
    first, *others = (sign(body, secret, now) for secret in secrets)
    more = (headers[SIGNATURE_HEADER].partition(",")[2] for headers in others)
    return first | {SIGNATURE_HEADER: ",".join([first[SIGNATURE_HEADER], *more])}


def post_webhook(delivery: Delivery, now: datetime) -> bool:
    """Send `delivery`, signed at `now`; only a 2xx accepts it, as at Stripe."""
    headers = {
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        **signed(delivery.body, delivery.secrets, now),
    }
    url = urlsplit(delivery.endpoint.url)
    connection = _connection(url)
    try:
        connection.request("POST", _path(url), delivery.body, headers)
        return 200 <= connection.getresponse().status < 300
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _connection(url: SplitResult) -> HTTPConnection:
    """Return a connection to the endpoint; no proxy is asked."""
    host = url.hostname or ""
    if url.scheme == "https":
        return HTTPSConnection(host, url.port, timeout=_TIMEOUT_SECONDS)
    return HTTPConnection(host, url.port, timeout=_TIMEOUT_SECONDS)


def _path(url: SplitResult) -> str:
    query = f"?{url.query}" if url.query else ""
    return f"{url.path or '/'}{query}"
