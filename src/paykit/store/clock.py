"""
The database's clock, in whole milliseconds since 1970, for leases and due times.

Several machines share the work, and their clocks differ; the database is the one thing
they agree on (DESIGN law 6). In a simulation the simulated clock plays its part.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from paykit.clock import World

__all__ = ["clock_values", "database_clock", "milliseconds"]


class _Now(FunctionElement[int]):
    """The present moment by the database's clock, not the transaction's start."""

    type = BigInteger()
    inherit_cache = True


@compiles(_Now, "postgresql")
def _postgresql(element: _Now, compiler: SQLCompiler, **_: object) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(_Now, "sqlite")
def _sqlite(element: _Now, compiler: SQLCompiler, **_: object) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


def milliseconds(moment: datetime) -> int:
    """Return `moment` as whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def database_clock(*, simulated: bool) -> ColumnElement[int]:
    """Return the SQL expression for the present moment; see `clock_values`."""
    return bindparam("now_ms", type_=BigInteger) if simulated else _Now()


def clock_values(world: World) -> dict[str, object]:
    """Return the parameters that a statement with `database_clock` needs."""
    if not world.simulated:
        return {}
    # A simulated machine's clock may be wrong, and the database's then is not.
    now: Callable[[], datetime] = getattr(world, "database_now", world.now)
    return {"now_ms": milliseconds(now())}
