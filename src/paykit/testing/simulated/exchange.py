"""One request to the simulated provider and its reply; no network in sight."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, auto

from paykit.testing.simulated.objects import DEFAULT_ACCOUNT, Json

__all__ = ["ApiRequest", "Damage", "Reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request: the verb is the one that `paykit.psp` uses."""

    verb: str
    target: str = ""
    """The id in the path, if the endpoint has one."""
    params: Json = field(default_factory=dict)
    """Body or query parameters; numbers and flags may be text, as in a form."""
    key: str | None = None
    """The idempotency key; only writes have one."""
    account: str = DEFAULT_ACCOUNT
    """Whose payments and keys these are; no account sees another one's."""


class Damage(StrEnum):
    """What happened to an exchange on its way."""

    REFUSED = auto()
    """No connection was made."""
    CUT = auto()
    """The connection ended without an answer."""
    SILENT = auto()
    """The answer never comes, and the connection stays open."""
    TRUNCATED = auto()
    """The answer's body ends in the middle."""
    EMPTY = auto()
    """The answer has no body."""
    HTML = auto()
    """The answer is not the provider's: a page of HTML by some proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the provider answered, and whether it arrives."""

    status: int
    body: Json
    request_id: str
    original_request: str | None = None
    """For a repeated answer: the id of the request that was executed."""
    damage: Damage | None = None
    should_retry: bool | None = None
    """What the header ``Stripe-Should-Retry`` says; None without one."""

    @property
    def replayed(self) -> bool:
        """Whether a stored answer was repeated instead of acting."""
        return self.original_request is not None
