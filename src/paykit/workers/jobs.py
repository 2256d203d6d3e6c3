"""The jobs that come again, by name; rows of `paykit.workers.periodic`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from paykit.engine import Environment, Flow, commit
from paykit.errors import UsageError
from paykit.store import periodic, watching, work
from paykit.store.overdue import overdue
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.catch_up import catch_up
from paykit.workers.periodic import Job
from paykit.workers.retention import erase_old
from paykit.workers.watch import watch

__all__ = ["JOBS"]

_OFTEN: Final = timedelta(minutes=5)

_BINDINGS: Final = 1000
"""How many bindings one statement names: databases take only so many parameters."""

_AT_ONCE: Final = 500
"""How many payouts, and subscriptions, of so many bindings one run puts among those to
be read again."""


def _enlist(env: Environment, job: Claimed) -> Flow[timedelta | None]:
    """
    Make sure of what is to be done for every binding, also for a new one: its jobs, and
    a look at what should have been heard of.
    """
    found = [
        binding
        for binding in (yield from commit(watching.bindings))
        if _speaks_for(env, binding)
    ]
    rows = [
        (f"{each.name}:{binding}", timedelta(0))
        for each in JOBS
        for binding in found
        if each.per_binding and _can_list(env, binding)
    ]
    yield from commit(partial(_keep, rows, found))
    return None


def _keep(rows: list[tuple[str, timedelta]], bindings: list[str], tx: Tx) -> None:
    periodic.keep(tx, rows)
    for first in range(0, len(bindings), _BINDINGS):
        some = bindings[first : first + _BINDINGS]
        for id_ in overdue(tx, some, limit=_AT_ONCE):
            work.ensure(tx, "refresh", id_, delay=timedelta(0))


def _speaks_for(env: Environment, binding: str) -> bool:
    try:
        env.psps.for_binding(binding)
    except (UsageError, LookupError):
        return False
    return True


def _can_list(env: Environment, binding: str) -> bool:
    return env.psps.for_binding(binding).capabilities.event_list


JOBS: Final = (
    Job("bindings", _OFTEN, _enlist),
    Job("catch_up", _OFTEN, catch_up, per_binding=True),
    Job("watch", _OFTEN, watch, per_binding=True),
    Job("retention", timedelta(days=1), erase_old),
)
"""Every job. A name is part of the row's id: it is never used for another job."""
