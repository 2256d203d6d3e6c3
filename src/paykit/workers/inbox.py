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
from paykit.operations.apply_event import Needs, Read, ReadOne, apply_event
from paykit.psp import (
    Answer,
    AnyPsp,
    ChargeSnapshot,
    DisputeSnapshot,
    PaymentSnapshot,
    PspEvent,
    RefundSnapshot,
    Subject,
    Succeeded,
)
from paykit.store import inbox, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = [
    "DEFERRALS",
    "LEASE",
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

RETRIES: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""When an event that failed is tried again; after that it is dead."""


@dataclass(frozen=True, slots=True)
class _Asks:
    """Something has to be read from the PSP behind `binding` first."""

    binding: str
    needs: Needs


_Outcome = str | _Asks


def process_next(env: Environment) -> Flow[str | None]:
    """Apply the event that has been due longest; what became of it, None if idle."""
    claimed = yield from commit(_claim)
    if claimed is None:
        return None
    return (yield from process_claimed(env, claimed))


def process_claimed(env: Environment, claimed: Claimed) -> Flow[str]:
    """Apply one event that we hold; what became of it."""
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
    return work.claim_next(tx, "inbox", lease_for=LEASE)


def _process(env: Environment, claimed: Claimed) -> Flow[str]:
    reads: dict[ReadOne, Read] = {}
    outcome = yield from commit(partial(_apply, env, claimed, reads))
    answer: Answer | None = None
    for _ in range(_READS_MAX):
        if isinstance(outcome, str):
            return outcome
        psp, needs = env.psps.for_binding(outcome.binding), outcome.needs
        answer = yield from ask(env, outcome.binding, psp.prepare(needs.request, None))
        if not isinstance(answer, Succeeded):
            break
        reads[needs.request] = Read(_subject(answer), needs.version)
        outcome = yield from commit(partial(_apply, env, claimed, reads))
    if isinstance(outcome, str):
        return outcome
    reason = f"the PSP could not be read: {type(answer).__name__}"
    return (yield from commit(partial(_retry, claimed, reason)))


def _subject(answer: Succeeded) -> Subject:
    seen = answer.snapshot
    if isinstance(
        seen, PaymentSnapshot | ChargeSnapshot | RefundSnapshot | DisputeSnapshot
    ):
        return seen
    return None


# -- phases ----------------------------------------------------------------------------


def _apply(
    env: Environment, claimed: Claimed, reads: dict[ReadOne, Read], tx: Tx
) -> _Outcome:
    """Apply one event, or say what has to be read first."""
    row = inbox.load(tx, claimed.id)
    psp = env.psps.for_binding(row.binding)
    event = psp.read_event(row.body)
    whose = stranger(psp, event)
    if whose is not None:
        return _end(tx, claimed, "ignored", whose)
    cause = f"webhook {event.id}"
    outcome = apply_event(tx, row.binding, event, reads, cause=cause)
    if isinstance(outcome, Needs):
        return _Asks(row.binding, outcome)
    if outcome.status == "deferred":
        return _defer(tx, claimed, outcome.reason or "", outcome.payment_id)
    return _end(tx, claimed, outcome.status, outcome.reason, outcome.payment_id)


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
