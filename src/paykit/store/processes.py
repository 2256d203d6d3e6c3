"""Processes that say that they live, and count each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Insert,
    Select,
    bindparam,
    delete,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from paykit.store.clock import clock_values, database_clock
from paykit.store.schema.processes import process
from paykit.store.tx import Tx

__all__ = ["count_living"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Timed:
    """The statements that know what time it is; see `paykit.store.work_statements`."""

    say: Mapping[str, Insert]
    """By dialect."""
    count: Select[Any]
    forget: Delete


def _timed(now: ColumnElement[int]) -> _Timed:
    oldest = now - bindparam("within_ms", type_=BigInteger)
    return _Timed(
        say={
            "postgresql": _say(postgresql.insert(process), now),
            "sqlite": _say(sqlite.insert(process), now),
        },
        count=select(func.count()).where(process.c.seen_ms > oldest),
        forget=delete(process).where(process.c.seen_ms <= oldest),
    )


def _say(put: postgresql.Insert | sqlite.Insert, now: ColumnElement[int]) -> Insert:
    statement = put.values(id=bindparam("id"), seen_ms=now)
    return statement.on_conflict_do_update(
        index_elements=[process.c.id], set_={"seen_ms": now}
    )


_TIMED: Final = {
    simulated: _timed(database_clock(simulated=simulated))
    for simulated in (False, True)
}


def count_living(tx: Tx, id_: str, *, within: timedelta) -> int:
    """Note that process `id_` lives; return how many were seen `within` that time."""
    timed, clock = _TIMED[tx.world.simulated], clock_values(tx.world)
    given = {"within_ms": int(within.total_seconds() * 1000), **clock}
    connection = tx.connection
    connection.execute(timed.say[connection.dialect.name], {"id": id_, **clock})
    connection.execute(timed.forget, given)
    return connection.scalar(timed.count, given) or 0
