"""What must hold when everything has come to its end, whatever happened before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select

from paykit.errors import NotAllowed, PaykitError, PspRejected
from paykit.lifecycle import PaymentState
from paykit.operations import PaymentView, RefundView
from paykit.psp import PaymentSnapshot, ReadPayment, Succeeded
from paykit.store import ledger
from paykit.store.schema import (
    attempt,
    claim,
    event,
    operation,
    payment,
    reconciliation_break,
    refund,
    work,
)
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.stage import Crash

__all__ = ["violations"]

_LATENCY: Final = timedelta(minutes=100)
"""How long an actor may be suspended between the last look at the clock and the send,
nights included; less than what passes between two rounds of the calm."""


_OURS: Final = {"requires_capture": "authorized"}


def violations(cast: Cast, connection: Connection) -> list[str]:
    """Return every invariant that is broken, in words."""
    return [
        f"{check.__name__}: {text}"
        for check in _CHECKS
        for text in check(cast, connection)
    ]


def one_payment_at_the_psp(cast: Cast, db: Connection) -> Iterator[str]:
    """Each of our payments has one object at the PSP, charged at most once."""
    effects = cast.sim.effects()
    for row in db.execute(select(payment)):
        found = cast.sim.intents_with("paykit_payment_id", row.id)
        if [intent.id for intent in found] != [row.psp_reference]:
            yield f"{row.id} has {[i.id for i in found]}, linked {row.psp_reference}"
        for intent in found:
            if effects.charges[intent.id] > 1:
                yield f"{intent.id} was charged {effects.charges[intent.id]} times"


def same_state_and_totals(cast: Cast, db: Connection) -> Iterator[str]:
    """State, captured and refunded are what the PSP shows."""
    effects = cast.sim.effects()
    for row in db.execute(select(payment)):
        call = cast.psp.prepare(ReadPayment(payment=str(row.psp_reference)), None)
        answer = cast.psp.send(call)
        if not isinstance(answer, Succeeded):
            yield f"{row.id} cannot be read"
            continue
        seen = answer.snapshot
        assert isinstance(seen, PaymentSnapshot)
        if (row.state, row.captured) != (seen.status.value, seen.captured):
            ours_is = f"{row.id} is {row.state} {row.captured}"
            yield f"{ours_is}, at the PSP {seen.raw_status} {seen.captured}"
        ours = (row.refunded, effects.refunded[seen.reference])
        pending = _pending(db, row.id)
        if ours[0] + pending != ours[1]:
            yield f"{row.id} refunded {ours[0]} and {pending} pending, PSP {ours[1]}"
        if ours[1] > row.captured:
            yield f"{row.id}: {ours[1]} refunded of {row.captured}"


def _pending(db: Connection, payment_id: str) -> int:
    waiting = refund.c.state.in_(("pending", "requires_action"))
    rows = select(refund.c.amount).where(refund.c.payment_id == payment_id, waiting)
    return sum(db.scalars(rows))


def refunds_one_to_one(cast: Cast, db: Connection) -> Iterator[str]:
    """Each of our refunds is one refund at the PSP, unless it was refused."""
    for row in db.execute(select(refund)):
        found = cast.sim.refunds_with("paykit_refund_id", row.id)
        expected = [] if row.psp_reference is None else [row.psp_reference]
        if [one.id for one in found] != expected:
            yield f"{row.id} is {[one.id for one in found]} at the PSP"
        if row.psp_reference is None and row.state != "failed":
            yield f"{row.id} is {row.state} and unknown at the PSP"


def ledger_equals_the_balance(cast: Cast, db: Connection) -> Iterator[str]:
    """The books are consistent, and our account at the PSP is right to the cent."""
    for discrepancy in ledger.audit(db):
        yield f"{discrepancy}"
    ours = {
        account.currency: account.debits - account.credits
        for account in ledger.trial_balance(db)
        if account.code == "psp_balance"
    }
    for currency, net in cast.sim.effects().balance.items():
        if net != ours.get(currency, 0):
            yield f"{currency}: PSP {net}, ledger {ours.get(currency, 0)}"


def reservations_add_up(cast: Cast, db: Connection) -> Iterator[str]:
    """What is reserved is exactly what our living refunds come to."""
    for row in db.execute(select(payment)):
        living = select(refund.c.amount).where(
            refund.c.payment_id == row.id,
            refund.c.origin == "paykit",
            refund.c.state.not_in(("failed", "canceled")),
        )
        total = sum(db.scalars(living))
        if row.refund_reserved != total:
            yield f"{row.id} has {row.refund_reserved} reserved for {total}"


def nobody_charged_late(cast: Cast, db: Connection) -> Iterator[str]:
    """No charge was made after the time in which its payer was present."""
    limits = {
        row.payment_id: row.limit
        for row in db.execute(
            select(
                operation.c.payment_id,
                func.max(operation.c.execute_before).label("limit"),
            )
            .where(operation.c.execute_before.is_not(None))
            .group_by(operation.c.payment_id)
        )
    }
    for row in db.execute(select(payment)):
        for made in cast.sim.charged_at(str(row.psp_reference)):
            limit = limits.get(row.id)
            if limit is not None and made > limit + _LATENCY and not row.next_action:
                yield f"{row.id} was charged at {made}, after {limit}"


def nothing_left_to_do(cast: Cast, db: Connection) -> Iterator[str]:
    """No work, no claim, no open operation and no break is left."""
    for row in db.execute(select(work.c.queue, work.c.id, work.c.attempts)):
        yield f"work {row.queue} {row.id} after {row.attempts} attempts"
    for row in db.execute(select(claim)):
        yield f"claim {row.command} of {row.operation_id}"
    for row in db.execute(select(operation)):
        if row.status not in ("done", "failed"):
            yield f"{row.name} {row.id} is {row.status}"
    for row in db.execute(select(reconciliation_break)):
        yield f"break {row.id} {row.detail}"


def history_without_gaps(cast: Cast, db: Connection) -> Iterator[str]:
    """Events are numbered without gaps, and each state follows from the one before."""
    for row in db.execute(select(payment.c.id, payment.c.state)):
        rows = db.execute(
            select(event)
            .where(event.c.aggregateid == row.id)
            .order_by(event.c.sequence)
        ).all()
        if [e.sequence for e in rows] != list(range(1, len(rows) + 1)):
            yield f"{row.id}: {[e.sequence for e in rows]}"
        moves = [e for e in rows if e.type.startswith("payment.") and e.to_state]
        states = [e.to_state for e in moves]
        if states[-1:] != [row.state]:
            yield f"{row.id} is {row.state}, its history ends with {states[-1:]}"
        if [e.from_state for e in moves[1:]] != states[:-1]:
            yield f"{row.id}: the history jumps"


def history_is_what_happened(cast: Cast, db: Connection) -> Iterator[str]:
    """The states in our history came in that order at the PSP: none was undone."""
    for row in db.execute(select(payment.c.id, payment.c.psp_reference)):
        moves = select(event.c.to_state).where(
            event.c.aggregateid == row.id,
            event.c.type.like("payment.%"),
            event.c.to_state.is_not(None),
        )
        ours = list(db.scalars(moves.order_by(event.c.sequence)))[1:]
        shown = cast.sim.statuses_of(str(row.psp_reference))
        theirs = iter([_OURS.get(status, status) for status in shown])
        if not all(state in theirs for state in ours):
            yield f"{row.id} went {ours}, at the PSP {shown}"


def one_key_per_attempt(cast: Cast, db: Connection) -> Iterator[str]:
    """Each call of an operation used one key, with one set of parameters."""
    keys = defaultdict(set)
    for row in db.execute(select(attempt)):
        keys[row.operation_id, row.recovery_point].add(row.psp_key)
    for where, used in keys.items():
        if len(used) > 1:
            yield f"{where} used {sorted(used)}"


def same_answer_for_all(cast: Cast, db: Connection) -> Iterator[str]:
    """Whoever used one key was told one thing, or an error that is true."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for heard in cast.heard:
        match heard.result:
            case PaymentView() | RefundView():
                bare = heard.result.model_copy(update={"client_secret": None})
                told[heard.operation, heard.key].add(bare.model_dump_json())
            case Crash() | PaykitError():
                continue
            case other:
                yield f"{heard.caller} was told {other!r}"
    for key, texts in told.items():
        if len(texts) > 1:
            yield f"{key}: {len(texts)} different results: {sorted(texts)}"


def told_the_truth(cast: Cast, db: Connection) -> Iterator[str]:
    """Nobody was told of a decline when the PSP had acted, or the other way round."""
    for row in db.execute(select(operation).where(operation.c.status == "done")):
        result: dict[str, Any] = row.result
        if row.name == "payment.confirm":
            yield from _true_confirmation(cast, db, row.id, result)
    for heard in cast.heard:
        if isinstance(heard.result, NotAllowed | PspRejected):
            continue
        if (
            isinstance(heard.result, PaymentView)
            and heard.operation == "payment.capture"
            and heard.result.state is not PaymentState.SUCCEEDED
        ):
            yield f"{heard.caller} was told that a capture left {heard.result.state}"


def one_capture_per_success(cast: Cast, db: Connection) -> Iterator[str]:
    """Two commands were not both told that they had captured the one authorization."""
    captures = cast.sim.effects().captures
    done = operation.c.name == "payment.capture", operation.c.status == "done"
    told = Counter(db.scalars(select(operation.c.payment_id).where(*done)))
    for row in db.execute(select(payment)):
        made = captures[str(row.psp_reference)]
        if told[row.id] > made:
            yield f"{row.id}: {told[row.id]} captures told, {made} made"


def _true_confirmation(
    cast: Cast, db: Connection, operation_id: str, result: dict[str, Any]
) -> Iterator[str]:
    key = f"pk1:{operation_id}:confirmation_claimed:1"
    remembered = cast.sim.remembered(key)
    if remembered is None:
        return
    declined = remembered == 402
    code = (result.get("decline") or {}).get("code", "")
    if code.startswith("payment_intent_authentication"):
        # The answer was lost, and the payer has failed the challenge since.
        return
    if result["state"] == PaymentState.CANCELED:
        return
    if declined != (result.get("decline") is not None):
        yield f"{operation_id}: PSP said {remembered}, we said {result.get('decline')}"


_CHECKS: Final[tuple[Callable[[Cast, Connection], Iterator[str]], ...]] = (
    one_payment_at_the_psp,
    same_state_and_totals,
    refunds_one_to_one,
    ledger_equals_the_balance,
    nothing_left_to_do,
    history_without_gaps,
    history_is_what_happened,
    reservations_add_up,
    nobody_charged_late,
    one_key_per_attempt,
    same_answer_for_all,
    told_the_truth,
    one_capture_per_success,
)
