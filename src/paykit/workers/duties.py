"""
Every duty by name: what a round of a worker does, and what a job may do alone.

A duty is a function of *how many* rows at most; it returns what became of each. It may
run anywhere, any number of times at once and again after a crash: what it works on is
claimed under a lease, and every advance is fenced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol, TypeAlias

from paykit.engine import Engine, Flow, Handlers, Priority
from paykit.errors import UsageError
from paykit.operations import EventView
from paykit.workers.clocks import clock_next
from paykit.workers.deliver import deliver_next
from paykit.workers.inbox_batch import process_batch
from paykit.workers.jobs import JOBS
from paykit.workers.periodic import Periodic
from paykit.workers.refresh import refresh_next
from paykit.workers.relay import relay_due
from paykit.workers.resume import resume_next

__all__ = [
    "AT_ONCE",
    "AsynchronousService",
    "BlockingService",
    "Duty",
    "chosen",
    "duties",
    "run_duty",
    "run_duty_async",
]

AT_ONCE: Final = 100
"""How many rows of one duty a round does before the next duty has its turn."""

Duty: TypeAlias = Callable[[int], Flow[tuple[str, ...]]]
"""Works on as many rows as it is given, or fewer; what became of each."""


class Parts(Protocol):
    """What duties need of a service of either kind."""

    @property
    def engine(self) -> Engine:
        """What runs operations, and its environment."""
        ...

    @property
    def handlers(self) -> Handlers[EventView, Any]:
        """The host's functions, by type of event."""
        ...


class BlockingService(Parts, Protocol):
    """A `PaymentService`, as a worker sees it."""

    def run(self, flow: Flow[tuple[str, ...]], /) -> tuple[str, ...]:
        """Perform the effects of `flow`."""
        ...


class AsynchronousService(Parts, Protocol):
    """An `AsyncPaymentService`, as a worker sees it."""

    async def run(self, flow: Flow[tuple[str, ...]], /) -> tuple[str, ...]:
        """Perform the effects of `flow`."""
        ...


def duties(service: Parts) -> dict[str, Duty]:
    """Return every duty by name, in the order in which one feeds the next."""
    engine, resolver = _engines(service.engine)
    relay = engine.env.publisher is not None
    jobs = Periodic(replace(engine.env, priority=Priority.RECONCILIATION), JOBS)
    return {
        "resume": lambda at_most: _one(resume_next(resolver)),
        "inbox": lambda at_most: process_batch(engine.env, at_most),
        "refresh": lambda at_most: _one(refresh_next(engine.env)),
        "clock": lambda at_most: _one(clock_next(engine)),
        "deliver": lambda at_most: _one(deliver_next(service.handlers, relay=relay)),
        "periodic": lambda at_most: _one(jobs.next()),
        "relay": lambda at_most: relay_due(engine.env, at_most),
    }


def _engines(engine: Engine) -> tuple[Engine, Engine]:
    """Return who asks PSPs after the payers, and who finds out what came of a call."""
    work = replace(engine, env=replace(engine.env, priority=Priority.WORKER))
    return work, replace(engine, env=replace(engine.env, priority=Priority.RESOLVE))


def _one(flow: Flow[str | None]) -> Flow[tuple[str, ...]]:
    end = yield from flow
    return () if end is None else (end,)


def chosen(service: Parts, only: str | Iterable[str] | None = None) -> dict[str, Duty]:
    """Return the duties that `only` names, or all; raises `UsageError`."""
    known = duties(service)
    if only is None:
        return known
    names = (only,) if isinstance(only, str) else tuple(only)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(f"duties are {', '.join(known)}, not {unknown or 'none'}")
    return {name: duty for name, duty in known.items() if name in names}


def run_duty(
    service: BlockingService, name: str, *, at_most: int = AT_ONCE
) -> Mapping[str, int]:
    """
    Do what is due of one duty, for a job runner; how many rows came to which end.

    A plain function: import it by name in a task of Celery, RQ or a cron job. Tasks may
    overlap, repeat and die. Raises what the database raises, so that the runner tries
    again, and `UsageError` for a duty that there is not.
    """
    duty = chosen(service, name)[name]
    ends: Counter[str] = Counter()
    while (left := at_most - ends.total()) > 0:
        found = service.run(duty(left))
        if not found:
            break
        ends.update(found)
    return ends


async def run_duty_async(
    service: AsynchronousService, name: str, *, at_most: int = AT_ONCE
) -> Mapping[str, int]:
    """`run_duty` for asyncio."""
    duty = chosen(service, name)[name]
    ends: Counter[str] = Counter()
    while (left := at_most - ends.total()) > 0:
        found = await service.run(duty(left))
        if not found:
            break
        ends.update(found)
    return ends
