"""
One request at a time for each object, as at Stripe.

A request that changes a payment holds it until it is answered. Another one waits for a
moment and is then refused with 429 ``lock_timeout``: nothing was executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

__all__ = ["LOCK_WAIT_SECONDS", "ObjectLocks"]

LOCK_WAIT_SECONDS: Final = 0.5
"""How long a request waits for an object; Stripe does not say how long it does."""


class ObjectLocks:
    """The objects that requests are changing right now, by id."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._changed = Condition()

    @contextmanager
    def hold(self, name: str | None) -> Iterator[bool]:
        """Yield whether the caller has the object; None is nobody's."""
        if name is None:
            yield True
            return
        with self._changed:
            free = self._changed.wait_for(
                lambda: name not in self._held, LOCK_WAIT_SECONDS
            )
            if free:
                self._held.add(name)
        try:
            yield free
        finally:
            if free:
                self._free(name)

    def _free(self, name: str) -> None:
        with self._changed:
            self._held.discard(name)
            self._changed.notify_all()
