"""
What the broker has taken since one message failed: whose fault the failure is.

While other messages get through, a message that fails alone fails for a reason of its
own. An event that is newer than the failure and waits for nobody any more is one that
the broker has taken since. Workers come and go, so this is read and not remembered:
beside the message that failed stands which event was the newest one then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from paykit.store.schema.messages import event, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["note_failure", "others_taken"]

_ENOUGH: Final = 100
"""How many newer events are looked at: enough to see whether any has got through."""

_IDS: Final = work.c.id.in_(bindparam("ids", expanding=True))
_NEWEST: Final = select(event.c.id).order_by(event.c.id.desc()).limit(1)
_NOTE: Final = (
    update(work)
    .where(work.c.queue == "relay", _IDS)
    .where(work.c.lease == bindparam("at_lease", type_=work.c.lease.type))
    .values(reason=bindparam("newest"))
)
_NOTED: Final = select(work.c.id, work.c.group_id, work.c.reason).where(
    work.c.queue == "relay", _IDS
)
_NEWER: Final = (
    select(event.c.id)
    .where(event.c.id > bindparam("noted", type_=event.c.id.type))
    .where(event.c.aggregateid != bindparam("own"))
    .order_by(event.c.id)
    .limit(_ENOUGH)
)
_WAITING: Final = (
    select(func.count())
    .select_from(work)
    .where(work.c.queue.in_(("delivery", "relay")), _IDS)
)


def note_failure(
    tx: Tx, failed: Sequence[Claimed], *, only_first: bool = False
) -> None:
    """
    Note beside messages that we hold, and that failed, which event is the newest.

    With `only_first` what was noted before stays.
    """
    if failed:
        newest = tx.on(event).scalar(_NEWEST)
        ids = [one.id for one in failed]
        given = {"ids": ids, "at_lease": failed[0].lease, "newest": str(newest)}
        statement = _NOTE.where(work.c.reason.is_(None)) if only_first else _NOTE
        tx.on(work).execute(statement, given)


def others_taken(tx: Tx, failed: Sequence[Claimed]) -> frozenset[str]:
    """
    Return the ids of those for which the broker has taken others, since they failed.

    None is among them that fails for the first time.
    """
    if not failed:
        return frozenset()
    noted = tx.on(work).execute(_NOTED, {"ids": [one.id for one in failed]}).all()
    return frozenset(
        row.id
        for row in noted
        if row.reason is not None and _any_taken(tx, UUID(row.reason), row.group_id)
    )


def _any_taken(tx: Tx, noted: UUID, own: str) -> bool:
    newer = tx.on(event).scalars(_NEWER, {"noted": noted, "own": own}).all()
    if not newer:
        return False
    waiting = tx.on(work).scalar(_WAITING, {"ids": [str(id_) for id_ in newer]}) or 0
    return waiting < len(newer)
