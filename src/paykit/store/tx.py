"""One open transaction: everything that an atomic phase may touch."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection

from paykit.clock import World
from paykit.store.clock import database_now

__all__ = ["Tx"]


@dataclass(frozen=True, slots=True)
class Tx:
    """
    An open transaction and the moment it happens in.

    A phase sees the database through it and nothing else: no network, no clock and no
    chance of its own. It never commits; the driver does. Whoever needs several locks
    takes them in this order: work, operation, payment, refund, claim, ledger.
    """

    connection: Connection
    world: World

    @property
    def now(self) -> datetime:
        """The current time in UTC, for what is written down."""
        return self.world.now()

    @property
    def database_now(self) -> ColumnElement[int]:
        """The database's clock in milliseconds, for leases and due times."""
        return database_now(self.world)

    def new_uuid(self) -> uuid.UUID:
        """Return a fresh UUIDv7."""
        return self.world.new_uuid()
