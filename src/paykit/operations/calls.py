"""From a call of the facade to a flow: checked input, the operation, the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection

from paykit.engine import Engine, Flow, Operation, commit
from paykit.engine.stand import Standing
from paykit.errors import NotFound, UsageError
from paykit.operations import OPERATIONS
from paykit.operations.commands import Command, build, check_key, check_merchant
from paykit.operations.doubts import look_at_all
from paykit.operations.reads import get_payment
from paykit.operations.refresh_payment import refresh_payment
from paykit.operations.views import PaymentView
from paykit.psp import NotSent
from paykit.store import operations, work
from paykit.store.sqlite import join_transaction
from paykit.store.tx import Tx

__all__ = ["Begun", "begin", "call", "finish", "refresh"]

R = TypeVar("R", bound=BaseModel)

_BY_COMMAND: Final[Mapping[type[BaseModel], Operation[Any, Any]]] = {
    operation.takes: operation for operation in OPERATIONS.values()
}
_HOST_COMMITS_WITHIN: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation whose first phase is in the host's transaction.

    After the host's commit call ``finish``; otherwise a worker does.
    """

    operation_id: str
    payment_id: str | None
    """The payment it is about; for a new one, the id that it will have."""


def call(
    engine: Engine,
    op: Operation[Any, R],
    idempotency_key: str,
    merchant: str,
    fields: Mapping[str, object],
) -> Flow[R]:
    """Check the input, then run `op`; raises `InvalidRequest` before anything else."""
    command = build(op.takes, fields)
    key, merchant = check_key(idempotency_key), check_merchant(merchant)
    return engine.execute(op, command, key=key, merchant=merchant)


def begin(
    engine: Engine,
    connection: Connection,
    command: Command,
    idempotency_key: str,
    merchant: str,
) -> Begun:
    """Run the first phase of a command inside the host's transaction."""
    op = _BY_COMMAND.get(type(command))
    if op is None:
        raise UsageError(f"{type(command).__name__} is not a command of paykit")
    command = build(type(command), command.model_dump(exclude_unset=True))
    key, merchant = check_key(idempotency_key), check_merchant(merchant)
    tx = Tx(connection, engine.env.world)
    lease = engine.env.world.new_uuid()
    join_transaction(connection)
    # A savepoint: an error takes back what is ours and leaves the rest to the host.
    with connection.begin_nested():
        where = engine.begin(tx, op, command, key, merchant, lease)
        if isinstance(where, Standing):
            _hand_over(tx, where)
        row = operations.by_id(tx, where.operation_id)
    state = (row.recovery_state or {}) if row else {}
    payment_id = state.get("payment_id")
    return Begun(where.operation_id, None if payment_id is None else str(payment_id))


def _hand_over(tx: Tx, at: Standing[Any]) -> None:
    """The lease starts with whoever finishes it, after the host's commit."""
    delay = _HOST_COMMITS_WITHIN
    work.postpone(tx, "operation", at.operation_id, at.lease, delay=delay)
    if not at.maybe_executed:
        # Or whoever takes over must believe that it was sent, and nobody can tell.
        operations.settle_attempt(tx, at.attempt.id, NotSent.__name__)


def finish(engine: Engine, operation_id: str) -> Flow[BaseModel]:
    """Bring a begun operation to its end; raises `NotFound` if it was rolled back."""
    name = yield from commit(partial(_name, operation_id))
    result: BaseModel = yield from engine.take_over(OPERATIONS[name], operation_id)
    return result


def _name(operation_id: str, tx: Tx) -> str:
    row = operations.by_id(tx, operation_id)
    if row is None:
        raise NotFound(
            f"no operation {operation_id!r}: was the transaction that began it "
            "rolled back?"
        )
    return row.name


def refresh(engine: Engine, payment_id: str, merchant: str) -> Flow[PaymentView]:
    """Read a payment from the PSP now, fees included, and return it.

    What is in doubt about it, and held by nobody, is looked at on the way.
    """
    look = partial(get_payment, payment_id, check_merchant(merchant))
    begun = replace(engine, env=engine.env.beginning())
    yield from commit(look)
    yield from look_at_all(begun, payment_id, cause="refresh")
    yield from refresh_payment(begun.env, payment_id)
    return (yield from commit(look))
