"""Many callers at once that create payments, with threads and with asyncio."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

from databases import POOL, Database
from measuring import COMMIT, Cost, Log, Result, compared, recorded, replayed, timed
from shops import AsyncStub, Stub, open_shop
from sqlalchemy.ext.asyncio import create_async_engine

from paykit import AsyncPaymentService, Money
from paykit.testing.simulated import SimulatedProvider

__all__ = ["CROWDS", "Crowd", "measure"]

_TEN = Money(1000, "eur")
_names = count(1)


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many callers, a PSP of that latency, and how they wait."""

    driver: str
    callers: int
    psp_ms: int
    on_sqlite: bool = False

    @property
    def name(self) -> str:
        """For example ``create-threads-64x100ms``."""
        return f"create-{self.driver}-{self.callers}x{self.psp_ms}ms"

    def items(self, wanted: int) -> int:
        """Return how many payments: a few for each caller, and not for minutes."""
        most = wanted if not self.psp_ms else max(10, self.callers * 2)
        return max(min(most, wanted), min(self.callers, wanted))


CROWDS = tuple(
    Crowd(driver, callers, psp_ms)
    for driver in ("threads", "asyncio")
    for callers, psp_ms in ((1, 100), (16, 0), (16, 100), (64, 0), (64, 100))
)


# -- paykit ----------------------------------------------------------------------------


def _threads(database: Database, crowd: Crowd, items: int) -> Cost:
    engine = database.engine()
    service = open_shop(engine, Stub).service
    service.create_payment(amount=_TEN, idempotency_key=f"warm-{next(_names)}")
    service.engine.env.psps.for_merchant("default").seconds = crowd.psp_ms / 1000

    def create(n: int) -> object:
        return service.create_payment(amount=_TEN, idempotency_key=f"k-{n}")

    with ThreadPoolExecutor(crowd.callers) as pool:
        cost = timed(database, lambda: list(pool.map(create, range(items))))
    engine.dispose()
    return cost


def _asyncio(database: Database, crowd: Crowd, items: int) -> Cost:
    with asyncio.Runner() as runner:
        engine = create_async_engine(database.async_url, pool_size=POOL, max_overflow=0)
        psp = AsyncStub(SimulatedProvider())
        service = AsyncPaymentService(engine, psp=psp)
        create: Callable[..., Any] = service.create_payment
        runner.run(create(amount=_TEN, idempotency_key="warm"))
        psp.seconds = crowd.psp_ms / 1000

        async def crowded() -> None:
            turns = asyncio.Semaphore(crowd.callers)

            async def one(n: int) -> None:
                async with turns:
                    await create(amount=_TEN, idempotency_key=f"k-{n}")

            await asyncio.gather(*(one(n) for n in range(items)))

        cost = timed(database, lambda: runner.run(crowded()))
        runner.run(engine.dispose())
    return cost


# -- the raw driver --------------------------------------------------------------------


def _record(opened: Any, items: int) -> list[list[Log]]:
    """Return what each payment sends, cut where the PSP is asked."""
    with opened() as database:
        engine = database.engine()
        service = open_shop(engine, Stub).service
        logs = []
        for n in range(items):
            with recorded(service.driver.database) as log:
                service.create_payment(amount=_TEN, idempotency_key=f"k-{n}")
            cut = log.index(COMMIT) + 1
            logs.append([log[:cut], log[cut:]])
        engine.dispose()
    return logs


def _raw_threads(database: Database, crowd: Crowd, logs: list[list[Log]]) -> Cost:
    free: queue.Queue[Any] = queue.Queue()
    connections = [database.connect() for _ in range(min(POOL, crowd.callers))]
    for connection in connections:
        free.put(connection)

    def phase(log: Log) -> None:
        connection = free.get()
        try:
            replayed(connection, log, immediate=database.kind == "sqlite")
        finally:
            free.put(connection)

    def create(log: list[Log]) -> None:
        phase(log[0])
        if crowd.psp_ms:
            time.sleep(crowd.psp_ms / 1000)
        phase(log[1])

    with ThreadPoolExecutor(crowd.callers) as pool:
        cost = timed(database, lambda: list(pool.map(create, logs)))
    for connection in connections:
        connection.close()
    return cost


async def _replayed(connection: Any, log: Log) -> None:
    cursor = connection.cursor()
    for statement, parameters, many in log:
        if statement == "COMMIT":
            await connection.commit()
            continue
        await (cursor.executemany if many else cursor.execute)(statement, parameters)
        if cursor.description is not None:
            await cursor.fetchall()


def _raw_asyncio(database: Database, crowd: Crowd, logs: list[list[Log]]) -> Cost:
    import psycopg

    async def opened(free: asyncio.Queue[Any]) -> None:
        for _ in range(min(POOL, crowd.callers)):
            connect = psycopg.AsyncConnection.connect
            free.put_nowait(await connect(database.raw_url))

    async def crowded(free: asyncio.Queue[Any]) -> None:
        turns = asyncio.Semaphore(crowd.callers)

        async def phase(log: Log) -> None:
            connection = await free.get()
            try:
                await _replayed(connection, log)
            finally:
                free.put_nowait(connection)

        async def create(log: list[Log]) -> None:
            async with turns:
                await phase(log[0])
                if crowd.psp_ms:
                    await asyncio.sleep(crowd.psp_ms / 1000)
                await phase(log[1])

        await asyncio.gather(*(create(log) for log in logs))

    async def closed(free: asyncio.Queue[Any]) -> None:
        while not free.empty():
            await free.get_nowait().close()

    with asyncio.Runner() as runner:
        free: asyncio.Queue[Any] = asyncio.Queue()
        runner.run(opened(free))
        cost = timed(database, lambda: runner.run(crowded(free)))
        runner.run(closed(free))
    return cost


def measure(kind: str, opened: Any, crowd: Crowd, wanted: int, rounds: int) -> Result:
    """Measure one crowd beside the same crowd of raw replays, taking turns."""
    items = crowd.items(wanted)
    logs = _record(opened, items)
    run = {"threads": (_threads, _raw_threads), "asyncio": (_asyncio, _raw_asyncio)}
    paykit_way, raw_way = run[crowd.driver]
    ours, raw = [], []
    for _ in range(rounds):
        with opened() as database:
            ours.append(paykit_way(database, crowd, items))
        with opened() as database:
            raw.append(raw_way(database, crowd, logs))
    sent = [entry for log in logs for half in log for entry in half]
    return compared(crowd.name, kind, items, (ours, raw), sent)
