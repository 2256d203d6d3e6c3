"""
Jobs that come again: one worker of many does each, and none is ever lost.

A job is a row of the queue ``periodic``, claimed under a lease and given back until its
next time. One that raises is logged and comes again soon, then less soon. A row is put
by whoever works first and does not find it; `paykit.workers.jobs` lists the jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, TypeAlias

from paykit.engine import Environment, Flow, commit
from paykit.errors import LeaseLost
from paykit.store import periodic, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.failures import spread, where

__all__ = ["LEASE", "RETRIES", "Delayed", "Job", "Periodic", "subject_of"]

_log = logging.getLogger("paykit.periodic")

LEASE: Final = timedelta(minutes=2)
"""How long a job may be silent; one that takes longer fences itself in its phases."""

RETRIES: Final = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
)
"""When a job that failed comes again: the last one for good, or its interval if that is
shorter."""

_UNKNOWN: Final = timedelta(minutes=1)
"""When a job is looked at again that this release does not know."""

Run: TypeAlias = Callable[[Environment, Claimed], Flow[timedelta | None]]
"""Does the job; how soon it comes again, None for its interval. May raise `Delayed`."""


class Delayed(Exception):
    """The job cannot be done now, and nothing is wrong with our code."""


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work that comes again."""

    name: str
    every: timedelta
    """How long after it went well it comes again."""
    run: Run
    per_binding: bool = False
    """Whether there is one for each binding whose PSP can list its events."""


def subject_of(claimed: Claimed) -> str:
    """Return what a job is about: the binding, for one that is `per_binding`."""
    return claimed.id.partition(":")[2]


class Periodic:
    """The duty of one process; it remembers that it has made sure of the rows."""

    def __init__(self, env: Environment, jobs: Sequence[Job]) -> None:
        self._env = env
        self._jobs: Mapping[str, Job] = {job.name: job for job in jobs}
        self._kept = False

    def next(self) -> Flow[str | None]:
        """Do the job that has been due longest; what became of it, None if idle."""
        if not self._kept:
            yield from commit(self._keep)
            self._kept = True
        claimed = yield from commit(_claim)
        if claimed is None:
            return None
        job = self._jobs.get(claimed.id.partition(":")[0])
        try:
            if job is None:
                yield from commit(partial(_later, claimed, _UNKNOWN))
                return "unknown"
            return (yield from self._do(job, claimed))
        except LeaseLost:
            return "lease lost"

    def _keep(self, tx: Tx) -> None:
        jobs = self._jobs.values()
        periodic.keep(
            tx, [(job.name, timedelta(0)) for job in jobs if not job.per_binding]
        )

    def _do(self, job: Job, claimed: Claimed) -> Flow[str]:
        try:
            soon = yield from job.run(self._env, claimed)
        except LeaseLost:
            raise
        except Delayed as reason:
            _log.info("%s: %s", claimed.id, reason)
        except Exception as error:
            _log.error("the job %s failed: %s", claimed.id, where(error))
        else:
            after = job.every if soon is None else soon
            yield from commit(partial(_again, claimed, after))
            return "done" if soon is None else "more"
        retry = RETRIES[min(claimed.attempts, len(RETRIES)) - 1]
        pause = spread(min(retry, job.every), claimed.id, claimed.attempts)
        yield from commit(partial(_later, claimed, pause))
        return "failed"


def _claim(tx: Tx) -> Claimed | None:
    return work.claim_next(tx, "periodic", lease_for=LEASE)


def _again(claimed: Claimed, after: timedelta, tx: Tx) -> None:
    periodic.again(tx, claimed, after=after)


def _later(claimed: Claimed, delay: timedelta, tx: Tx) -> None:
    work.postpone(tx, "periodic", claimed.id, claimed.lease, delay=delay)
