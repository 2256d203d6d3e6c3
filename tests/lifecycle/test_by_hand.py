"""What nobody can break with a console on the database (DESIGN law 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest
from sqlalchemy import Connection, Table, UniqueConstraint, text
from sqlalchemy.exc import DBAPIError

from paykit import Money, OutcomeUnknown
from paykit.store.schema import (
    attempt,
    claim,
    dispute,
    event,
    inbox,
    operation,
    payment,
    payout,
    psp_answer,
    refund,
    subscription,
)
from paykit.testing.simulated import Fault
from tests.databases import Database
from tests.lifecycle.rows import (
    by_hand,
    insert_dispute,
    insert_payout,
    insert_subscription,
    refused,
)
from tests.support import Shop, open_shop

GUARDED: Final = (
    payment,
    refund,
    dispute,
    payout,
    subscription,
    claim,
    operation,
    attempt,
    inbox,
    event,
    psp_answer,
)

on_sqlite = pytest.mark.parametrize("installed", ["sqlite"], indirect=True)
each_table = pytest.mark.parametrize("table", GUARDED, ids=lambda table: table.name)


@dataclass(frozen=True)
class History:
    """A shop in which everything has happened at least twice."""

    shop: Shop
    connection: Connection
    paid: str
    """A payment of 1000 of which 600 and 100 are refunded."""
    refund: str
    """The refund of 600."""


@pytest.fixture
def history(installed: Database) -> Iterator[History]:
    shop = open_shop(installed, "threads")
    paid = shop.paid(1000)
    largest = shop.refund_payment(paid, amount=Money(600, "eur"))
    shop.refund_payment(paid, amount=Money(100, "eur"))
    shop.deliver()
    for _ in range(2):
        opened = shop.create_payment()
        shop.sim.faults.add(Fault.LOSE_REQUEST, verb="confirm_payment", times=3)
        with pytest.raises(OutcomeUnknown):
            shop.confirm_payment(opened.id)
    with by_hand(shop.engine) as connection:
        for number in range(2):
            insert_dispute(connection, f"dp_{number}", paid)
            insert_payout(connection, f"po_{number}")
            insert_subscription(connection, f"sub_{number}")
        yield History(shop, connection, paid, largest.id)


def _rows(connection: Connection, table: Table) -> list[tuple[object, ...]]:
    columns = ", ".join(sorted(column.name for column in table.columns))
    found = connection.execute(text(f"SELECT {columns} FROM {table.name}"))
    return sorted((tuple(row) for row in found), key=repr)


REFUND_COLUMNS: Final = (
    "id, merchant_id, payment_id, origin, binding, state, amount, currency, metadata, "
    "version, created_at, updated_at"
)


def _refund(
    id_: str, amount: str, origin: str = "paykit", payment: str = "payment_id"
) -> str:
    """Return SQL for a refund of the same payment, with no reservation of its own."""
    return (
        f"INSERT INTO paykit_refund ({REFUND_COLUMNS}) SELECT '{id_}', merchant_id, "
        f"{payment}, '{origin}', binding, 'creating', {amount}, currency, metadata, "
        "1, created_at, updated_at FROM paykit_refund WHERE id = :refund"
    )


OF_PAID: Final = "UPDATE paykit_payment SET {} WHERE id = :paid"


ATTACKS: Final = (
    # a refund of ours above what was reserved, or above what was captured
    _refund("re_x", "1"),
    _refund("re_x", "301"),
    OF_PAID.format("refund_reserved = 1001"),
    OF_PAID.format("refund_reserved = refund_reserved - 1"),
    OF_PAID.format("refund_reserved = 0"),
    OF_PAID.format("refund_reserved = -1"),
    OF_PAID.format("captured = 699"),
    OF_PAID.format("captured = -1, refund_reserved = -1"),
    OF_PAID.format("amount = 0"),
    "UPDATE paykit_refund SET amount = amount + 1 WHERE id = :refund",
    "UPDATE paykit_refund SET amount = amount - 1 WHERE id = :refund",
    "UPDATE paykit_refund SET currency = 'usd' WHERE id = :refund",
    "UPDATE paykit_refund SET origin = 'external' WHERE id = :refund",
    "UPDATE paykit_refund SET payment_id = (SELECT id FROM paykit_payment "
    "WHERE id <> :paid LIMIT 1) WHERE id = :refund",
    _refund("re_x", "1", payment="'pay_none'"),
    _refund("re_x", "0", "external"),
    _refund("re_x", "-1", "external"),
    _refund("re_x", "1", "nobody"),
    # things that ended do not begin again
    OF_PAID.format("state = 'creating'"),
    OF_PAID.format("state = 'authorized'"),
    "UPDATE paykit_refund SET state = 'creating' WHERE id = :refund",
    "UPDATE paykit_refund SET state = 'pending' WHERE id = :refund",
    # history and money do not go away
    "DELETE FROM paykit_payment",
    "DELETE FROM paykit_payment WHERE id = :paid",
    "DELETE FROM paykit_refund WHERE id = :refund",
    "DELETE FROM paykit_event",
    "UPDATE paykit_event SET cause = 'nobody'",
    "UPDATE paykit_event SET payload = payload WHERE sequence = 1",
    "DELETE FROM paykit_psp_answer",
    "UPDATE paykit_psp_answer SET kind = 'NotSent'",
    "DELETE FROM paykit_payout",
    "UPDATE paykit_payout SET state = 'unrecognized'",
    "DELETE FROM paykit_subscription",
    "UPDATE paykit_subscription SET state = 'renewed'",
    # a second open claim, or one that the state does not allow
    "INSERT INTO paykit_claim SELECT thing_id, command, 'op_x', claimed_at "
    "FROM paykit_claim",
    "UPDATE paykit_claim SET command = 'start_capture'",
    "UPDATE paykit_claim SET thing_id = :paid",
    "UPDATE paykit_claim SET thing_id = (SELECT max(thing_id) FROM paykit_claim)",
)


def test_sql_by_hand_cannot(history: History) -> None:
    """One test for all of them: the history is long, and stays as it is."""
    values = {"paid": history.paid, "refund": history.refund}
    succeeded = []
    for attack in ATTACKS:
        used = {name: value for name, value in values.items() if f":{name}" in attack}
        if refused(history.connection, attack, **used) is None:
            succeeded.append(attack)
    assert succeeded == []


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_truncate_is_refused(history: History) -> None:
    for table in (payment, refund, payout, subscription, event, psp_answer):
        error = refused(history.connection, f"TRUNCATE {table.name} CASCADE")
        assert "never changed or deleted" in str(error)


def test_a_refund_of_ours_fits_with_its_reservation(history: History) -> None:
    """Or else the tests above would prove nothing."""
    raised = OF_PAID.format("refund_reserved = refund_reserved + 300")
    history.connection.execute(text(raised), {"paid": history.paid})
    values = {"refund": history.refund}
    assert refused(history.connection, _refund("re_x", "300"), **values) is None
    assert refused(history.connection, _refund("re_x", "301"), **values) is not None


def test_what_the_psp_shows_is_accepted_above_the_ceiling(history: History) -> None:
    values = {"refund": history.refund}
    shown = _refund("re_x", "5000", "external")
    assert refused(history.connection, shown, **values) is None
    more = OF_PAID.format("refunded = 5000, refunded_external = 5000, captured = 5000")
    assert refused(history.connection, more, paid=history.paid) is None


def test_we_cannot_reserve_what_was_refunded_at_the_psp(history: History) -> None:
    elsewhere = OF_PAID.format("refunded_external = 250")
    history.connection.execute(text(elsewhere), {"paid": history.paid})
    reserve = OF_PAID.format("refund_reserved = refund_reserved + {}")
    paid = {"paid": history.paid}
    assert refused(history.connection, reserve.format(51), **paid) is not None
    assert refused(history.connection, reserve.format(50), **paid) is None


# -- SQLite: OR REPLACE deletes without asking the DELETE triggers ---------------------


def _keys(table: Table) -> list[list[str]]:
    """Return every unique key of `table`, the hidden one included."""
    unique = [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    single = [[column.name] for column in table.columns if column.unique]
    primary = [column.name for column in table.primary_key]
    return [primary, *unique, *single, ["rowid"]]


def _other(connection: Connection, table: Table) -> tuple[int, int]:
    """Return the rowids of two rows."""
    first, second = connection.execute(
        text(f"SELECT rowid FROM {table.name} {_FILLED[table.name]} LIMIT 2")
    ).scalars()
    return first, second


_FILLED: Final = {table.name: "" for table in GUARDED} | {
    payment.name: "WHERE psp_reference IS NOT NULL",
    refund.name: "WHERE psp_reference IS NOT NULL",
}


def _attempt(connection: Connection, statement: str, **values: object) -> None:
    try:
        connection.execute(text(statement), values)
    except DBAPIError:
        return


@on_sqlite
@each_table
def test_insert_or_replace_replaces_nothing(history: History, table: Table) -> None:
    connection = history.connection
    before = _rows(connection, table)
    first, _ = _other(connection, table)
    columns = [column.name for column in table.columns]
    for kept in _keys(table):
        shown = [name if name in kept else _changed(table, name) for name in columns]
        rowid = "rowid" if kept == ["rowid"] else "NULL"
        _attempt(
            connection,
            f"INSERT OR REPLACE INTO {table.name} (rowid, {', '.join(columns)}) "
            f"SELECT {rowid}, {', '.join(shown)} FROM {table.name} WHERE rowid = :row",
            row=first,
        )
        missing = set(before) - set(_rows(connection, table))
        assert not missing, f"a row was replaced by its key {kept}"


_FIRST: Final = {
    dispute.name: "'unrecognized'",
    payout.name: "'pending'",
    subscription.name: "'unrecognized'",
}
"""The state in which a row of the table begins, as SQL; of the others `creating`."""


def _changed(table: Table, name: str) -> str:
    """Return SQL for another value of a column, one that its triggers let pass."""
    if name in {"state", "command", "payment_id", "origin", "thing_id"}:
        return _FIRST.get(table.name, "'creating'") if name == "state" else name
    if name in {column.name for column in table.primary_key} | {"psp_reference"}:
        return f"{name} || 'x'"
    return {"amount": "1", "sequence": "sequence + 100"}.get(name, name)


@on_sqlite
@each_table
def test_update_or_replace_replaces_nothing(history: History, table: Table) -> None:
    connection = history.connection
    first, second = _other(connection, table)
    before = len(_rows(connection, table))
    for key in _keys(table):
        assigned = ", ".join(
            f"{name} = (SELECT {name} FROM {table.name} WHERE rowid = :other)"
            for name in key
        )
        _attempt(
            connection,
            f"UPDATE OR REPLACE {table.name} SET {assigned} WHERE rowid = :row",
            row=first,
            other=second,
        )
        after = len(_rows(connection, table))
        assert after == before, f"a row was replaced by its key {key}"


@on_sqlite
@each_table
def test_no_row_takes_another_rowid(history: History, table: Table) -> None:
    """A rowid below zero would pass for none in the triggers that look for it."""
    attack = f"UPDATE {table.name} SET rowid = -7 WHERE rowid = 1"
    assert refused(history.connection, attack) is not None


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", [payment, refund])
def test_on_conflict_update_obeys_the_table(history: History, table: Table) -> None:
    columns = ", ".join(column.name for column in table.columns)
    shown = columns.replace(" state,", " 'creating',")
    attack = (
        f"INSERT INTO {table.name} ({columns}) SELECT {shown} FROM {table.name} "
        "WHERE state = 'succeeded' LIMIT 1 "
        "ON CONFLICT (id) DO UPDATE SET state = 'creating'"
    )
    assert refused(history.connection, attack) is not None
