"""Host handlers: functions of the host that run when something happened (DESIGN 9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from paykit.errors import UsageError

__all__ = ["Handler", "Handlers"]

E = TypeVar("E")
S = TypeVar("S")

Handler = Callable[[E, S], Awaitable[None] | None]
"""Takes the event, and a session inside the transaction that marks it delivered."""


@dataclass(slots=True)
class Handlers(Generic[E, S]):
    """Which handlers listen to which type of event."""

    _by_type: dict[str, list[Handler[E, S]]] = field(default_factory=dict)

    def add(self, event_type: str, handler: Handler[E, S]) -> None:
        """
        Let `handler` run for `event_type`, such as ``payment.succeeded``.

        A type that ends in ``.*`` matches all that start so, and ``*`` matches all.
        """
        if not event_type or event_type != event_type.strip():
            raise UsageError("name an event type, for example 'payment.succeeded'")
        self._by_type.setdefault(event_type, []).append(handler)

    def of(self, event_type: str) -> tuple[Handler[E, S], ...]:
        """Return the handlers for `event_type`, in the order of registration."""
        family = event_type.split(".", 1)[0] + ".*"
        names = (event_type, family, "*")
        return tuple(h for name in names for h in self._by_type.get(name, ()))
