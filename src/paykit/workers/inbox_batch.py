"""
Apply received webhooks together: many events, one transaction, few statements.

They are claimed first, in a transaction of their own: if a worker dies of one of them,
the next worker sees it, and takes each alone. Applied together they end exactly as if
they were applied one by one, in the same order. What needs more than its payload and
the rows at hand (a read at the PSP, a dispute, a payment that is not here yet) leaves
the batch together with all that follows for the same payment, and goes the single way.
If a batch fails, nothing of it has happened, and the same events go the single way,
where one that breaks our code is found and parked. There are no savepoints: they would
eat most of what a batch gains.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from paykit.engine import Environment, Flow, commit
from paykit.engine.bindings import serves
from paykit.errors import LeaseLost
from paykit.operations.apply_event import apply_event
from paykit.operations.links import find_payment, payment_keys, refund_of
from paykit.operations.verdicts import Verdict
from paykit.psp import (
    ChargeSnapshot,
    PaymentSnapshot,
    PspEvent,
    RefundSnapshot,
    UnbookedSnapshot,
)
from paykit.store import inbox, payments, refunds, work
from paykit.store.inbox import InboxRow
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.failures import where
from paykit.workers.inbox import LEASE, process_claimed, stranger

__all__ = ["process_batch"]

_log = logging.getLogger("paykit.inbox")


@dataclass(frozen=True, slots=True)
class _Event:
    """One webhook that is due; `event` is None if it cannot be read."""

    row: InboxRow
    claimed: Claimed
    event: PspEvent | None

    @property
    def fits(self) -> bool:
        """Whether its payload and the rows of its payment may be enough."""
        return (
            self.event is not None
            and self.event.current
            and isinstance(self.event.subject, _SIMPLE | None)
        )


_SIMPLE = PaymentSnapshot | ChargeSnapshot | RefundSnapshot | UnbookedSnapshot


@dataclass(slots=True)
class _Batch:
    """What became of the events: ended here, or left for the single way."""

    ends: list[str] = field(default_factory=list)
    done: list[Claimed] = field(default_factory=list)
    left: list[Claimed] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    """Payments of which an event has left: what follows must not overtake it."""


def process_batch(env: Environment, at_most: int) -> Flow[tuple[str, ...]]:
    """Apply the events that have been due longest; what became of each."""
    held = yield from commit(partial(inbox.claim, at_most=at_most, lease_for=LEASE))
    ends: list[str] = []
    left = [claimed for _, claimed in held]
    if held and not any(_alone(claimed) for claimed in left):
        try:
            events = [_read(env, *each) for each in held]
            batch = yield from commit(partial(_apply_all, env, events))
            ends, left = list(batch.ends), batch.left
        except Exception as error:
            _log.warning("a batch of webhooks failed: %s", where(error))
    ends += yield from _one_by_one(env, left)
    return tuple(ends)


def _one_by_one(env: Environment, left: Sequence[Claimed]) -> Flow[list[str]]:
    """
    Apply each alone; those for which the lease leaves no time are given back.

    A PSP may be slow to read. What nobody has begun must not be taken for a claim that
    a worker has died of.
    """
    ends: list[str] = []
    until = env.world.now() + LEASE / 2
    for number, claimed in enumerate(left):
        if number and env.world.now() >= until:
            yield from commit(partial(_give_back, left[number:]))
            break
        ends.append((yield from process_claimed(env, claimed)))
    return ends


def _alone(claimed: Claimed) -> bool:
    """Whether its last claim had no end, so that a worker may have died of it."""
    return claimed.attempts > 1


# -- phases ----------------------------------------------------------------------------


def _give_back(left: Sequence[Claimed], tx: Tx) -> None:
    for claimed in left:
        with suppress(LeaseLost):  # another worker has it
            work.postpone(
                tx,
                "inbox",
                claimed.id,
                claimed.lease,
                delay=timedelta(0),
                counted=False,
            )


def _apply_all(env: Environment, events: Sequence[_Event], tx: Tx) -> _Batch:
    """Apply what can be applied here, and leave the rest."""
    batch = _Batch()
    _lock(tx, events)
    for each in events:
        verdict = _apply(env, tx, each, batch.waiting)
        if verdict is None or verdict.status == "deferred":
            _leave(tx, each, batch)
        else:
            _end(tx, each, verdict, batch)
    work.finish_all(tx, batch.done)
    return batch


def _read(env: Environment, row: InboxRow, claimed: Claimed) -> _Event:
    try:
        event = env.psps.for_binding(row.binding).read_event(row.raw)
    except Exception:
        # It leaves the batch; the single way tells what is wrong, and parks it.
        event = None
    return _Event(row, claimed, event)


def _lock(tx: Tx, events: Sequence[_Event]) -> None:
    """Lock the payments that the events are about, in the order of their ids."""
    found = [(each.row.binding, each.event.subject) for each in events if each.event]
    payments.lock_all(tx, [(of, *payment_keys(subject)) for of, subject in found])
    refunds.look_up_all(
        tx,
        [
            (of, subject.reference, refund_of(subject.metadata))
            for of, subject in found
            if isinstance(subject, RefundSnapshot)
        ],
    )


def _apply(env: Environment, tx: Tx, each: _Event, waiting: set[str]) -> Verdict | None:
    """Apply one event, in memory; None if it has to go the single way."""
    if each.event is None or not each.fits:
        return None
    reason = stranger(env.psps.for_binding(each.row.binding), each.event)
    if reason is not None:
        return Verdict("ignored", reason)
    payment = find_payment(tx, each.row.binding, each.event.subject)
    if payment is not None and payment.id in waiting:
        return None
    binding, cause = each.row.binding, f"webhook {each.event.id}"
    outcome = apply_event(
        tx,
        binding,
        each.event,
        {},
        owner=env.psps.owner(binding),
        serves=partial(serves, env.psps, binding),
        cause=cause,
    )
    return outcome if isinstance(outcome, Verdict) else None


def _end(tx: Tx, each: _Event, verdict: Verdict, batch: _Batch) -> None:
    inbox.finish(
        tx,
        each.row.id,
        verdict.status,
        reason=verdict.reason,
        payment_id=verdict.payment_id,
    )
    batch.done.append(each.claimed)
    batch.ends.append(verdict.status)


def _leave(tx: Tx, each: _Event, batch: _Batch) -> None:
    batch.left.append(each.claimed)
    if each.event is not None:
        payment = find_payment(tx, each.row.binding, each.event.subject)
        if payment is not None:
            batch.waiting.add(payment.id)
