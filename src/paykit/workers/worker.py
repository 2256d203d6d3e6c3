"""
The loop around the duties: in the host's process, in one of its own, or in a job.

``run_once`` does what is due now and returns; call it from any scheduler. ``run`` goes
on until it is stopped. Any number of workers may run at once: work is claimed under
leases, and a worker that dies loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from paykit.engine import Engine, Flow, Handlers
from paykit.operations import EventView
from paykit.workers.deliver import deliver_next
from paykit.workers.inbox_batch import process_batch
from paykit.workers.refresh import refresh_next
from paykit.workers.resume import resume_next

__all__ = ["AsyncWorker", "WorkReport", "Worker"]

_AT_ONCE: Final = 100
"""How many rows of one duty a round does before the next duty has its turn."""

_log = logging.getLogger("paykit.workers")

Duty: TypeAlias = Callable[[int], Flow[tuple[str, ...]]]
"""Works on as many rows as it is given, or fewer; what became of each."""


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What a round did: how often each duty came to which end."""

    done: Mapping[str, Mapping[str, int]]

    @property
    def total(self) -> int:
        """How many rows were worked on."""
        return sum(sum(ends.values()) for ends in self.done.values())


class _Service(Protocol):
    @property
    def engine(self) -> Engine: ...
    @property
    def handlers(self) -> Handlers[EventView, Any]: ...


class _Blocking(_Service, Protocol):
    def run(self, flow: Flow[tuple[str, ...]], /) -> tuple[str, ...]: ...


class _Asynchronous(_Service, Protocol):
    async def run(self, flow: Flow[tuple[str, ...]], /) -> tuple[str, ...]: ...


def duties(service: _Service) -> dict[str, Duty]:
    """Return every duty by name, in the order in which one feeds the next."""
    engine = service.engine
    return {
        "resume": lambda at_most: _one(resume_next(engine)),
        "inbox": lambda at_most: process_batch(engine.env, at_most),
        "refresh": lambda at_most: _one(refresh_next(engine.env)),
        "deliver": lambda at_most: _one(deliver_next(service.handlers)),
    }


def _one(flow: Flow[str | None]) -> Flow[tuple[str, ...]]:
    end = yield from flow
    return () if end is None else (end,)


def _outage(error: SQLAlchemyError) -> None:
    """Tell of a failed round; the text of the error may hold what was being written."""
    _log.error("the database failed a worker: %s", type(error).__name__)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


class Worker:
    """Works in the background, with blocking calls."""

    def __init__(self, service: _Blocking) -> None:
        self._service = service
        self._duties = duties(service)

    def run_once(self, stop: threading.Event | None = None) -> WorkReport:
        """Do what is due now; with `stop`, until it is set or nothing is due."""
        done = {name: self._work(duty, stop) for name, duty in self._duties.items()}
        return WorkReport(done)

    def _work(self, duty: Duty, stop: threading.Event | None) -> Counter[str]:
        ends: Counter[str] = Counter()
        while (left := _AT_ONCE - ends.total()) > 0:
            if stop is not None and stop.is_set():
                break
            found = self._service.run(duty(left))
            if not found:
                break
            ends.update(found)
        return ends

    def run(self, stop: threading.Event, *, idle_seconds: float = 1.0) -> None:
        """
        Work until `stop` is set; sleep for `idle_seconds` when nothing is due.

        A database that is down ends no worker: it tries again, and nothing is lost.
        """
        while not stop.is_set():
            try:
                idle = not self.run_once(stop).total
            except SQLAlchemyError as error:
                _outage(error)
                idle = True
            if idle:
                stop.wait(idle_seconds)


class AsyncWorker:
    """`Worker` for asyncio."""

    def __init__(self, service: _Asynchronous) -> None:
        self._service = service
        self._duties = duties(service)

    async def run_once(self, stop: asyncio.Event | None = None) -> WorkReport:
        """See `Worker.run_once`."""
        done = {}
        for name, duty in self._duties.items():
            done[name] = await self._work(duty, stop)
        return WorkReport(done)

    async def _work(self, duty: Duty, stop: asyncio.Event | None) -> Counter[str]:
        ends: Counter[str] = Counter()
        while (left := _AT_ONCE - ends.total()) > 0:
            if stop is not None and stop.is_set():
                break
            found = await self._service.run(duty(left))
            if not found:
                break
            ends.update(found)
        return ends

    async def run(self, stop: asyncio.Event, *, idle_seconds: float = 1.0) -> None:
        """See `Worker.run`."""
        while not stop.is_set():
            try:
                idle = not (await self.run_once(stop)).total
            except SQLAlchemyError as error:
                _outage(error)
                idle = True
            if idle:
                await _wait(stop, idle_seconds)
