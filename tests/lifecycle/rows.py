"""Rows written by hand, and what the database says to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import IntegrityError

from paykit.lifecycle import DISPUTE, PAYMENT, PAYOUT, REFUND, SUBSCRIPTION, Lifecycle
from paykit.store.schema import dispute, payment, payout, refund, subscription
from paykit.store.sqlite import immediate

__all__ = [
    "NOON",
    "by_hand",
    "insert_dispute",
    "insert_payment",
    "insert_payout",
    "insert_refund",
    "insert_subscription",
    "path_to",
    "refused",
    "walk",
]

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)

_PAYMENT: Final[Mapping[str, object]] = {
    "merchant_id": "default",
    "operation_id": "op_1",
    "binding": "simulated:default:test",
    "state": PAYMENT.initial.value,
    "currency": "eur",
    "capture": "automatic",
    "amount": 1000,
    "metadata": {},
    "created_at": NOON,
    "updated_at": NOON,
}
_REFUND: Final[Mapping[str, object]] = {
    "merchant_id": "default",
    "operation_id": "op_2",
    "origin": "paykit",
    "binding": "simulated:default:test",
    "state": REFUND.initial.value,
    "amount": 100,
    "currency": "eur",
    "metadata": {},
    "created_at": NOON,
    "updated_at": NOON,
}

_DISPUTE: Final[Mapping[str, object]] = {
    "merchant_id": "default",
    "binding": "simulated:default:test",
    "state": DISPUTE.initial.value,
    "raw_status": "needs_response",
    "amount": 100,
    "currency": "eur",
    "charge_refundable": False,
    "movements": [],
    "created_at": NOON,
    "updated_at": NOON,
}

_PAYOUT: Final[Mapping[str, object]] = {
    "merchant_id": "default",
    "binding": "simulated:default:test",
    "state": PAYOUT.initial.value,
    "raw_status": "pending",
    "amount": 100,
    "currency": "eur",
    "automatic": True,
    "movements": [],
    "created_at": NOON,
    "updated_at": NOON,
}


_SUBSCRIPTION: Final[Mapping[str, object]] = {
    "merchant_id": "default",
    "binding": "simulated:default:test",
    "state": SUBSCRIPTION.initial.value,
    "raw_status": "active",
    "cancel_at_period_end": False,
    "metadata": {},
    "late_invoices": [],
    "created_at": NOON,
    "updated_at": NOON,
}


@contextmanager
def by_hand(engine: Engine) -> Iterator[Connection]:
    """A transaction of somebody with a console, taken back at the end."""
    with immediate(engine).connect() as connection:
        yield connection
        connection.rollback()


def insert_payment(connection: Connection, id_: str, **values: object) -> str:
    connection.execute(payment.insert().values({**_PAYMENT, "id": id_, **values}))
    return id_


def insert_refund(
    connection: Connection, id_: str, payment_id: str, **values: object
) -> str:
    row = {**_REFUND, "id": id_, "payment_id": payment_id, **values}
    connection.execute(refund.insert().values(row))
    return id_


def insert_dispute(
    connection: Connection, id_: str, payment_id: str, **values: object
) -> str:
    key = {"id": id_, "psp_reference": f"du_{id_}", "payment_id": payment_id}
    connection.execute(dispute.insert().values({**_DISPUTE, **key, **values}))
    return id_


def insert_payout(connection: Connection, id_: str, **values: object) -> str:
    row = {**_PAYOUT, "id": id_, "psp_reference": f"po_{id_}", **values}
    connection.execute(payout.insert().values(row))
    return id_


def insert_subscription(connection: Connection, id_: str, **values: object) -> str:
    row = {**_SUBSCRIPTION, "id": id_, "psp_reference": f"sub_{id_}", **values}
    connection.execute(subscription.insert().values(row))
    return id_


def refused(
    connection: Connection, statement: str, /, **values: object
) -> IntegrityError | None:
    """
    Return why the database refuses `statement`, or None; nothing stays of it.

    Only a violated rule counts: a statement that is wrong in itself proves nothing.
    """
    savepoint = connection.begin_nested()
    try:
        connection.execute(text(statement), values)
    except IntegrityError as error:
        return error
    else:
        return None
    finally:
        savepoint.rollback()


def path_to(lifecycle: Lifecycle[S, E], state: S) -> list[S]:
    """Return the states from the initial one to `state`, along the table."""
    paths = {lifecycle.initial: [lifecycle.initial]}
    todo = [lifecycle.initial]
    while state not in paths:
        source = todo.pop(0)
        for before, after in lifecycle.moves():
            if before is source and after not in paths:
                paths[after] = [*paths[source], after]
                todo.append(after)
    return paths[state]


def walk(
    connection: Connection,
    table: Table,
    id_: str,
    lifecycle: Lifecycle[S, E],
    state: S,
) -> None:
    """Bring a row that was just inserted to `state`."""
    for step in path_to(lifecycle, state)[1:]:
        connection.execute(
            table.update().where(table.c.id == id_).values(state=step.value)
        )
