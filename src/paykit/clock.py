"""Time and identifiers: the only sources of chance, so that tests own both."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Protocol

from uuid_utils.compat import uuid7

__all__ = ["SYSTEM", "World"]


class World(Protocol):
    """What paykit may know about the moment: the time, and names nobody else uses."""

    @property
    def simulated(self) -> bool:
        """Whether `now` is also the database's clock (true in simulations only)."""
        ...

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def new_uuid(self) -> uuid.UUID:
        """Return a fresh UUIDv7: unique, and roughly in order of time."""
        ...


class _System:
    """The machine's clock and its source of randomness."""

    @property
    def simulated(self) -> bool:
        """Whether this is a simulation's clock."""
        return False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_uuid(self) -> uuid.UUID:
        return uuid7()


SYSTEM: World = _System()
