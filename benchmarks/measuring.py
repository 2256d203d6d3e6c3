"""Record what paykit sends, replay it by the raw driver, and time both."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from databases import Database
from shops import Path, open_shop
from sqlalchemy import Engine, event

__all__ = [
    "COMMIT",
    "Cost",
    "Log",
    "Result",
    "compared",
    "fsync_ms",
    "measure",
    "median",
    "recorded",
    "replayed",
    "timed",
]

Log = list[tuple[str, Any, bool]]
"""(statement, parameters, whether they are many rows), in order."""

COMMIT = ("COMMIT", None, False)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took, in seconds."""

    wall: float
    cpu: float
    server_cpu: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one path came to on one database, beside the raw driver in the same run."""

    path: str
    database: str
    items: int
    ratio: float
    """The raw loop's time by ours: 1.0 is as fast as the driver alone."""
    per_second: float
    raw_per_second: float
    cpu_ms: float
    """CPU of this process per item."""
    raw_cpu_ms: float
    server_cpu_ms: float
    """CPU of the database's processes per item, if it has any here."""
    statements: float | None
    """Per item, as they were counted; None where they are sent by another process."""
    commits: float | None


@contextmanager
def recorded(engine: Engine) -> Iterator[Log]:
    """Write down every statement and every COMMIT on `engine`."""
    log: Log = []

    def executed(
        c: Any, cursor: Any, statement: str, parameters: Any, x: Any, many: bool
    ) -> None:
        if not statement.startswith(("PRAGMA", "BEGIN")):
            log.append((statement, parameters, many))

    def committed(connection: Any) -> None:
        log.append(COMMIT)

    event.listen(engine, "before_cursor_execute", executed)
    event.listen(engine, "commit", committed)
    try:
        yield log
    finally:
        event.remove(engine, "before_cursor_execute", executed)
        event.remove(engine, "commit", committed)


def replayed(connection: Any, log: Log, *, immediate: bool) -> None:
    """Send `log` by the raw driver, with the same commits, and fetch every row."""
    cursor = connection.cursor()
    begun = False
    for statement, parameters, many in log:
        if statement == "COMMIT":
            connection.commit()
            begun = False
            continue
        if immediate and not begun:
            cursor.execute("BEGIN IMMEDIATE")
        begun = True
        (cursor.executemany if many else cursor.execute)(statement, parameters)
        if cursor.description is not None:
            cursor.fetchall()


def timed(database: Database, work: Callable[[], object]) -> Cost:
    """Run `work` and return what it took, here and in the database."""
    server = database.server_cpu()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(wall, cpu, database.server_cpu() - server)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each part."""
    return Cost(
        *(
            statistics.median(getattr(cost, part) for cost in costs)
            for part in ("wall", "cpu", "server_cpu")
        )
    )


def compared(
    name: str,
    kind: str,
    items: int,
    costs: tuple[Sequence[Cost], Sequence[Cost]],
    sent: Log | None,
) -> Result:
    """Return the median of our `costs` beside the raw ones; `sent` is what we sent."""
    us, them = median(costs[0]), median(costs[1])
    commits = None if sent is None else sent.count(COMMIT)
    return Result(
        path=name,
        database=kind,
        items=items,
        ratio=them.wall / us.wall,
        per_second=items / us.wall,
        raw_per_second=items / them.wall,
        cpu_ms=us.cpu / items * 1000,
        raw_cpu_ms=them.cpu / items * 1000,
        server_cpu_ms=us.server_cpu / items * 1000,
        statements=None if sent is None else (len(sent) - (commits or 0)) / items,
        commits=None if commits is None else commits / items,
    )


def fsync_ms() -> float:
    """Return how long the disk takes to keep a page: what a commit cannot undercut."""
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(20):
            start = time.perf_counter()
            file.write(b"x" * 8192)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def _record(opened: Any, path: Path, items: int) -> tuple[Log, Log]:
    """Return what comes before the items, the warm-up included, and what they send."""
    with opened() as database:
        engine = database.engine()
        shop = open_shop(engine, path.psp)
        with recorded(shop.service.driver.database) as before:
            warm, *work = path.prepare(shop, items)
            warm()
        with recorded(shop.service.driver.database) as log:
            for item in work:
                item()
        engine.dispose()
    return before, log


def _ours(opened: Any, path: Path, items: int) -> Cost:
    with opened() as database:
        engine = database.engine()
        warm, *work = path.prepare(open_shop(engine, path.psp), items)
        warm()
        cost = timed(database, lambda: [item() for item in work])
        engine.dispose()
    return cost


def _raw(opened: Any, before: Log, log: Log) -> Cost:
    with opened() as database:
        immediate = database.kind == "sqlite"
        connection = database.connect()
        if immediate:
            connection.execute("PRAGMA synchronous = FULL")
        replayed(connection, before, immediate=immediate)
        cost = timed(database, lambda: replayed(connection, log, immediate=immediate))
        connection.close()
    return cost


def measure(
    kind: str, opened: Any, path: Path, beside: Path, items: int, rounds: int
) -> Result:
    """Measure `path` beside the raw replay of `beside`, taking turns."""
    before, log = _record(opened, beside, items)
    own = log if path is beside else _record(opened, path, items)[1]
    ours, raw = [], []
    for _ in range(rounds):
        ours.append(_ours(opened, path, items))
        raw.append(_raw(opened, before, log))
    return compared(path.name, kind, items, (ours, raw), own)
