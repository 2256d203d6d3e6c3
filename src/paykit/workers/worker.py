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
from collections.abc import Collection, Iterable

from paykit.errors import SchemaOutOfDate, UsageError
from paykit.workers.duties import (
    AT_ONCE,
    AsynchronousService,
    BlockingService,
    Duty,
    chosen,
)
from paykit.workers.failures import where
from paykit.workers.progress import Progress, WorkerReport, WorkReport

__all__ = ["AsyncWorker", "Worker"]

_log = logging.getLogger("paykit.workers")

_HOPELESS = (SchemaOutOfDate, UsageError)
"""What no duty can do anything about: the worker ends, loudly."""


def _tell(name: str, error: Exception) -> Exception:
    """Log that a duty failed; the text of the error may hold what was being written."""
    _log.error("the duty %s failed: %s", name, where(error))
    return error


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


class Worker:
    """
    Works in the background, with blocking calls.

    `only` names the duties, if it is not to do all of them; raises `UsageError`.
    """

    def __init__(
        self, service: BlockingService, *, only: str | Iterable[str] | None = None
    ) -> None:
        self._service = service
        self._world = service.engine.env.world
        self._duties = chosen(service, only)
        self._progress = Progress(self._duties, self._world.now())

    def report(self) -> WorkerReport:
        """Return what this worker has done since it was made; from any thread."""
        return self._progress.report

    def run_once(self, stop: threading.Event | None = None) -> WorkReport:
        """
        Do what is due now; with `stop`, until it is set or nothing is due.

        A duty that fails keeps no other one from its turn: see `WorkReport.failed`.
        Raises `SchemaOutOfDate`, and `UsageError` if the service cannot work like this.
        """
        return self._round(self._duties, stop)

    def _round(
        self, names: Collection[str], stop: threading.Event | None
    ) -> WorkReport:
        done: dict[str, Counter[str]] = {}
        failed: dict[str, Exception] = {}
        for name in names:
            done[name] = Counter()
            try:
                self._work(self._duties[name], stop, done[name])
            except _HOPELESS:
                raise
            except Exception as error:
                failed[name] = _tell(name, error)
        return self._progress.round(done, failed, self._world.now())

    def _work(
        self, duty: Duty, stop: threading.Event | None, ends: Counter[str]
    ) -> None:
        while (left := AT_ONCE - ends.total()) > 0:
            if stop is not None and stop.is_set():
                break
            found = self._service.run(duty(left))
            if not found:
                break
            ends.update(found)

    def run(self, stop: threading.Event, *, idle_seconds: float = 1.0) -> None:
        """
        Work until `stop` is set; sleep for `idle_seconds` when nothing is due.

        What is under way when it is set is finished. Neither a database that is down
        nor a duty that fails ends it: the duty pauses, the others go on.
        """
        while not stop.is_set():
            ready = self._progress.ready(self._world.now())
            if not self._round(ready, stop).total:
                stop.wait(idle_seconds)


class AsyncWorker:
    """`Worker` for asyncio."""

    def __init__(
        self, service: AsynchronousService, *, only: str | Iterable[str] | None = None
    ) -> None:
        self._service = service
        self._world = service.engine.env.world
        self._duties = chosen(service, only)
        self._progress = Progress(self._duties, self._world.now())

    def report(self) -> WorkerReport:
        """See `Worker.report`."""
        return self._progress.report

    async def run_once(self, stop: asyncio.Event | None = None) -> WorkReport:
        """See `Worker.run_once`."""
        return await self._round(self._duties, stop)

    async def _round(
        self, names: Collection[str], stop: asyncio.Event | None
    ) -> WorkReport:
        done: dict[str, Counter[str]] = {}
        failed: dict[str, Exception] = {}
        for name in names:
            done[name] = Counter()
            try:
                await self._work(self._duties[name], stop, done[name])
            except _HOPELESS:
                raise
            except Exception as error:
                failed[name] = _tell(name, error)
        return self._progress.round(done, failed, self._world.now())

    async def _work(
        self, duty: Duty, stop: asyncio.Event | None, ends: Counter[str]
    ) -> None:
        while (left := AT_ONCE - ends.total()) > 0:
            if stop is not None and stop.is_set():
                break
            found = await self._service.run(duty(left))
            if not found:
                break
            ends.update(found)

    async def run(self, stop: asyncio.Event, *, idle_seconds: float = 1.0) -> None:
        """See `Worker.run`."""
        while not stop.is_set():
            ready = self._progress.ready(self._world.now())
            if not (await self._round(ready, stop)).total:
                await _wait(stop, idle_seconds)
