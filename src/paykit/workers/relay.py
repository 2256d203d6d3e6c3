"""
Take events to the host's message broker (DESIGN section 9).

Claim, publish outside of any transaction, finish exactly what was published: each event
comes at least once, under a stable id, and in order per payment. A message that the
broker refuses parks its own payment. A broker that is away parks nothing: everything
waits, however long it takes, and the duty pauses.
"""

from __future__ import annotations

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
from paykit.store import events, work
from paykit.store.events import EventRow
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.deliver import RETRIES, TRIES
from paykit.workers.failures import spread, where

__all__ = ["OUTAGE_PAUSE", "message_of", "relay_due"]

_log = logging.getLogger("paykit.relay")

_LEASE: Final = timedelta(seconds=60)

OUTAGE_PAUSE: Final = timedelta(seconds=30)
"""When messages are offered again, at the latest, after the broker took none."""

_ENOUGH: Final = 3
"""After so many failures, and nothing taken, it is the broker's fault, not theirs."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A message that is ours to publish."""

    claimed: Claimed
    message: Message


@dataclass(slots=True)
class _Result:
    """What became of messages that were offered one by one."""

    taken: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """By event id, why the broker will never take it."""
    failed: dict[str, Exception] = field(default_factory=dict)
    """By event id, what else went wrong with it."""

    @property
    def outage(self) -> Exception | None:
        """What is wrong with the broker, if it took nothing at all."""
        return None if self.taken else next(iter(self.failed.values()), None)

    def blame(self) -> dict[str, str]:
        """Return what counts against a message, by event id."""
        own = {} if self.outage else self.failed
        return {**self.refused, **{id_: where(error) for id_, error in own.items()}}


def relay_due(env: Environment, at_most: int) -> Flow[tuple[str, ...]]:
    """
    Publish the events that have been due longest, the first of each payment.

    Returns what became of each. Raises what the publisher raised if the broker took
    nothing: nothing is lost, and the caller had better pause.
    """
    if env.publisher is None:
        return ()
    held = yield from commit(partial(_claim, at_most))
    if not held:
        return ()
    try:
        yield from publish(env.publisher, [one.message for one in held])
    except UsageError:
        raise
    except Exception as error:
        return (yield from _singly(env.publisher, held, error))
    return (yield from commit(partial(_finish, held)))


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


def _singly(
    publisher: AnyPublisher, held: Sequence[_Held], error: Exception
) -> Flow[tuple[str, ...]]:
    """Find out what the broker does not take, and let the others go on."""
    result = _Result()
    ends: list[str] = []
    for one in held:
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
            result.taken += 1
            ends += yield from commit(partial(_finish, [one]))
    ends += yield from commit(partial(_give_back, held, result))
    if result.outage is not None:
        raise result.outage
    return tuple(ends)


# -- phases ----------------------------------------------------------------------------


def _claim(at_most: int, tx: Tx) -> list[_Held]:
    claimed = work.claim_heads(tx, "relay", at_most, lease_for=_LEASE)
    found = events.by_ids(tx, [UUID(one.id) for one in claimed])
    return [_Held(one, message_of(found[UUID(one.id)])) for one in claimed]


def _finish(held: Sequence[_Held], tx: Tx) -> tuple[str, ...]:
    """Delete what was published, and nothing else."""
    lease = held[0].claimed.lease
    ids = [one.claimed.id for one in held]
    done = work.finish_held(tx, "relay", ids, lease)
    return tuple("published" if id_ in done else "lease lost" for id_ in ids)


def _give_back(held: Sequence[_Held], result: _Result, tx: Tx) -> list[str]:
    """Postpone or park what was not taken; what was taken is not ours any more."""
    blame = result.blame()
    ends = []
    for one in held:
        try:
            ends.append(_postpone(one.claimed, blame.get(one.claimed.id), tx))
        except LeaseLost:
            continue
    return ends


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
