"""Money: charged once, refunded once, booked to the cent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from paykit.lifecycle import PaymentState
from paykit.psp import PaymentSnapshot, ReadPayment, Succeeded
from paykit.store import ledger
from paykit.store.schema import attempt, operation, payment, refund
from paykit.testing.simulation.cast import Cast

__all__ = [
    "ledger_equals_the_balance",
    "nobody_charged_late",
    "one_capture_per_success",
    "one_key_per_attempt",
    "one_payment_at_the_psp",
    "refunds_one_to_one",
    "reservations_add_up",
    "same_state_and_totals",
]

_NEVER_MADE: Final = frozenset({PaymentState.FAILED, PaymentState.CANCELED})

_LATENCY: Final = timedelta(minutes=100)
"""How long an actor may be suspended between the last look at the clock and the send,
nights included; less than what passes between two rounds of the calm."""


def one_payment_at_the_psp(cast: Cast, db: Connection) -> Iterator[str]:
    """Each of our payments has one object at the PSP, charged at most once."""
    effects = cast.sim.effects()
    for row in db.execute(select(payment)):
        found = cast.sim.intents_with("paykit_payment_id", row.id)
        expected = [] if row.psp_reference is None else [row.psp_reference]
        if [intent.id for intent in found] != expected:
            yield f"{row.id} has {[i.id for i in found]}, linked {row.psp_reference}"
        for intent in found:
            if effects.charges[intent.id] > 1:
                yield f"{intent.id} was charged {effects.charges[intent.id]} times"


def same_state_and_totals(cast: Cast, db: Connection) -> Iterator[str]:
    """State, captured and refunded are what the PSP shows."""
    effects = cast.sim.effects()
    for row in db.execute(select(payment)):
        if row.psp_reference is None:
            if row.state not in _NEVER_MADE:
                yield f"{row.id} is {row.state}, and was never made at the PSP"
            continue
        call = cast.psp.prepare(ReadPayment(payment=str(row.psp_reference)), None)
        answer = cast.psp.send(call)
        if not isinstance(answer, Succeeded):
            yield f"{row.id} cannot be read"
            continue
        seen = answer.snapshot
        assert isinstance(seen, PaymentSnapshot)
        expected = _expected_state(cast, seen)
        if (row.state, row.captured) != (expected, seen.captured):
            ours_is = f"{row.id} is {row.state} {row.captured}"
            yield f"{ours_is}, at the PSP {expected} {seen.captured}"
        ours = (row.refunded, effects.refunded[seen.reference])
        pending = _pending(db, row.id)
        if ours[0] + pending != ours[1]:
            yield f"{row.id} refunded {ours[0]} and {pending} pending, PSP {ours[1]}"
        if ours[1] > row.captured:
            yield f"{row.id}: {ours[1]} refunded of {row.captured}"


def _expected_state(cast: Cast, seen: PaymentSnapshot) -> str:
    """Return our word for what the PSP shows; a debit may have come back since."""
    effects = cast.sim.effects()
    came_back = seen.captured and not effects.charges[seen.reference]
    return PaymentState.FAILED if came_back else seen.status.value


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


def one_key_per_attempt(cast: Cast, db: Connection) -> Iterator[str]:
    """Each call of an operation used one key, and each key one set of parameters."""
    for key, bodies in cast.stage.disasters.sent.items():
        if len(bodies) > 1:
            yield f"{len(bodies)} different requests under {key}"
    keys = defaultdict(set)
    for row in db.execute(select(attempt)):
        keys[row.operation_id, row.recovery_point].add(row.psp_key)
    for where, used in keys.items():
        if len(used) > 1:
            yield f"{where} used {sorted(used)}"


def one_capture_per_success(cast: Cast, db: Connection) -> Iterator[str]:
    """Two commands were not both told that they had captured the one authorization."""
    captures = cast.sim.effects().captures
    done = operation.c.name == "payment.capture", operation.c.status == "done"
    told = Counter[str]()
    for row in db.execute(select(operation).where(*done)):
        # To let the rest go is no capture.
        told[row.payment_id] += row.command.get("amount") != 0
    for row in db.execute(select(payment)):
        made = captures.get(str(row.psp_reference), 0)
        if told[row.id] > made:
            yield f"{row.id}: {told[row.id]} captures told, {made} made"
