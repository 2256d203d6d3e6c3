"""
Ending what is in doubt from outside of its own run: with what a read has shown.

`refresh_payment` does so on its way. It takes an operation from nobody who works on it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import Any, Final

from paykit.engine import (
    Engine,
    Environment,
    Flow,
    Operation,
    Priority,
    Standing,
    commit,
)
from paykit.engine.evidence import described
from paykit.engine.outcome import is_definite
from paykit.engine.resolving import Closing, Inspected, conclude, inspect
from paykit.errors import LeaseLost, OutcomeUnknown, PspRejected, PspUnavailable
from paykit.lifecycle import REFUND
from paykit.operations import OPERATIONS
from paykit.store import claims, operations, refunds
from paykit.store.operations import OperationRow
from paykit.store.tx import Tx

__all__ = ["end", "look_at_all", "resolving"]

_log = logging.getLogger("paykit.cases")

_WAITING: Final = frozenset({"open", "case"})


def resolving(engine: Engine) -> Environment:
    """Ask with the budget for doubts: others' failures do not keep it out."""
    return replace(engine.env, priority=Priority.RESOLVE).beginning()


def look_at_all(engine: Engine, payment_id: str, *, cause: str) -> Flow[None]:
    """
    Read about the payment's operations that nobody works on; end what it tells of.

    Nothing is sent but reads, and the schedule of what stays in doubt is not touched.
    """
    for row in (yield from commit(partial(_in_doubt, payment_id))):
        op = OPERATIONS[row.name]
        found = yield from inspect(resolving(engine), op, row.id)
        answer = None if found is None else found.finding.answer
        if found is None or answer is None or not is_definite(answer):
            continue
        told: dict[str, object] = {"shown": described(answer)}
        closing = Closing(answer=answer, cause=cause, told=told)
        yield from end(engine, op, found, closing)


def _in_doubt(payment_id: str, tx: Tx) -> tuple[OperationRow, ...]:
    """Return the operations of a payment that have not ended."""
    holder = claims.claimed_by(tx, payment_id)
    ids = [] if holder is None else [holder[0]]
    for refund in refunds.of_payment(tx, payment_id):
        if refund.state is REFUND.initial and refund.operation_id is not None:
            ids.append(refund.operation_id)
    rows = (operations.by_id(tx, operation_id) for operation_id in ids)
    return tuple(row for row in rows if row is not None and row.status in _WAITING)


def end(
    engine: Engine, op: Operation[Any, Any], found: Inspected, closing: Closing
) -> Flow[None]:
    """Record it, unless the operation has gone on meanwhile."""
    try:
        where = yield from commit(
            lambda tx: conclude(tx, engine.env, op, found.at, closing)
        )
        if isinstance(where, Standing):
            yield from engine.resume(op, where.operation_id, where.lease)
    except LeaseLost:
        return
    except (OutcomeUnknown, PspRejected, PspUnavailable) as error:
        _log.info("%s: %s", found.at.operation_id, type(error).__name__)
