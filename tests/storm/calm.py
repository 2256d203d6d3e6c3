"""After the storm: time passes, what is left is done, and nothing breaks any more."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Final

from sqlalchemy import ColumnElement, Engine, and_, func, select, update

from paykit import PaymentService, Worker
from paykit.store.schema import work as rows
from tests.sweep.verdict import DAY, pass_time, work

__all__ = ["AGAIN", "calm_down", "wait_until_drained"]

AGAIN: Final = ("clock", "periodic")
"""Queues that are never empty: what they hold comes again by itself."""

_MINUTE_MS: Final = 60_000

_FREE: Final[ColumnElement[bool]] = and_(
    rows.c.queue.not_in(AGAIN), rows.c.lease.is_(None)
)

_STANDSTILL_SECONDS: Final = 3.0


def wait_until_drained(engine: Engine, tick: Callable[[], object]) -> None:
    """
    Let the living workers do what nobody holds, however late it is due.

    Returns when that is done, or when it grows no less: the rest waits for the leases
    of the dead.
    """
    least, since = -1, monotonic()
    while monotonic() - since < _STANDSTILL_SECONDS:
        tick()
        with engine.begin() as connection:
            statement = select(func.count()).select_from(rows).where(_FREE)
            left = connection.scalar(statement) or 0
            if not left:
                return
            sooner = {rows.c.due_ms: rows.c.due_ms - _MINUTE_MS}
            connection.execute(update(rows).where(_FREE).values(sooner))
        if least < 0 or left < least:
            least, since = left, monotonic()
        sleep(0.25)


def calm_down(service: PaymentService, engine: Engine) -> None:
    """
    Let one worker do all that is left, with time passing as it has to.

    The jobs that come again have their turn in between: what no webhook told of, the
    PSP's list of events tells.
    """
    work(service, engine)
    pass_time(engine, DAY)
    Worker(service).run_once()
    work(service, engine)
