"""
Pending work: put, claim, fence, postpone, finish.

A lease is a token and a time. Whoever holds the token may go on; every advance names
it and checks the row count, so that a worker that was too slow advances nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from sqlalchemy import Connection, Update, func, select

from paykit.errors import LeaseLost
from paykit.store.clock import clock_values
from paykit.store.schema.messages import work
from paykit.store.tx import Params, Tx, Write, many
from paykit.store.work_statements import (
    ATTEMPTS,
    FINISH,
    FINISH_HELD,
    TIMED,
    Timed,
)

__all__ = [
    "Claimed",
    "Queue",
    "attempts",
    "claim_heads",
    "claim_next",
    "ensure",
    "fence",
    "finish",
    "finish_all",
    "finish_held",
    "give_back",
    "hand_over",
    "hasten",
    "hold",
    "hold_all",
    "is_held",
    "park",
    "pending",
    "postpone",
    "put",
]

Queue = Literal[
    "operation", "inbox", "refresh", "delivery", "relay", "clock", "periodic"
]
"""``relay``: events for a broker; ``clock``: payments whose time may be up;
``periodic``: jobs that come again, and are never done."""

_IN_ORDER: Final = frozenset({"delivery", "relay"})


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row of pending work, and the lease under which we hold it."""

    queue: Queue
    id: str
    lease: uuid.UUID
    attempts: int
    """How often it has been claimed, this time included if that is counted."""


def _ensure_all(connection: Connection, rows: Sequence[Params]) -> None:
    """Queue every row once, as early as anybody asked, in the order of locks."""
    soonest: dict[tuple[object, object], Params] = {}
    for row in sorted(
        rows,
        key=lambda row: (str(row["queue"]), str(row["id"]), int(str(row["delay_ms"]))),
    ):
        soonest.setdefault((row["queue"], row["id"]), row)
    ensure = TIMED["now_ms" in rows[0]].ensure[connection.dialect.name]
    many(ensure)(connection, list(soonest.values()))


def _lost(rows: Sequence[Params]) -> LeaseLost:
    names = ", ".join(f"{row['at_queue']} {row['at_id']}" for row in rows)
    return LeaseLost(f"{names}: another worker took over; repeat the call")


_PUT: Final = {
    simulated: Write(work, 60, many(timed.put)) for simulated, timed in TIMED.items()
}
_ENSURE: Final = Write(work, 61, _ensure_all)
_FINISH: Final = Write(work, 62, many(FINISH, stale=_lost))


def _ms(delta: timedelta) -> int:
    return int(delta.total_seconds() * 1000)


def _timed(tx: Tx) -> Timed:
    return TIMED[tx.world.simulated]


def _values(tx: Tx, delay: timedelta, **values: object) -> dict[str, object]:
    return {**values, "delay_ms": _ms(delay), **clock_values(tx.world)}


def _held(queue: Queue, id_: str, lease: uuid.UUID) -> dict[str, object]:
    return {"at_queue": queue, "at_id": id_, "at_lease": lease}


def put(
    tx: Tx,
    queue: Queue,
    id_: str,
    *,
    delay: timedelta = timedelta(0),
    lease: uuid.UUID | None = None,
    group: str | None = None,
    position: int | None = None,
) -> None:
    """Insert work that is due after `delay`; held under `lease`, if one is given."""
    row = _values(
        tx,
        delay,
        queue=queue,
        id=id_,
        group_id=group,
        position=position,
        lease=lease,
        hold_ms=None if lease is None else _ms(delay),
    )
    tx.later(_PUT[tx.world.simulated], row)


def ensure(tx: Tx, queue: Queue, id_: str, *, delay: timedelta) -> None:
    """Make sure that `id_` is looked at after `delay`, or earlier if it was due."""
    tx.later(_ENSURE, _values(tx, delay, queue=queue, id=id_))


def claim_next(
    tx: Tx, queue: Queue, *, lease_for: timedelta, count: bool = True
) -> Claimed | None:
    """
    Claim the work that has been due longest, and skip what others hold.

    Returns None when nothing is due. Without `count` this time is not counted: then a
    worker that dies of it uses up no schedule.
    """
    timed = _timed(tx)
    due = timed.due_in_order if queue in _IN_ORDER else timed.due
    given = {"at_queue": queue, **clock_values(tx.world)}
    id_: str | None = tx.on(work).scalar(due, given)
    if id_ is None:
        return None
    lease = tx.new_uuid()
    attempts = hold(tx, queue, id_, lease, lease_for, count=count)
    return None if attempts is None else Claimed(queue, id_, lease, attempts)


def claim_heads(
    tx: Tx, queue: Queue, at_most: int, *, lease_for: timedelta
) -> list[Claimed]:
    """Claim what has been due longest under one lease, of each group only the first."""
    given = {"at_queue": queue, "at_most": at_most, **clock_values(tx.world)}
    ids = tx.on(work).scalars(_timed(tx).due_heads, given).all()
    return hold_all(tx, queue, ids, lease_for) if ids else []


def hold(
    tx: Tx,
    queue: Queue,
    id_: str,
    lease: uuid.UUID,
    lease_for: timedelta,
    *,
    count: bool = False,
) -> int | None:
    """
    Hold this row under `lease`, if nobody else does; None if it is held, or gone.

    Returns how often it was claimed; only with `count` is this time counted, so that
    an eager caller does not use up the schedule.
    """
    given = _values(tx, lease_for, at_queue=queue, at_id=id_, lease=lease)
    given["counted"] = int(count)
    count_now: int | None = tx.on(work).scalar(_timed(tx).hold, given)
    return count_now


def hold_all(
    tx: Tx, queue: Queue, ids: Sequence[str], lease_for: timedelta
) -> list[Claimed]:
    """Hold rows that this transaction has locked, under one lease, in their order."""
    lease = tx.new_uuid()
    given = _values(tx, lease_for, at_queue=queue, ids=list(ids), lease=lease)
    found = tx.on(work).execute(_timed(tx).hold_all, given)
    counts: dict[str, int] = {row.id: row.attempts for row in found}
    return [Claimed(queue, id_, lease, counts[id_]) for id_ in ids]


def is_held(tx: Tx, queue: Queue, id_: str) -> bool:
    """Whether somebody works on this row right now."""
    given = {"at_queue": queue, "at_id": id_, **clock_values(tx.world)}
    return tx.on(work).scalar(_timed(tx).is_held, given) is not None


def hasten(tx: Tx, queue: Queue, id_: str) -> None:
    """
    Let this row be due now, if there is one that nobody holds.

    Whoever holds it is not waited for: it sees what there is when it records.
    """
    given = {"at_queue": queue, "at_id": id_, **clock_values(tx.world)}
    tx.on(work).execute(_timed(tx).hasten, given)


def attempts(tx: Tx, queue: Queue, id_: str) -> int:
    """Return how often this row has been claimed by a worker."""
    given = {"at_queue": queue, "at_id": id_}
    return tx.on(work).scalar(ATTEMPTS, given) or 0


def fence(
    tx: Tx, queue: Queue, id_: str, lease: uuid.UUID, lease_for: timedelta
) -> None:
    """Prove that `lease` still holds, and prolong it; raises `LeaseLost`."""
    held = _held(queue, id_, lease)
    done = tx.on(work).execute(_timed(tx).fence, _values(tx, lease_for, **held))
    if done.rowcount != 1:
        raise _lost([held])


def finish(tx: Tx, queue: Queue, id_: str, lease: uuid.UUID) -> None:
    """
    Delete work that is done; `LeaseLost` if another worker took over.

    It may be raised only when the phase ends.
    """
    tx.later(_FINISH, _held(queue, id_, lease))


def finish_all(tx: Tx, claimed: Sequence[Claimed]) -> None:
    """Delete work that is done; `LeaseLost` if another worker took over a row."""
    if not claimed:
        return
    queue, lease = claimed[0].queue, claimed[0].lease
    done = finish_held(tx, queue, [one.id for one in claimed], lease)
    lost = [_held(queue, one.id, lease) for one in claimed if one.id not in done]
    if lost:
        raise _lost(lost)


def finish_held(
    tx: Tx, queue: Queue, ids: Iterable[str], lease: uuid.UUID
) -> frozenset[str]:
    """Delete those of `ids` that are still held under `lease`; return which."""
    given = {"at_queue": queue, "ids": list(ids), "at_lease": lease}
    return frozenset(tx.on(work).scalars(FINISH_HELD, given))


def postpone(
    tx: Tx,
    queue: Queue,
    id_: str,
    lease: uuid.UUID,
    *,
    delay: timedelta,
    counted: bool = True,
) -> None:
    """
    Give work back, to be claimed again after `delay`; raises `LeaseLost`.

    Without `counted` this try is not counted: it was not the fault of the row.
    """
    given = _values(tx, delay, uncounted=int(not counted))
    _advance(tx, _timed(tx).postpone, _held(queue, id_, lease), given)


def give_back(tx: Tx, claimed: Claimed, *, delay: timedelta) -> None:
    """
    Postpone, and count no claim any more: this one has come to an end.

    So `Claimed.attempts` tells how often a worker died of this row, or was too slow.
    Raises `LeaseLost`.
    """
    given = _values(tx, delay, uncounted=claimed.attempts)
    held = _held(claimed.queue, claimed.id, claimed.lease)
    _advance(tx, _timed(tx).postpone, held, given)


def park(tx: Tx, queue: Queue, id_: str, lease: uuid.UUID, *, reason: str) -> None:
    """Let work wait for a person, and its group behind it; raises `LeaseLost`."""
    given = {"why": reason[:500], **clock_values(tx.world)}
    _advance(tx, _timed(tx).park, _held(queue, id_, lease), given)


def hand_over(tx: Tx, queue: Queue, id_: str, lease: uuid.UUID, to: Queue) -> None:
    """Move work that is done here to the queue `to`; raises `LeaseLost`."""
    given = {"to_queue": to, **clock_values(tx.world)}
    _advance(tx, _timed(tx).hand_over, _held(queue, id_, lease), given)


def _advance(tx: Tx, change: Update, held: Params, given: Params) -> None:
    if tx.on(work).execute(change, {**held, **given}).rowcount != 1:
        raise _lost([held])


def pending(tx: Tx, queue: Queue) -> int:
    """Return how many rows of `queue` are pending, held or not."""
    count = select(func.count()).select_from(work).where(work.c.queue == queue)
    return tx.connection.scalar(count) or 0
