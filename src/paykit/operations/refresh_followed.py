"""
Read a payout or a subscription from the PSP again, as if an event had named it.

What is read is taken in where events are, and under the version of the row that was
seen: if an event comes meanwhile, it is read once more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeAlias

from paykit.engine import Environment, Flow, Priority, ask, commit
from paykit.engine.bindings import serves
from paykit.errors import LedgerConflict
from paykit.operations.observe_payout import follow_payout
from paykit.operations.observe_subscription import follow_subscription
from paykit.operations.refresh_payment import Shown
from paykit.operations.verdicts import Follow, Heard, Needs, Read, ReadOne
from paykit.psp import (
    Conflict,
    Named,
    PayoutSnapshot,
    PspEvent,
    Rejected,
    SubscriptionSnapshot,
    Succeeded,
)
from paykit.store.followed import FollowedTable
from paykit.store.payouts import PAYOUTS
from paykit.store.subscriptions import SUBSCRIPTIONS
from paykit.store.tx import Tx

__all__ = ["KINDS", "Kind", "refresh_followed"]

_log = logging.getLogger("paykit.refresh")

_READS_MAX: Final = 5

_CAUSE: Final = "refresh"
"""What stands in the history as the reason."""

_ANSWERED: Final = (Conflict, Rejected, Succeeded)
"""Answers to a read that say something about the object; others about the PSP."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is followed: which table it is in, and who takes it in."""

    table: FollowedTable[Any]
    follow: Follow


_Asks: TypeAlias = tuple[str, Needs]
"""What must be read, and at the PSP behind which binding."""


def refresh_followed(env: Environment, kind: Kind, id_: str) -> Flow[Shown]:
    """
    Read one now; ``all`` if the PSP has answered, ``nothing`` if it could not be read.

    It waits for all other calls to the PSP. An answer that cannot be taken in is
    logged, and nothing of it is written.
    """
    env = replace(env, priority=Priority.RECONCILIATION)
    reads: dict[ReadOne, Read] = {}
    for _ in range(_READS_MAX):
        try:
            asks = yield from commit(partial(_take_in, env, kind, id_, reads))
        except (LedgerConflict, LookupError) as error:
            _log.error("%s does not fit: %s", id_, type(error).__name__)
            return (yield from _leave(kind, id_))
        if asks is None:
            return "all"
        binding, needs = asks
        psp = env.psps.for_binding(binding)
        answer = yield from ask(env, binding, psp.prepare(needs.request, None))
        if not isinstance(answer, _ANSWERED):
            return "nothing"
        seen = answer.snapshot if isinstance(answer, Succeeded) else None
        if not isinstance(seen, PayoutSnapshot | SubscriptionSnapshot):
            _log.error("%s is not shown: %s", id_, type(answer).__name__)
            return (yield from _leave(kind, id_))
        reads[needs.request] = Read(seen, needs.version)
    return "nothing"


def _leave(kind: Kind, id_: str) -> Flow[Shown]:
    """Leave it until its next look: asked at once, the PSP would say the same."""
    yield from commit(partial(_note, kind, id_))
    return "all"


# -- phases ----------------------------------------------------------------------------


def _take_in(
    env: Environment, kind: Kind, id_: str, reads: Mapping[ReadOne, Read], tx: Tx
) -> _Asks | None:
    """Take in what was read, or say what has to be."""
    row = kind.table.load(tx, id_, merchant=None, lock=True)
    named = Named(kind=kind.table.name, reference=row.psp_reference)
    heard = Heard(
        binding=row.binding,
        event=PspEvent(id=id_, type=_CAUSE, subject=named),
        reads=reads,
        owner=row.merchant_id,
        cause=_CAUSE,
        serves=partial(serves, env.psps, row.binding),
    )
    outcome = kind.follow(tx, heard, named)
    return (row.binding, outcome) if isinstance(outcome, Needs) else None


def _note(kind: Kind, id_: str, tx: Tx) -> None:
    """Write down that it was looked at, and nothing else."""
    row = kind.table.load(tx, id_, merchant=None, lock=True)
    kind.table.save(tx, row, {}, cause=_CAUSE)


KINDS: Final[Mapping[str, Kind]] = {
    "po": Kind(PAYOUTS, follow_payout),
    "sub": Kind(SUBSCRIPTIONS, follow_subscription),
}
"""By how our ids of them begin."""
