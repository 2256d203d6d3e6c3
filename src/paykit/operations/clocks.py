"""
The phases of a look at a payment or refund that stays where it is for too long.

What is due is decided by `paykit.engine.clocks`; here is what the decision needs from
the database, and what becomes of it there. The history is the memory: what was told
once in a stay is in it, so nothing is told twice, whoever looks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from paykit.engine import Environment, Flow, ask, commit
from paykit.engine.clocks import Decision, Notice, Stay, decide
from paykit.errors import UsageError
from paykit.operations.observe import observe_payment
from paykit.operations.observe_refund import observe_refund
from paykit.psp import (
    PaymentSnapshot,
    ReadPayment,
    ReadRefund,
    RefundSnapshot,
    Succeeded,
)
from paykit.store import claims, clocks, events, payments, refunds
from paykit.store.events import EventRow, NewEvent
from paykit.store.payments import PaymentRow
from paykit.store.refunds import RefundRow
from paykit.store.tx import Tx

__all__ = ["CAUSE", "Subject", "find_subject", "is_free", "read_subject", "tell"]

CAUSE: Final = "clock"
"""What the history names as the cause of what is told or read here."""

_log = logging.getLogger("paykit.clocks")

_OF_THE_END: Final = frozenset(
    {Notice.AUTHORIZATION_EXPIRING, Notice.REAUTHORIZATION_REQUIRED}
)
"""What is told of an authorization's end: once of each, whatever happens before it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: a payment, or a refund of it, and its stay."""

    payment: PaymentRow
    refund: RefundRow | None
    stay: Stay
    began: int
    """The number of the event that began the stay, in the payment's history."""

    def decide(self, env: Environment, tx: Tx) -> Decision:
        """Return what is due now."""
        return decide(env.policy.clocks, self.stay, tx.now)


def find_subject(tx: Tx, id_: str, *, lock: bool) -> Subject | None:
    """Return the payment or refund with this id; None if it has come to its end."""
    refund = refunds.peek(tx, id_)
    payment_id = id_ if refund is None else refund.payment_id
    payment = payments.load(tx, payment_id, merchant=None, lock=lock)
    if refund is not None:
        refund = refunds.load(tx, id_)  # as it is now that its payment is locked
    state = payment.state if refund is None else refund.state
    if not clocks.is_running(state):
        return None
    history = events.of_aggregate(tx, payment.id)
    own = [event for event in history if _is_of(event, refund)]
    began = max((event.sequence for event in own if _begins(event)), default=0)
    since = [event.occurred_at for event in own if event.sequence == began]
    stay = Stay(
        state=state,
        since=since[0] if since else (refund or payment).created_at,
        capture_before=None if refund else payment.capture_before,
        partly_captured=payment.captured > 0,
        told=_told(own, began, payment.capture_before),
    )
    return Subject(payment, refund, stay, began)


def _is_of(event: EventRow, refund: RefundRow | None) -> bool:
    if refund is None:
        return event.type.startswith("payment.")
    return event.payload.get("refund_id") == refund.id


def _begins(event: EventRow) -> bool:
    return event.to_state is not None or event.type in clocks.BY_THE_PAYER


def _told(
    own: Sequence[EventRow], began: int, end: datetime | None
) -> frozenset[Notice]:
    """Return what was told in this stay, and of this end of its authorization."""
    ends = None if end is None else end.isoformat()
    told = {Notice(name): event for event in own if (name := _noticed(event))}
    return frozenset(
        notice
        for notice, event in told.items()
        if (
            event.payload.get("capture_before") == ends
            if notice in _OF_THE_END
            else event.sequence > began
        )
    )


def _noticed(event: EventRow) -> str | None:
    name = event.type.partition(".")[2]
    return name if name in set(Notice) else None


def is_free(tx: Tx, subject: Subject) -> bool:
    """Whether no command is under way on the payment."""
    return claims.claimed_by(tx, subject.payment.id) is None


def tell(tx: Tx, subject: Subject, notices: Sequence[Notice]) -> None:
    """Log `notices` as events, for the host's handlers; the payment is locked."""
    happened = [_event(subject, notice) for notice in notices]
    payments.save(tx, subject.payment, {}, cause=CAUSE, happened=happened)


def _event(subject: Subject, notice: Notice) -> NewEvent:
    match notice:
        case Notice.AUTHORIZATION_EXPIRING:
            data = _authorization(subject)
            return NewEvent(type="payment.authorization_expiring", data=data)
        case Notice.REAUTHORIZATION_REQUIRED:
            data = _authorization(subject)
            return NewEvent(type="payment.reauthorization_required", data=data)
        case Notice.STUCK:
            return _stuck(subject)
        case _:
            assert_never(notice)


def _authorization(subject: Subject) -> dict[str, object]:
    end, payment = subject.stay.capture_before, subject.payment
    return {
        "capture_before": None if end is None else end.isoformat(),
        "capturable": payment.capturable,
        "currency": payment.currency,
    }


def _stuck(subject: Subject) -> NewEvent:
    stay, refund = subject.stay, subject.refund
    data = {"state": stay.state.value, "since": stay.since.isoformat()}
    if refund is None:
        return NewEvent(type="payment.stuck", data={**data})
    return NewEvent(type="refund.stuck", data={"refund_id": refund.id, **data})


def read_subject(env: Environment, subject: Subject) -> Flow[bool]:
    """Ask the PSP how it stands, and take that in; whether there was an answer."""
    payment, refund = subject.payment, subject.refund
    request = _request(payment, refund)
    if request is None:
        return False
    try:
        psp = env.psps.for_binding(payment.binding)
    except (LookupError, UsageError):
        # The host has given this account up; its other accounts have their turn.
        _log.warning("%s: no adapter speaks for %s", payment.id, payment.binding)
        return False
    call = psp.prepare(request, None)
    answer = yield from ask(env, payment.binding, call)
    seen = answer.snapshot if isinstance(answer, Succeeded) else None
    if not isinstance(seen, PaymentSnapshot | RefundSnapshot):
        return False
    yield from commit(lambda tx: _observe(tx, payment, seen))
    return True


def _request(
    payment: PaymentRow, refund: RefundRow | None
) -> ReadPayment | ReadRefund | None:
    reference = (refund or payment).psp_reference
    if reference is None:
        return None
    if refund is None:
        return ReadPayment(payment=reference)
    return ReadRefund(refund=reference)


def _observe(tx: Tx, read: PaymentRow, seen: PaymentSnapshot | RefundSnapshot) -> None:
    row = payments.load(tx, read.id, merchant=None, lock=True)
    fresh = row.version == read.version
    if isinstance(seen, PaymentSnapshot):
        observe_payment(tx, row, seen, cause=CAUSE, fresh=fresh)
    else:
        observe_refund(tx, row, seen, cause=CAUSE, fresh=fresh)
