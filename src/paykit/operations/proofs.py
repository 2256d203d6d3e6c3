"""
Events that prove an attempt: they carry the idempotency key of one of our requests.

Such an event says that the PSP has executed the request, whatever became of its answer.
So it settles a doubt, where its payload tells how; it wakes the operation up, also one
that waits for a person; and nothing that is not found counts against it. If somebody
had decided that the request was never executed, a break is opened: the money is booked
where it is observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy import Connection

from paykit.engine.keys import is_psp_key
from paykit.engine.outcome import is_definite
from paykit.engine.resolving import lock_payment, payment_of, reopen, tell
from paykit.operations import OPERATIONS
from paykit.psp import (
    Answer,
    PaymentSnapshot,
    PspEvent,
    RefundSnapshot,
    Rejected,
)
from paykit.store import breaks, operations, payments, work
from paykit.store.operations import AttemptRow, OperationRow
from paykit.store.payments import PaymentRow
from paykit.store.schema.operations import attempt as attempts
from paykit.store.tx import Params, Tx, Write

__all__ = ["GIVEN_UP", "find_by_key", "note_proof"]

GIVEN_UP: Final = frozenset({"not_executed", "resolved_by_person"})
"""Codes of operations that ended because nothing was found of what they asked for."""


def note_proof(tx: Tx, binding: str, event: PspEvent, *, cause: str) -> None:
    """
    Take in what the key of `event` proves, when the phase ends.

    All events of a batch are looked up with one statement: nearly all of them are about
    attempts that have ended long ago.
    """
    if is_psp_key(event.idempotency_key):
        proof = {"tx": tx, "binding": binding, "event": event, "cause": cause}
        tx.later(_PROVE, {**proof, "key": event.idempotency_key})


def find_by_key(tx: Tx, binding: str, event: PspEvent) -> PaymentRow | None:
    """Find and lock the payment about which the event's request was sent."""
    key = event.idempotency_key
    if key is None or not is_psp_key(key):
        return None
    for found in operations.with_key(tx, [key]):
        row = operations.by_id(tx, found.operation_id)
        if row is not None and found.binding == binding:
            ours = payment_of(row)
            return payments.find(
                tx, binding=binding, psp_reference=None, payment_id=ours
            )
    return None


def _prove_all(connection: Connection, rows: Sequence[Params]) -> None:
    found = operations.with_key(
        Tx(connection, _tx(rows[0]).world), {str(row["key"]) for row in rows}
    )
    by_key = {one.psp_key: one for one in found}
    for row in rows:
        known = by_key.get(str(row["key"]))
        if known is None or known.binding != row["binding"]:
            continue
        # At once, for the phase ends; with the rows that it has locked.
        now = Tx(connection, _tx(row).world, _tx(row).rows)
        event = cast("PspEvent", row["event"])
        if known.outcome is None:
            _prove(now, known, event, str(row["cause"]))
        elif known.outcome == Rejected.__name__:
            _contradict(now, known, event)


def _tx(row: Params) -> Tx:
    return cast("Tx", row["tx"])


_PROVE: Final = Write(attempts, 90, _prove_all)
"""Last, because it may change what the phase has written."""


def _prove(tx: Tx, known: AttemptRow, event: PspEvent, cause: str) -> None:
    """Note it, keep what the payload tells, and wake the operation up."""
    if known.proved_by == event.id:
        return
    operations.prove_attempt(tx, known.id, event.id)
    row = operations.by_id(tx, known.operation_id)
    if row is None:
        return
    answer = _judged(row, known, event)
    if answer is not None:
        operations.store_answer(tx, known.id, answer)
    if row.status == "open":
        work.hasten(tx, "operation", row.id)
    elif row.status == "case":
        lock_payment(tx, row)
        if reopen(tx, row):
            data: dict[str, object] = {"event": event.id}
            tell(tx, row, "operation.case_reopened", data, cause=cause)


def _judged(row: OperationRow, known: AttemptRow, event: PspEvent) -> Answer | None:
    """Return what the event's own object says of our request, if it is enough."""
    shown = event.subject
    here = row.recovery_point == known.recovery_point and event.current
    if not here or not isinstance(shown, PaymentSnapshot | RefundSnapshot):
        return None
    leg = OPERATIONS[row.name].leg(known.recovery_point)
    judged = leg.judge(leg.at.knows.model_validate(row.recovery_state), shown)
    if judged is None or not is_definite(judged) or isinstance(judged, Rejected):
        return None
    return judged


def _contradict(tx: Tx, known: AttemptRow, event: PspEvent) -> None:
    """Show that what was given up as never executed has been executed."""
    row = operations.by_id(tx, known.operation_id)
    code = None if row is None else (row.error or {}).get("code")
    payment_id = None if row is None else payment_of(row)
    if row is None or payment_id is None or code not in GIVEN_UP:
        return
    operations.prove_attempt(tx, known.id, event.id)
    payment = payments.load(tx, payment_id, merchant=None, lock=True)
    detail = {"operation": row.id, "event": event.id, "given_up": code}
    about, kind = payment.aggregate, "executed_after_all"
    breaks.open_break(tx, about, kind, detail, item=row.id)
