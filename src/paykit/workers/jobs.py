"""The jobs that come again, by name; rows of `paykit.workers.periodic`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from paykit.engine import Environment, Flow, commit
from paykit.errors import UsageError
from paykit.store import periodic, watching
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.catch_up import catch_up
from paykit.workers.periodic import Job
from paykit.workers.retention import erase_old
from paykit.workers.watch import watch

__all__ = ["JOBS"]

_OFTEN: Final = timedelta(minutes=5)


def _enlist(env: Environment, job: Claimed) -> Flow[timedelta | None]:
    """Make sure of the jobs of every binding that has payments, also of a new one."""
    found = yield from commit(watching.bindings)
    rows = [
        (f"{each.name}:{binding}", timedelta(0))
        for each in JOBS
        for binding in found
        if each.per_binding and _can_list(env, binding)
    ]
    yield from commit(partial(_keep, rows))
    return None


def _keep(rows: list[tuple[str, timedelta]], tx: Tx) -> None:
    periodic.keep(tx, rows)


def _can_list(env: Environment, binding: str) -> bool:
    """Whether somebody here speaks for `binding`, and its PSP lists its events."""
    try:
        return env.psps.for_binding(binding).capabilities.event_list
    except (UsageError, LookupError):
        return False


JOBS: Final = (
    Job("bindings", _OFTEN, _enlist),
    Job("catch_up", _OFTEN, catch_up, per_binding=True),
    Job("watch", _OFTEN, watch, per_binding=True),
    Job("retention", timedelta(days=1), erase_old),
)
"""Every job. A name is part of the row's id: it is never used for another job."""
