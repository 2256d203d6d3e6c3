"""The host's side: a handler that writes what it is told, and a broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy import Engine as Database

from paykit.engine import Handlers
from paykit.operations import EventView
from paykit.queue import Message

__all__ = ["DELIVERED", "Broker", "forget", "handlers"]

_HOST: Final = MetaData()

DELIVERED: Final = Table(
    "simulation_delivered",
    _HOST,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("event_id", String(64), nullable=False),
    Column("aggregate_id", String(64), nullable=False),
)
"""One row for each run of the handler that was committed; not unique, on purpose."""


@dataclass(slots=True)
class Broker:
    """A message broker that keeps everything, in the order in which it came."""

    messages: list[Message] = field(default_factory=list)

    def publish(self, messages: Sequence[Message], /) -> None:
        """Take them all."""
        self.messages += messages


def forget(database: Database) -> None:
    """Make the host's table, without a row in it."""
    _HOST.create_all(database)
    with database.begin() as connection:
        connection.execute(DELIVERED.delete())


def handlers() -> Handlers[EventView, Any]:
    """Return the host's handlers: each event leaves a row."""
    found: Handlers[EventView, Any] = Handlers()
    found.add("*", _note)
    return found


def _note(event: EventView, session: Any) -> None:
    values = {"event_id": str(event.id), "aggregate_id": event.aggregate_id}
    session.execute(DELIVERED.insert().values(values))
