"""Jobs that come again: rows of the queue ``periodic``, which are never done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import BigInteger, bindparam, update

from paykit.store import work
from paykit.store.clock import clock_values, database_clock
from paykit.store.ignoring import insert_or_ignore
from paykit.store.schema.messages import work as table
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["again", "keep"]

_KEEP: Final = {
    simulated: {
        dialect: statement.values(
            queue="periodic",
            id=bindparam("job"),
            attempts=0,
            due_ms=database_clock(simulated=simulated)
            + bindparam("delay_ms", type_=BigInteger),
        )
        for dialect, statement in insert_or_ignore(table).items()
    }
    for simulated in (False, True)
}
_CALM: Final = (
    update(table)
    .where(table.c.queue == "periodic", table.c.id == bindparam("job"))
    .values(attempts=0)
)


def keep(tx: Tx, jobs: Iterable[tuple[str, timedelta]]) -> None:
    """Make sure that each job has its row; a new one is due after its delay."""
    statement = _KEEP[tx.world.simulated][tx.connection.dialect.name]
    for job, delay in sorted(jobs):
        given = {"job": job, "delay_ms": int(delay.total_seconds() * 1000)}
        tx.on(table).execute(statement, {**given, **clock_values(tx.world)})


def again(tx: Tx, claimed: Claimed, *, after: timedelta) -> None:
    """Give a job that went well back until its next time; raises `LeaseLost`."""
    work.postpone(tx, "periodic", claimed.id, claimed.lease, delay=after)
    tx.on(table).execute(_CALM, {"job": claimed.id})
