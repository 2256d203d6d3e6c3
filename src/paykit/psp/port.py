"""
The extension point: what an adapter for a payment service provider must provide.

Implement `Psp`, `AsyncPsp` or both, then let `paykit.testing.conformance` judge it.
An adapter is two functions. `prepare` is pure: it turns a request into the verbatim
parameters, which paykit stores before anything is sent. `send` sends exactly those,
also after a deploy that changed `prepare`, and *returns* what it heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from paykit.psp.answers import Answer
from paykit.psp.events import PspEvent, WebhookEnvelope
from paykit.psp.requests import Request

__all__ = [
    "AnyPsp",
    "AsyncPsp",
    "Call",
    "Capabilities",
    "Psp",
    "RequestLimits",
    "binding_of",
    "name_binding",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it will be sent: what is stored with the attempt."""

    verb: str
    """The `verb` of the request it was prepared from."""
    parameters: str
    """The adapter's own encoding, verbatim; paykit never looks inside."""
    idempotency_key: str | None
    """Set on every write, None on reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """
    How many requests per second a provider allows; paykit stays below.

    Raises `ValueError` for none: a payment would fail after it was written down.
    """

    per_second: float
    """Of one account, all told."""
    per_endpoint: float
    """Of each `verb`."""

    def __post_init__(self) -> None:
        """Refuse what nobody could wait for."""
        if not (self.per_second > 0 and self.per_endpoint > 0):
            raise ValueError("a limit is more than no request per second")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do; conformance skips the rest and paykit refuses it."""

    manual_capture: bool = True
    partial_capture: bool = True
    partial_refund: bool = True
    multicapture: bool = False
    """Whether an authorization can be captured in parts, where the card allows it."""
    incremental_authorization: bool = False
    """Whether an authorization can be raised, where the card allows it."""
    update_payment: bool = False
    """Whether an unpaid payment's amount can be changed."""
    event_list: bool = False
    """Whether past events and webhook endpoints can be listed, to catch up."""
    search: bool = False
    """Whether payments can be searched by their metadata, also old ones."""
    search_lag: timedelta = timedelta(hours=1)
    """
    How far a search may be behind, and how long a request may take to arrive at most.

    That nothing is found proves something only this long after the last time at which
    the request may have been sent.
    """
    key_retention: timedelta = timedelta(hours=24)
    """How long the provider surely remembers an idempotency key."""
    limits: RequestLimits | None = None
    """How many requests it allows; None if it sets no limit."""


class AnyPsp(Protocol):
    """What `Psp` and `AsyncPsp` share: everything that needs no network."""

    @property
    def provider(self) -> str:
        """The provider's name, such as ``stripe``."""
        ...

    @property
    def account(self) -> str:
        """The account that is charged for; ``default`` if the host has only one."""
        ...

    @property
    def livemode(self) -> bool:
        """Whether real money moves."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do."""
        ...

    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        """
        Return `request` as it will be sent. Pure: equal input, equal output.

        Raises `UsageError` for a write without a key; a key for a read is left out.
        """
        ...

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime, /) -> None:
        """
        Check a webhook's signature over the raw bytes, in constant time.

        `headers` have lower-case names. Raises `SignatureInvalid` for anything that
        is not a fresh, authentic webhook, and nothing else, whatever the input.
        """
        ...

    def read_envelope(self, body: bytes, /) -> WebhookEnvelope:
        """Return what the inbox needs; raises `SignatureInvalid` if unreadable."""
        ...

    def read_event(self, body: bytes, /) -> PspEvent:
        """Parse a stored webhook. May raise `ValueError` for a broken payload."""
        ...


@runtime_checkable
class Psp(AnyPsp, Protocol):
    """A payment service provider for blocking applications."""

    def send(self, call: Call, /) -> Answer:
        """Send `call`; the same idempotency key must act at most once."""
        ...


@runtime_checkable
class AsyncPsp(AnyPsp, Protocol):
    """A payment service provider for asyncio applications."""

    async def send(self, call: Call, /) -> Answer:
        """See `Psp.send`."""
        ...


def binding_of(psp: AnyPsp) -> str:
    """
    Name the (provider, account, mode) that `psp` speaks for.

    Attempts, PSP references and inbox rows carry it, so that the ids of two
    accounts, or of test and live mode, can never be taken for one another.
    """
    return name_binding(psp.provider, psp.account, livemode=psp.livemode)


def name_binding(provider: str, account: str, *, livemode: bool) -> str:
    """Return the binding of an adapter that need not exist; see `binding_of`."""
    return f"{provider}:{account}:{'live' if livemode else 'test'}"
