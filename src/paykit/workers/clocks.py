"""
Payments and refunds whose time may be up: look, read, tell, cancel.

One look: see what is due by the policy; ask the PSP how it really stands; see again
what is due, tell the host of it, and cancel what nobody comes back for. A payer who
comes back at the last moment wins or loses at the PSP, and the payment shows which.

A cancellation is the usual operation with a key made of the payment, its stay and the
day: a worker that dies in the middle leaves an operation that is brought to its end,
and another worker's look leads to the same one. While one is open nobody begins a
second.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from paykit.engine import Engine, Environment, Flow, commit
from paykit.errors import LeaseLost, PaykitError
from paykit.operations import CANCEL_PAYMENT, calls
from paykit.operations.clocks import (
    CAUSE,
    Subject,
    find_subject,
    is_free,
    read_subject,
    tell,
)
from paykit.store import clocks, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["clock_next"]

_log = logging.getLogger("paykit.clocks")

_WAITING: Final = "waiting"


@dataclass(frozen=True, slots=True)
class _Cancel:
    """What is to be canceled, why, and under which key."""

    subject: Subject
    reason: str
    now: datetime
    look_at: datetime | None

    @property
    def key(self) -> str:
        """
        One for each day of the stay, whoever looks.

        What was refused for good under one key is asked again the next day: it may be
        that nobody was reached for as long as the key could be sent.
        """
        day = (self.now - self.subject.stay.since) // timedelta(days=1)
        return f"{CAUSE}:{self.subject.payment.id}:{self.subject.began}:{day}"


def clock_next(engine: Engine) -> Flow[str | None]:
    """Look at what has been due longest; None if nothing is."""
    found = yield from commit(partial(_look, engine.env))
    if found is None or isinstance(found, str):
        return found
    claimed, subject = found
    proven = yield from read_subject(engine.env, subject)
    try:
        due = yield from commit(partial(_act, engine.env, claimed, proven))
    except LeaseLost:
        return "again"
    if isinstance(due, str):
        return due
    end = yield from _cancel(engine, due)
    with suppress(LeaseLost):  # if the payment is over, its clock is gone
        yield from commit(partial(_look_at, claimed, due.look_at))
    return end


def _cancel(engine: Engine, due: _Cancel) -> Flow[str]:
    payment = due.subject.payment
    fields = {"payment_id": payment.id, "reason": due.reason}
    merchant = payment.merchant_id
    try:
        view = yield from calls.call(engine, CANCEL_PAYMENT, due.key, merchant, fields)
    except PaykitError as error:
        # An answer too: refused, or not known yet and then the resumer's.
        _log.info("cancel %s: %s", payment.id, type(error).__name__)
        return type(error).__name__
    return view.state.value


# -- phases ----------------------------------------------------------------------------


def _look(env: Environment, tx: Tx) -> tuple[Claimed, Subject] | str | None:
    """Claim what is due; what becomes of it, if that is known without the PSP."""
    claimed = work.claim_next(tx, "clock", lease_for=env.policy.lease)
    if claimed is None:
        return None
    subject = find_subject(tx, claimed.id, lock=False)
    if subject is None:
        work.finish(tx, "clock", claimed.id, claimed.lease)
        return "over"
    decision = subject.decide(env, tx)
    if decision.read:
        return claimed, subject
    _look_at(claimed, decision.look_at, tx)
    return _WAITING


def _act(env: Environment, claimed: Claimed, proven: bool, tx: Tx) -> _Cancel | str:
    """
    Tell what is due, and return what is to be canceled, if something is.

    What only tells needs no proof from the PSP, for it may be down for long. What
    cancels does: the payer may have paid, and nobody has told us.
    """
    subject = find_subject(tx, claimed.id, lock=True)
    if subject is None:
        clocks.stop(tx, claimed.id)
        return "over"
    decision = subject.decide(env, tx)
    tell(tx, subject, decision.notices)
    if decision.cancel is not None and proven and is_free(tx, subject):
        work.fence(tx, "clock", claimed.id, claimed.lease, env.policy.lease)
        return _Cancel(subject, decision.cancel, tx.now, decision.look_at)
    _look_at(claimed, decision.look_at, tx)
    return "told" if decision.notices else _WAITING


def _look_at(claimed: Claimed, moment: datetime | None, tx: Tx) -> None:
    """Give the clock back until then; raises `LeaseLost` if it is ours no more."""
    if moment is None:
        work.finish(tx, "clock", claimed.id, claimed.lease)
    else:
        delay = moment - tx.now
        work.postpone(tx, "clock", claimed.id, claimed.lease, delay=delay)
