"""
Idempotency keys, as Stripe keeps them.

A key remembers the answer to its request once the request began to execute, whether it
succeeded, was declined or ended in a 500; not a refusal before that. The same key with
another request is refused. After 24 hours the key is forgotten, and whoever uses it
again makes a new request. Source: https://docs.stripe.com/api/idempotent_requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from paykit.testing.simulated.errors import idempotency_error, invalid, key_in_use
from paykit.testing.simulated.exchange import Reply
from paykit.testing.simulated.rows import Row

__all__ = ["RETENTION", "Keys", "Remembered"]

RETENTION: Final = timedelta(hours=24)
"""How long a key is remembered, from its first use."""

_LONGEST: Final = 255


@dataclass(slots=True)
class Remembered(Row):
    """What is known of one key."""

    endpoint: str
    parameters: str
    first_used: datetime
    reply: Reply | None = None
    """None while the request is running."""


class Keys:
    """The keys of one account. Not thread-safe: the provider holds its lock."""

    def __init__(self) -> None:
        self.remembered: dict[str, Remembered] = {}

    def claim(
        self, key: str, endpoint: str, parameters: str, now: datetime
    ) -> Reply | None:
        """
        Return the stored answer of `key`, or None if the caller may execute now.

        Raises `ProviderError` if the key belongs to another request or is in use.
        """
        if len(key) > _LONGEST:
            message = f"Idempotency keys are at most {_LONGEST} characters."
            raise invalid(message, code=None, param=None)
        known = self.remembered.get(key)
        if known is None or known.first_used + RETENTION <= now:
            self.remembered[key] = Remembered(endpoint, parameters, now)
            return None
        if known.endpoint != endpoint:
            raise idempotency_error("for the same endpoint")
        if known.parameters != parameters:
            raise idempotency_error("with the same parameters")
        if known.reply is None:
            raise key_in_use()
        return known.reply

    def settle(self, key: str, reply: Reply | None) -> None:
        """Remember `reply` for the claimed `key`; None forgets the key."""
        if reply is None:
            del self.remembered[key]
        else:
            self.remembered[key].reply = reply
