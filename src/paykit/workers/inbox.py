"""
Apply received webhooks (DESIGN section 7).

Order and repetition do not matter: what an event proves is taken from its payload, and
what it cannot prove is read again, under the version of the payment that was seen, so
that a read which something overtook is made again. An event whose payment is not here
yet is looked at later; one that breaks our code is parked and blocks nobody.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from paykit.carddata import redact
from paykit.engine import Environment, Flow, ask, commit
from paykit.errors import LeaseLost
from paykit.operations.apply_event import apply_event, find_payment, needed_read
from paykit.psp import (
    PaymentSnapshot,
    ReadRequest,
    RefundSnapshot,
    Subject,
    Succeeded,
)
from paykit.store import inbox, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["DEFERRALS", "RETRIES", "process_next"]

_log = logging.getLogger("paykit.inbox")

_LEASE: Final = timedelta(seconds=60)
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

RETRIES: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""When an event that failed is tried again; after that it is dead."""


@dataclass(frozen=True, slots=True)
class _Needs:
    """The payload does not prove it: read this, while the payment is at `version`."""

    request: ReadRequest
    binding: str
    version: int


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read, and the version of the payment that it belongs to."""

    subject: Subject
    version: int


_Outcome = str | _Needs


def process_next(env: Environment) -> Flow[str | None]:
    """Apply the event that has been due longest; what became of it, None if idle."""
    claimed = yield from commit(_claim)
    if claimed is None:
        return None
    try:
        return (yield from _process(env, claimed))
    except LeaseLost:
        return "lease lost"
    except Exception as error:
        _log.exception("webhook %s could not be applied", claimed.id)
        return (yield from _give_back(claimed, error))


def _give_back(claimed: Claimed, error: Exception) -> Flow[str]:
    """Postpone what failed, unless another worker has taken it over meanwhile."""
    try:
        return (yield from commit(partial(_fail, claimed, error)))
    except LeaseLost:
        return "lease lost"


def _claim(tx: Tx) -> Claimed | None:
    return work.claim_next(tx, "inbox", lease_for=_LEASE)


def _process(env: Environment, claimed: Claimed) -> Flow[str]:
    outcome = yield from commit(partial(_apply, env, claimed, None))
    for _ in range(_READS_MAX):
        if isinstance(outcome, str):
            return outcome
        psp = env.psps.for_binding(outcome.binding)
        answer = yield from ask(outcome.binding, psp.prepare(outcome.request, None))
        if not isinstance(answer, Succeeded):
            break
        read = _Read(_subject(answer), outcome.version)
        outcome = yield from commit(partial(_apply, env, claimed, read))
    if isinstance(outcome, str):
        return outcome
    return (yield from commit(partial(_retry, claimed, "the PSP could not be read")))


def _subject(answer: Succeeded) -> Subject:
    seen = answer.snapshot
    return seen if isinstance(seen, PaymentSnapshot | RefundSnapshot) else None


# -- phases ----------------------------------------------------------------------------


def _apply(env: Environment, claimed: Claimed, read: _Read | None, tx: Tx) -> _Outcome:
    """Apply one event, or say what has to be read first."""
    row = inbox.load(tx, claimed.id)
    event = env.psps.for_binding(row.binding).read_event(row.body)
    if event.subject is None:
        return _end(tx, claimed, "ignored", f"{event.type} has no effect here")
    payment = find_payment(tx, row.binding, event.subject)
    if payment is None:
        return _defer(tx, claimed, "foreign: no payment of ours")
    request = needed_read(tx, payment, event)
    if request is not None and (read is None or read.version != payment.version):
        return _Needs(request, row.binding, payment.version)
    seen = read.subject if read is not None and request is not None else None
    if request is not None and seen is None:
        raise LookupError("the PSP does not know the object of its own event")
    why = apply_event(tx, payment, event, seen, cause=f"webhook {event.id}")
    if why is not None:
        return _defer(tx, claimed, why, payment.id)
    return _end(tx, claimed, "applied", None, payment.id)


def _end(
    tx: Tx,
    claimed: Claimed,
    status: str,
    reason: str | None,
    payment_id: str | None = None,
) -> str:
    inbox.finish(tx, claimed.id, status, reason=reason, payment_id=payment_id)
    work.finish(tx, "inbox", claimed.id, claimed.lease)
    return status


def _defer(tx: Tx, claimed: Claimed, reason: str, payment_id: str | None = None) -> str:
    """Look at it again later; in the end it is ignored for `reason`."""
    if claimed.attempts > len(DEFERRALS):
        return _end(tx, claimed, "ignored", reason, payment_id)
    delay = DEFERRALS[claimed.attempts - 1]
    work.postpone(tx, "inbox", claimed.id, claimed.lease, delay=delay)
    return "deferred"


def _retry(claimed: Claimed, reason: str, tx: Tx) -> str:
    if claimed.attempts > len(RETRIES):
        return _end(tx, claimed, "dead", reason)
    delay = RETRIES[claimed.attempts - 1]
    work.postpone(tx, "inbox", claimed.id, claimed.lease, delay=delay)
    return "retried"


def _fail(claimed: Claimed, error: Exception, tx: Tx) -> str:
    text = redact(f"{type(error).__name__}: {error}")[:500]
    return _retry(claimed, text, tx)
