"""
Look whether webhooks arrive: at what was pushed, and at the endpoints of the PSP.

What catching up has filled in proves nothing about the endpoint, so only what was
pushed counts. The verdicts are those of `paykit.engine.watching`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from paykit.engine import Environment, Flow, WatchPolicy, ask, commit
from paykit.engine.watching import Sight, judge
from paykit.operations.alarms import announce, set_alarms
from paykit.psp import EndpointList, EndpointSnapshot, ListWebhookEndpoints, Succeeded
from paykit.store import cursors, watching
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.periodic import subject_of

__all__ = ["watch"]

_LOOK_BACK: Final = timedelta(hours=1)
"""How old payments may be about which a webhook is missed; older ones were judged."""

_APART: Final = timedelta(minutes=10)
"""How far the clocks of two hosts may be apart: who has received a webhook need not be
who has made the payment."""

_MOST: Final = 200
"""How many payments are looked at: enough to see that something is wrong."""


def watch(env: Environment, job: Claimed) -> Flow[timedelta | None]:
    """Open and close the alarms of one binding."""
    binding = subject_of(job)
    psp = env.psps.for_binding(binding)
    answer = yield from ask(env, binding, psp.prepare(ListWebhookEndpoints(), None))
    endpoints = None
    if isinstance(answer, Succeeded) and isinstance(answer.snapshot, EndpointList):
        # A restricted key may not be allowed to ask: then this alarm stays as it is.
        endpoints = answer.snapshot.endpoints
    announce((yield from commit(partial(_judge, env.policy.watch, binding, endpoints))))
    return None


def _judge(
    policy: WatchPolicy,
    binding: str,
    endpoints: Collection[EndpointSnapshot] | None,
    tx: Tx,
) -> tuple[str, ...]:
    last_push = watching.last_push(tx, binding)
    settled, heard = _heard(tx, binding, policy)
    cursor = cursors.find(tx, binding)
    sight = Sight(
        now=tx.now,
        listed_at=None if cursor is None else cursor.listed_at,
        last_push=last_push,
        waiting=_waiting(tx, binding, last_push, tx.now - policy.silence),
        settled=settled,
        heard=heard,
        endpoints=endpoints,
    )
    return set_alarms(tx, binding, judge(sight, policy))


def _waiting(
    tx: Tx, binding: str, last_push: datetime | None, until: datetime
) -> datetime | None:
    """Return since when a payment waits about which something should be pushed."""
    newest = watching.settled(tx, binding, since=last_push, until=until, limit=1)
    for payment_id, created in newest.items():
        since = created - _APART
        if not watching.pushed_about(tx, binding, since=since, payments=[payment_id]):
            return created
    return None


def _heard(
    tx: Tx, binding: str, policy: WatchPolicy
) -> tuple[Collection[str] | None, Collection[str]]:
    """Return payments that should have been heard of, and those that were."""
    until = tx.now - policy.unheard
    since = until - _LOOK_BACK
    settled = watching.settled(tx, binding, since=since, until=until, limit=_MOST)
    if not settled:
        return (), ()
    if watching.is_behind(tx, binding, since=since, until=until):
        # Nobody knows yet what those webhooks are about.
        return None, ()
    early = since - _APART
    return settled, watching.pushed_about(tx, binding, since=early, payments=[*settled])
