"""The host's handler in a sweep, and whether it heard everything once and in order."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from paykit import EventView
from paykit.store.schema import event as events

__all__ = ["HEARD", "histories", "misheard", "note"]

HEARD: Final = {
    "sqlite": "CREATE TABLE heard (n INTEGER PRIMARY KEY, payment TEXT, event TEXT)",
    "postgresql": "CREATE TABLE heard (n SERIAL, payment TEXT, event TEXT)",
}
"""The host's table, by dialect; nothing in it forbids to hear an event twice."""

_NOTE: Final = text("INSERT INTO heard (payment, event) VALUES (:payment, :event)")


def note(event: EventView, session: Session) -> None:
    """Handle an event: what is written here commits with its delivery, once."""
    row = {"payment": event.aggregate_id, "event": str(event.id)}
    session.execute(_NOTE, row)


def histories(engine: Engine) -> dict[str, list[str]]:
    """Return the ids of each payment's events, in order."""
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for row in connection.execute(select(events).order_by(events.c.sequence)):
            found.setdefault(row.aggregateid, []).append(str(row.id))
    return found


def misheard(engine: Engine) -> list[str]:
    """Return the payments of which the handler did not hear all, once and in order."""
    heard: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for row in connection.execute(text("SELECT * FROM heard ORDER BY n")):
            heard.setdefault(row.payment, []).append(row.event)
    return [
        f"{payment}: the handler did not hear what happened, once and in order"
        for payment, ids in histories(engine).items()
        if heard.get(payment) != ids
    ]
