"""
Read the PSP's own list of events, and take in what no webhook has brought.

Every event of the list goes into the same inbox as a webhook, which knows what it has.
The cursor moves in the transaction that keeps the page, and only when a walk has come
to its end is all before it known; see `paykit.store.cursors`. Who was away for longer
than the PSP keeps events has a gap: that is told, and what may still change is read.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from paykit.engine import Environment, Flow, ask, commit
from paykit.operations.alarms import announce, set_alarms
from paykit.operations.receive_event import read_incoming, receive_event
from paykit.psp import AnyPsp, EventPage, ListEvents, Rejected, Succeeded
from paykit.store import cursors, watching, work
from paykit.store.alarms import AlarmKind
from paykit.store.cursors import KEPT, Cursor
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.periodic import LEASE, Delayed, subject_of

__all__ = ["GRACE", "PAGES", "catch_up"]

GRACE: Final = timedelta(minutes=1)
"""How long a webhook has time to come by itself, by our clock. Only what it has not
brought by then counts as missed; the walk is said to have begun before it."""

PAGES: Final = 10
"""How many pages are read in one turn, so that the other jobs have theirs."""

_SOON: Final = timedelta(seconds=1)
"""When a walk that is not over goes on."""

_AT_ONCE: Final = 500
"""How many rows one transaction puts among those to be read."""


def catch_up(env: Environment, job: Claimed) -> Flow[timedelta | None]:
    """Read the events of one binding that are new; `Delayed` if the PSP cannot tell."""
    binding = subject_of(job)
    psp = env.psps.for_binding(binding)
    cursor = yield from commit(partial(_begin, job, binding))
    if (yield from commit(partial(_is_gap, cursor))):
        cursor = yield from _give_up_gap(job, cursor)
    for _ in range(PAGES):
        page = yield from _page(env, psp, job, cursor)
        cursor, changes = yield from commit(partial(_keep, env, psp, job, cursor, page))
        announce(changes)
        if cursor.position is None:
            return None
    return _SOON


def _page(
    env: Environment, psp: AnyPsp, job: Claimed, cursor: Cursor
) -> Flow[EventPage]:
    """Ask for one page; a part of a page is no page."""
    request = ListEvents(since=cursor.since, position=cursor.position)
    answer = yield from ask(env, cursor.binding, psp.prepare(request, None))
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, EventPage):
        return answer.snapshot
    if isinstance(answer, Rejected) and cursor.position is not None:
        # The event that the last page ended with has been removed meanwhile.
        yield from commit(partial(_begin_anew, job, cursor))
    raise Delayed(f"the events could not be listed: {type(answer).__name__}")


def _give_up_gap(job: Claimed, cursor: Cursor) -> Flow[Cursor]:
    """Let everything be read that may have changed unseen, and then tell of the gap."""
    after: str | None = ""
    while after is not None:
        after = yield from commit(partial(_refresh, job, cursor, after))
    cursor, changes = yield from commit(partial(_tell_gap, job, cursor))
    announce(changes)
    return cursor


# -- phases ----------------------------------------------------------------------------


def _fence(tx: Tx, job: Claimed) -> None:
    work.fence(tx, "periodic", job.id, job.lease, LEASE)


def _begin(job: Claimed, binding: str, tx: Tx) -> Cursor:
    _fence(tx, job)
    return cursors.load(tx, binding)


def _keep(
    env: Environment,
    psp: AnyPsp,
    job: Claimed,
    cursor: Cursor,
    page: EventPage,
    tx: Tx,
) -> tuple[Cursor, tuple[str, ...]]:
    """Store a page, oldest event first, and move the cursor with it."""
    _fence(tx, job)
    until = tx.now - GRACE
    for listed in reversed(page.events):
        if listed.created <= until:
            receive_event(read_incoming(psp, env.psps, listed.body), "list", tx)
    newest = None if page.newest is None else min(page.newest, until)
    cursor = cursors.advance(tx, cursor, newest=newest, position=page.next)
    if cursor.position is not None:
        return cursor, ()
    return cursor, set_alarms(tx, cursor.binding, {AlarmKind.NOT_LISTED: None})


def _begin_anew(job: Claimed, cursor: Cursor, tx: Tx) -> None:
    _fence(tx, job)
    cursors.begin_anew(tx, cursor)


def _is_gap(cursor: Cursor, tx: Tx) -> bool:
    return tx.now - cursor.listed_at > KEPT


def _refresh(job: Claimed, cursor: Cursor, after: str, tx: Tx) -> str | None:
    """Put some rows among those to be read; the last one, None if it was all."""
    _fence(tx, job)
    found = watching.unfinished(
        tx, cursor.binding, since=cursor.listed_at, after=after, limit=_AT_ONCE
    )
    for id_ in found:
        work.ensure(tx, "refresh", id_, delay=timedelta(0))
    return found[-1] if len(found) == _AT_ONCE else None


def _tell_gap(job: Claimed, cursor: Cursor, tx: Tx) -> tuple[Cursor, tuple[str, ...]]:
    _fence(tx, job)
    stored = cursors.load(tx, cursor.binding)
    if stored.listed_at != cursor.listed_at:
        return stored, ()  # told by our own commit, whose reply was lost
    until = tx.now - KEPT
    detail = f"events from {cursor.listed_at} to {until} are lost, and nobody has them"
    gap: dict[AlarmKind, str | None] = {AlarmKind.GAP: detail}
    changes = set_alarms(tx, cursor.binding, gap, again=True)
    return cursors.skip_gap(tx, cursor), changes
