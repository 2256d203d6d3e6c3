"""Time that only the simulation moves, and names that come from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

__all__ = ["SimulatedWorld", "TrueTime"]

_BEGIN: Final = datetime(2030, 1, 1, tzinfo=UTC)


class SimulatedWorld:
    """
    The world as the actor sees it who acts now: its machine's clock may be wrong.

    `skew` is by how much. The database has a clock of its own, which is right, and so
    has the PSP (see `TrueTime`).
    """

    def __init__(self, dice: random.Random) -> None:
        self.time = _BEGIN
        """The true time, UTC."""
        self.skew = timedelta(0)
        self._dice = dice

    @property
    def simulated(self) -> bool:
        """Whether this is a simulation's clock."""
        return True

    def now(self) -> datetime:
        """Return what the clock of the actor's machine shows."""
        return self.time + self.skew

    def database_now(self) -> datetime:
        """Return what the database's clock shows: the true time."""
        return self.time

    def new_uuid(self) -> UUID:
        """Return a UUIDv7 made of the simulated time and the seed."""
        stamp = int(self.now().timestamp() * 1000) << 80
        return UUID(int=stamp | 0x7 << 76 | 0x2 << 62 | self._dice.getrandbits(60))


@dataclass(frozen=True, slots=True)
class TrueTime:
    """The same world without anybody's wrong clock: where the PSP lives."""

    world: SimulatedWorld

    @property
    def simulated(self) -> bool:
        """Whether this is a simulation's clock."""
        return True

    def now(self) -> datetime:
        """Return the true time."""
        return self.world.time

    def new_uuid(self) -> UUID:
        """Return a UUIDv7 of the same world."""
        return self.world.new_uuid()
