"""A world for tests whose clock nobody else moves."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from uuid import UUID


class StillWorld:
    """Time stands still until the test sets it; names are counted."""

    simulated = True

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)
        self._count = count(1)

    def now(self) -> datetime:
        return self.time

    def new_uuid(self) -> UUID:
        return UUID(int=next(self._count))
