"""
Take events to the host's message broker (DESIGN section 9).

Claim, publish outside of any transaction, finish exactly what was published: each event
comes at least once, under a stable id, and in order per payment. A message that fails
while the broker takes others parks its own payment, whether the broker says that it
refuses it or not. A broker that is away parks nothing: everything waits, however long
it takes, and the duty pauses.

What was claimed before and has not got through goes alone, after the others: if it ends
the worker once more, it takes nobody with it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from paykit.engine import Environment, Flow, commit, publish
from paykit.errors import LeaseLost, UsageError
from paykit.queue import AnyPublisher, Message, MessageRefused
from paykit.store import events, published, work
from paykit.store.events import EventRow
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.deliver import NEVER_ENDED, RETRIES, TRIES
from paykit.workers.failures import spread, where

__all__ = ["OUTAGE_PAUSE", "message_of", "relay_due"]

_log = logging.getLogger("paykit.relay")

_LEASE: Final = timedelta(seconds=60)

OUTAGE_PAUSE: Final = timedelta(seconds=30)
"""When messages are offered again, at the latest, after the broker took none."""

_AT_ONCE: Final = timedelta(0)

_ENOUGH: Final = 3
"""After so many failures, and nothing taken, it is the broker's fault, not theirs."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A message that is ours to publish."""

    claimed: Claimed
    message: Message


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one look has claimed."""

    new: Sequence[_Held]
    """What is claimed for the first time, or has only met an outage."""
    again: Sequence[_Held]
    """At most one of those that were claimed before; it goes alone."""
    parked: int = 0
    """How many were found to end their worker each time."""


@dataclass(slots=True)
class _Result:
    """What became of messages that were offered."""

    ends: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    """The ids of the events that the broker has."""
    refused: dict[str, str] = field(default_factory=dict)
    """By event id, why the broker will never take it."""
    failed: dict[str, Exception] = field(default_factory=dict)
    """By event id, what else went wrong with it."""
    misuse: UsageError | None = None
    """Why nothing can be published here at all."""

    @property
    def hopeless(self) -> bool:
        """Whether nothing was taken, and something has failed."""
        return not self.taken and bool(self.failed or self.misuse)


def relay_due(env: Environment, at_most: int) -> Flow[tuple[str, ...]]:
    """
    Publish the events that have been due longest, the first of each payment.

    Returns what became of each. Raises what the publisher raised if the broker seems to
    take nothing: nothing is lost, and the caller had better pause.
    """
    if env.publisher is None:
        return ()
    batch = yield from commit(partial(_claim, at_most))
    result = _Result(ends=["parked"] * batch.parked)
    yield from _offer(env.publisher, batch.new, result)
    if not result.hopeless:
        yield from _offer(env.publisher, batch.again, result)
    held = [*batch.new, *batch.again]
    left = [one for one in held if one.message.id not in result.taken]
    if left:
        ends, away = yield from commit(partial(_give_back, left, result))
        if away is not None:
            raise away
        result.ends += ends
    return tuple(result.ends)


def message_of(row: EventRow) -> Message:
    """Return the message that tells of an event; the same bytes each time."""
    return Message(
        id=str(row.id),
        type=row.type,
        key=row.aggregate_id,
        payload=json.dumps(
            row.payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode(),
        headers={
            "id": str(row.id),
            "type": row.type,
            "merchant": row.merchant_id,
            "content-type": "application/json",
        },
        occurred_at=row.occurred_at,
    )


def _offer(
    publisher: AnyPublisher, held: Sequence[_Held], result: _Result
) -> Flow[None]:
    """Publish together, and one by one if that fails."""
    if not held:
        return
    try:
        yield from publish(publisher, [one.message for one in held])
    except UsageError as misuse:
        result.misuse = misuse
    except Exception as error:
        yield from _singly(publisher, held, error, result)
    else:
        yield from _taken(held, result)


def _singly(
    publisher: AnyPublisher, held: Sequence[_Held], error: Exception, result: _Result
) -> Flow[None]:
    """Find out what the broker does not take, and let the others go on."""
    for one in sorted(held, key=_turn):
        if not result.taken and len(result.failed) >= _ENOUGH:
            break
        try:
            if len(held) == 1:
                raise error  # Nothing else to try.
            yield from publish(publisher, [one.message])
        except MessageRefused as refusal:
            result.refused[one.message.id] = where(refusal)
        except Exception as other:
            result.failed[one.message.id] = other
        else:
            yield from _taken([one], result)


def _turn(one: _Held) -> bytes:
    """Return its place in a row that is another one under each lease: else the same few
    that fail would come first each time, and nobody would see that others are taken."""
    return hashlib.sha256(f"{one.claimed.lease}/{one.claimed.id}".encode()).digest()


def _taken(held: Sequence[_Held], result: _Result) -> Flow[None]:
    result.taken |= {one.message.id for one in held}
    result.ends += yield from commit(partial(_finish, held))


# -- phases ----------------------------------------------------------------------------


def _claim(at_most: int, tx: Tx) -> _Batch:
    claimed = work.claim_heads(tx, "relay", at_most, lease_for=_LEASE)
    found = events.by_ids(tx, [UUID(one.id) for one in claimed])
    held = [_Held(one, message_of(found[UUID(one.id)])) for one in claimed]
    again = [one for one in held if one.claimed.attempts > 1]
    for one in again[1:]:
        work.postpone(
            tx,
            "relay",
            one.claimed.id,
            one.claimed.lease,
            delay=_AT_ONCE,
            counted=False,
        )
    new = [one for one in held if one.claimed.attempts == 1]
    if again and _ends_its_worker(again[0].claimed, tx):
        return _Batch(new, (), parked=1)
    return _Batch(new, again[:1])


def _ends_its_worker(claimed: Claimed, tx: Tx) -> bool:
    """Park what was given back too rarely; an outage may end workers as well."""
    published.note_failure(tx, [claimed], only_first=True)
    if claimed.attempts <= TRIES or not published.others_taken(tx, [claimed]):
        return False
    work.park(tx, "relay", claimed.id, claimed.lease, reason=NEVER_ENDED)
    return True


def _finish(held: Sequence[_Held], tx: Tx) -> tuple[str, ...]:
    """Delete what was published, and nothing else."""
    lease = held[0].claimed.lease
    ids = [one.claimed.id for one in held]
    done = work.finish_held(tx, "relay", ids, lease)
    return tuple("published" if id_ in done else "lease lost" for id_ in ids)


def _give_back(
    held: Sequence[_Held], result: _Result, tx: Tx
) -> tuple[list[str], Exception | None]:
    """Postpone or park what was not taken; and why, if the broker seems to be away."""
    failed = [one.claimed for one in held if one.claimed.id in result.failed]
    own = set(result.failed) if result.taken else published.others_taken(tx, failed)
    published.note_failure(tx, failed)
    blame = result.refused | {id_: where(result.failed[id_]) for id_ in own}
    ends = []
    for one in held:
        try:
            ends.append(_postpone(one.claimed, blame.get(one.claimed.id), tx))
        except LeaseLost:
            continue
    unproved = (error for id_, error in result.failed.items() if id_ not in own)
    return ends, result.misuse or next(unproved, None)


def _postpone(claimed: Claimed, reason: str | None, tx: Tx) -> str:
    """Give one back; only with a `reason` does the try count against it."""
    if reason is None:
        pause = spread(OUTAGE_PAUSE, claimed.id, claimed.attempts)
        lease = claimed.lease
        work.postpone(tx, "relay", claimed.id, lease, delay=pause, counted=False)
        return "waiting"
    _log.error("event %s could not be published: %s", claimed.id, reason)
    if claimed.attempts >= TRIES:
        work.park(tx, "relay", claimed.id, claimed.lease, reason=reason)
        return "parked"
    pause = spread(RETRIES[claimed.attempts - 1], claimed.id, claimed.attempts)
    work.postpone(tx, "relay", claimed.id, claimed.lease, delay=pause)
    return "failed"
