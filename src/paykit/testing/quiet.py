"""
A host's shop in a test, and how it comes to rest: webhooks delivered, all work done.

`sweep` and `permutations` run a shop again and again, each time a fresh one. It stands
on a simulated provider and a `FrozenClock`, so that a day takes no time and each run
makes the same ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

from sqlalchemy import Engine, StaticPool, create_engine, func, select

from paykit.service import PaymentService
from paykit.store import create_all
from paykit.store.schema import work
from paykit.testing.clock import FrozenClock
from paykit.testing.simulated import SimulatedProvider
from paykit.webhooks import WebhookReceiver
from paykit.workers import Worker

__all__ = ["Shop", "deliver_webhooks", "empty_database", "work_until_quiet"]

_FIRST_PAUSE: Final = timedelta(seconds=15)
_LONGEST_PAUSE: Final = timedelta(days=1)

_ROUNDS: Final = 40
"""More than any schedule of paykit has entries: what needs more never ends."""

_COMES_AGAIN: Final = ("clock", "periodic")
"""Queues whose work is not there to be finished: it comes again by itself."""


_free: Final[list[Engine]] = []
"""Engines that nobody uses; they know how to say every statement of paykit already."""


@contextmanager
def empty_database() -> Iterator[Engine]:
    """Yield an engine on a SQLite in memory with paykit's tables; in a millisecond."""
    engine = _free.pop() if _free else _memory()
    try:
        _driver(engine).deserialize(_tables())
        # A view: whoever listens to it does not listen to the next one.
        yield engine.execution_options()
    finally:
        engine.dispose()
        _free.append(engine)


@cache
def _tables() -> bytes:
    """Return a database with paykit's tables; making them takes a while, once."""
    engine = _memory()
    try:
        create_all(engine)
        return _driver(engine).serialize()
    finally:
        engine.dispose()


def _memory() -> Engine:
    threads = {"check_same_thread": False}
    return create_engine("sqlite://", poolclass=StaticPool, connect_args=threads)


def _driver(engine: Engine) -> sqlite3.Connection:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A fresh installation of a host: empty tables, and the host's own handlers."""

    service: PaymentService
    """On `provider` and `clock`: ``PaymentService(..., world=clock)``."""
    provider: SimulatedProvider
    clock: FrozenClock

    def __post_init__(self) -> None:
        """Raise `ValueError` if the three do not go by one clock."""
        if self.service.engine.env.world is not self.clock:
            raise ValueError("make the service with PaymentService(..., world=clock)")
        if self.provider.world is not self.clock:
            raise ValueError("make the provider with SimulatedProvider(clock)")


def deliver_webhooks(shop: Shop) -> None:
    """
    Deliver what the provider has to tell; `AssertionError` if it is refused.

    What was not accepted, as the receiver has died, is there for the next time.
    """
    receiver = WebhookReceiver(shop.service)
    for event in shop.provider.events(undelivered=True):
        told = receiver.receive(*shop.provider.webhook(event))
        assert told.status == 200, f"a webhook was refused: {told.reason}"
        shop.provider.mark_delivered(event)


def work_until_quiet(shop: Shop) -> None:
    """
    Deliver webhooks, work and let time pass until nothing is left to do.

    Time passes in longer and longer steps, from seconds up to a day, so that leases end
    and what failed is tried again. Raises `AssertionError`, with the queues, if the
    work never ends. A handler that always fails is one reason: its event is named, and
    the log of ``paykit.deliver`` has the tracebacks.
    """
    worker = Worker(shop.service)
    pause = _FIRST_PAUSE
    left: dict[str, int] = {}
    for _ in range(_ROUNDS):
        deliver_webhooks(shop)
        worker.run_once()
        left = _left(shop)
        if not left:
            return
        shop.clock.advance(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    parked = "".join(f"\n{line}" for line in _parked(shop))
    raise AssertionError(f"the work never ends: {left}{parked}")


def _parked(shop: Shop) -> Iterator[str]:
    """Return a line for each event that no worker tries to deliver any more."""
    for one in shop.service.operator.parked().items:
        told = f"{one.event.type} of {one.event.aggregate_id}"
        yield f"{told} failed {one.tries} times, the last time with {one.reason}"


def _left(shop: Shop) -> dict[str, int]:
    """Return how many rows are left in each queue that can become empty."""
    statement = select(work.c.queue, func.count()).group_by(work.c.queue)
    with shop.service.driver.database.connect() as connection:
        rows = connection.execute(statement.where(work.c.queue.not_in(_COMES_AGAIN)))
        return {queue: count for queue, count in rows}
