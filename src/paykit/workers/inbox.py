"""
Apply received webhooks (DESIGN section 7).

Order and repetition do not matter: what an event proves is taken from its payload, and
what it cannot prove is read again, under the version of the payment that was seen, so
that a read which something overtook is made again.

Why an event is not done yet is counted by kind. Its payment is not here: it is looked
at a few times more, and then ignored. The PSP cannot be read: it waits for as long as
that takes. Our code fails, or a worker dies of it: after a few times it is dead, which
means that it is parked, shown, and blocks nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, TypeAlias

from paykit.carddata import redact
from paykit.engine import Environment, Flow, ask, commit
from paykit.engine.bindings import serves
from paykit.errors import LeaseLost
from paykit.operations.apply_event import apply_event
from paykit.operations.verdicts import Needs, Read, ReadOne, Verdict
from paykit.psp import (
    ActionRequired,
    AnyPsp,
    ChargeSnapshot,
    Conflict,
    Declined,
    DisputeSnapshot,
    InvoiceSnapshot,
    PaymentSnapshot,
    PayoutSnapshot,
    Pending,
    PspEvent,
    RefundSnapshot,
    Rejected,
    Subject,
    SubscriptionSnapshot,
    Succeeded,
)
from paykit.store import inbox, work
from paykit.store.inbox import InboxRow
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.failures import spread, where

__all__ = [
    "DEFERRALS",
    "LEASE",
    "READS",
    "RETRIES",
    "process_claimed",
    "process_next",
    "stranger",
]

_log = logging.getLogger("paykit.inbox")

LEASE: Final = timedelta(seconds=60)
"""How long an event is ours; another worker may take it over after that."""

_READS_MAX: Final = 5

DEFERRALS: Final = (
    timedelta(seconds=2),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=12),
)
"""When an event that fits nothing here is looked at again; then it is ignored."""

READS: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
)
"""When an event is tried again for which the PSP could not be read; the last pause is
repeated without an end, because an outage is no reason to give an event up."""

RETRIES: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""When an event on which our code failed is tried again; after that it is dead."""

_DIED: Final = "workers died while they held it, or were too slow"

_REFUSED: Final = (ActionRequired, Conflict, Declined, Pending, Rejected)
"""Answers to a read that waiting does not change: we have asked for something wrong."""


@dataclass(frozen=True, slots=True)
class _Asks:
    """Something has to be read from the PSP behind `binding` first."""

    binding: str
    needs: Needs


_Outcome: TypeAlias = str | _Asks


def process_next(env: Environment) -> Flow[str | None]:
    """Apply the event that has been due longest; what became of it, None if idle."""
    held = yield from commit(partial(inbox.claim, at_most=1, lease_for=LEASE))
    for _, claimed in held:
        return (yield from process_claimed(env, claimed))
    return None


def process_claimed(env: Environment, claimed: Claimed) -> Flow[str]:
    """Apply one event that we hold; what became of it."""
    try:
        return (yield from _process(env, claimed))
    except LeaseLost:
        return "lease lost"
    except Exception as error:
        _log.error("webhook %s could not be applied: %s", claimed.id, where(error))
        return (yield from _give_back(claimed, error))


def _give_back(claimed: Claimed, error: Exception) -> Flow[str]:
    """Postpone what failed, unless another worker has taken it over meanwhile."""
    try:
        return (yield from commit(partial(_fail, claimed, _words(error))))
    except LeaseLost:
        return "lease lost"


def _words(error: Exception) -> str:
    """Return what may be stored and shown: the text only of an error of our own."""
    own = type(error).__module__.partition(".")[0] == "paykit"
    text = f": {error}" if own or type(error) is LookupError else ""
    return redact(where(error) + text)[:500]


def _process(env: Environment, claimed: Claimed) -> Flow[str]:
    reads: dict[ReadOne, Read] = {}
    outcome = yield from commit(partial(_apply, env, claimed, reads))
    for _ in range(_READS_MAX):
        if isinstance(outcome, str):
            return outcome
        psp, needs = env.psps.for_binding(outcome.binding), outcome.needs
        answer = yield from ask(env, outcome.binding, psp.prepare(needs.request, None))
        if not isinstance(answer, Succeeded):
            # What is refused stays refused; what is unavailable comes back.
            phase = _fail if isinstance(answer, _REFUSED) else _unread
            reason = f"the PSP could not be read: {type(answer).__name__}"
            return (yield from commit(partial(phase, claimed, reason)))
        reads[needs.request] = Read(_subject(answer), needs.version)
        outcome = yield from commit(partial(_apply, env, claimed, reads))
    if isinstance(outcome, str):
        return outcome
    overtaken = "the payment changed whenever it was read"
    return (yield from commit(partial(_unread, claimed, overtaken)))


def _subject(answer: Succeeded) -> Subject:
    """Return what was read, if it is one of the objects that events are about."""
    match answer.snapshot:
        case PaymentSnapshot() | ChargeSnapshot() | RefundSnapshot() as seen:
            return seen
        case DisputeSnapshot() | PayoutSnapshot() as seen:
            return seen
        case SubscriptionSnapshot() | InvoiceSnapshot() as seen:
            return seen
        case _:
            return None


# -- phases ----------------------------------------------------------------------------


def _apply(
    env: Environment, claimed: Claimed, reads: dict[ReadOne, Read], tx: Tx
) -> _Outcome:
    """Apply one event, or say what has to be read first."""
    row = inbox.load(tx, claimed.id)
    deaths = claimed.attempts - 1
    if deaths and row.failures + deaths > len(RETRIES):
        # Not tried once more: the next worker might die of it, too.
        return _count(tx, claimed, row, row.failures + deaths, _DIED)
    psp = env.psps.for_binding(row.binding)
    event = psp.read_event(row.raw)
    whose = stranger(psp, event)
    if whose is not None:
        return _end(tx, claimed, Verdict("ignored", whose))
    cause = f"webhook {event.id}"
    outcome = apply_event(
        tx,
        row.binding,
        event,
        reads,
        owner=env.psps.owner(row.binding),
        serves=partial(serves, env.psps, row.binding),
        cause=cause,
    )
    if isinstance(outcome, Needs):
        # The PSP may take its time; and waiting for it is no failure of the event.
        work.fence(tx, "inbox", claimed.id, claimed.lease, LEASE)
        return _Asks(row.binding, outcome)
    if outcome.status == "deferred":
        return _defer(tx, claimed, row, outcome)
    return _end(tx, claimed, outcome)


def stranger(psp: AnyPsp, event: PspEvent) -> str | None:
    """
    Return whose event it is, if it is about another account or mode than the adapter.

    The receiver has found no adapter for it. Applied here it could meet one of our
    payments by the metadata alone.
    """
    if event.account not in (None, psp.account):
        return f"account {event.account} is not ours"
    if event.livemode not in (None, psp.livemode):
        mode = "live" if event.livemode else "test"
        return f"an event of {mode} mode, for which there is no adapter"
    return None


def _end(tx: Tx, claimed: Claimed, verdict: Verdict) -> str:
    inbox.finish(
        tx,
        claimed.id,
        verdict.status,
        reason=verdict.reason,
        payment_id=verdict.payment_id,
    )
    work.finish(tx, "inbox", claimed.id, claimed.lease)
    return verdict.status


def _defer(tx: Tx, claimed: Claimed, row: InboxRow, verdict: Verdict) -> str:
    """Look at it again later; in the end it is ignored for the verdict's reason."""
    # What it waits for must be written down, and committed, before it is given up: a
    # payment that is linked in this moment finds it by that.
    noted = verdict.reference == row.subject_reference
    ours = noted and inbox.is_ours_now(tx, row)
    late = row.deferrals >= len(DEFERRALS)
    if late and noted and not ours:
        return _end(tx, claimed, Verdict("ignored", verdict.reason, verdict.payment_id))
    # It has become ours since it was looked for, and who linked it did not wake what a
    # worker holds; or only now, after the last look, is known what it waits for.
    delay = _pause(DEFERRALS, row, 0 if ours or late else row.deferrals)
    inbox.defer(tx, row, reason=verdict.reason or "", reference=verdict.reference)
    work.give_back(tx, claimed, delay=delay)
    return "deferred"


def _unread(claimed: Claimed, reason: str, tx: Tx) -> str:
    """Try again when the PSP may be back, however long that takes."""
    row = inbox.load(tx, claimed.id)
    work.give_back(tx, claimed, delay=_pause(READS, row, row.unread))
    inbox.note_unread(tx, row, reason=reason)
    return "unread"


def _fail(claimed: Claimed, reason: str, tx: Tx) -> str:
    """Count a failure of our code, and the claims before it that had no end."""
    row = inbox.load(tx, claimed.id)
    return _count(tx, claimed, row, row.failures + claimed.attempts, reason)


def _count(tx: Tx, claimed: Claimed, row: InboxRow, failures: int, reason: str) -> str:
    """Write down that `row` has failed so often; try it again later, or park it."""
    dead = failures > len(RETRIES)
    if dead:
        work.finish(tx, "inbox", claimed.id, claimed.lease)
    else:
        work.give_back(tx, claimed, delay=_pause(RETRIES, row, failures - 1))
    inbox.note_failure(tx, row, failures, reason=reason, dead=dead)
    return "dead" if dead else "retried"


def _pause(schedule: Sequence[timedelta], row: InboxRow, count: int) -> timedelta:
    """Return how long to wait after `count` times before; the last pause repeats."""
    return spread(schedule[min(count, len(schedule) - 1)], row.id, count)
