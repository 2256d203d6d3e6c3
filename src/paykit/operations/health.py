"""How paykit is: what is pending and for how long, and what needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args

from paykit.engine import Environment
from paykit.store import alarms, backlog, breaks, cases, clocks, inbox
from paykit.store.backlog import Backlog
from paykit.store.inbox import Backlog as Webhooks
from paykit.store.tx import Tx
from paykit.store.version import installed
from paykit.store.work import Queue

__all__ = ["Backlog", "Health", "health"]

_RECURRING: Final = frozenset({"clock", "periodic"})
"""Queues that are never empty: what is in them is not late."""

_EMPTY: Final = Backlog(pending=0, due=0, held=0, parked=0, oldest_due_seconds=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    How much is still to do, and what needs a person; for monitoring.

    ``dataclasses.asdict`` makes it plain data for JSON. Ages are seconds.
    """

    queues: Mapping[str, Backlog]
    """Every queue by name; see `paykit.store.work.Queue`."""
    inbox: Webhooks
    """Webhooks that are not done, by what they wait for."""
    in_doubt: int
    """Open operations that have sent something and have not heard what came of it."""
    oldest_in_doubt_seconds: float | None
    attention: Mapping[str, int]
    """
    What needs a person, by kind; all are zero if nobody is needed.

    ``cases`` are operations whose outcome nobody could find out, ``breaks`` open
    disagreements with the PSP, ``dead`` webhooks that could not be applied, ``parked``
    events that could not be delivered, ``stuck`` payments and refunds that do not move,
    ``alarms`` what is wrong with the PSP's webhooks.
    """
    oldest_break_seconds: float | None
    oldest_stuck_seconds: float | None
    open_circuits: tuple[str, ...]
    """The PSPs and kinds of calls that this process does not try, for now."""
    schema_version: int

    @property
    def pending(self) -> Mapping[str, int]:
        """Rows by queue, held or not; without the jobs that come again."""
        return {
            name: queue.pending
            for name, queue in self.queues.items()
            if name not in _RECURRING
        }

    @property
    def needs_a_person(self) -> bool:
        """Whether something waits for a person."""
        return any(self.attention.values())


def health(env: Environment, tx: Tx) -> Health:
    """Return how paykit is; as many statements whatever is pending."""
    queues = {**dict.fromkeys(get_args(Queue), _EMPTY), **backlog.queues(tx)}
    webhooks = inbox.backlog(tx)
    doubt = backlog.in_doubt(tx)
    stuck = clocks.stuck(tx)
    disagreements = breaks.open_breaks(tx)
    version = installed(tx.connection)
    return Health(
        queues=queues,
        inbox=webhooks,
        in_doubt=doubt.count,
        oldest_in_doubt_seconds=_age(tx, doubt.since),
        attention={
            "cases": cases.count(tx),
            "breaks": disagreements.count,
            "dead": webhooks.dead,
            "parked": sum(queue.parked for queue in queues.values()),
            "stuck": stuck.count,
            "alarms": len(alarms.list_alarms(tx)),
        },
        oldest_break_seconds=_age(tx, disagreements.oldest),
        oldest_stuck_seconds=_age(tx, stuck.oldest),
        open_circuits=tuple("/".join(one) for one in env.gate.open_circuits()),
        schema_version=0 if version is None else version.version,
    )


def _age(tx: Tx, since: datetime | None) -> float | None:
    """Return the seconds since then, and none below zero if two clocks differ."""
    return None if since is None else max(0.0, (tx.now - since).total_seconds())
