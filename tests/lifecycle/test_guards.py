"""The database agrees with the table, also against SQL by hand."""

from __future__ import annotations

from typing import Any, Final

import pytest
from sqlalchemy import Connection, Table

from paykit.lifecycle import (
    DISPUTE,
    PAYMENT,
    PAYOUT,
    REFUND,
    SUBSCRIPTION,
    By,
    DisputeState,
    Lifecycle,
    PaymentEvent,
    PaymentState,
    PayoutState,
    RefundState,
    SubscriptionState,
)
from paykit.store.schema import dispute, payment, payout, refund, subscription
from tests.databases import Database
from tests.lifecycle.rows import (
    NOON,
    by_hand,
    insert_dispute,
    insert_payment,
    insert_payout,
    insert_refund,
    insert_subscription,
    path_to,
    refused,
    walk,
)

PAID: Final = {"captured": 1000, "refund_reserved": 1000}


def _new(connection: Connection, table: Table, id_: str) -> None:
    if table is payment:
        insert_payment(connection, id_, **PAID)
    elif table is payout:
        insert_payout(connection, id_)
    elif table is subscription:
        insert_subscription(connection, id_)
    else:
        owner = insert_payment(connection, f"pay_{id_}", **PAID)
        (insert_refund if table is refund else insert_dispute)(connection, id_, owner)


each = pytest.mark.parametrize(
    ("table", "lifecycle"),
    [
        (payment, PAYMENT),
        (refund, REFUND),
        (dispute, DISPUTE),
        (payout, PAYOUT),
        (subscription, SUBSCRIPTION),
    ],
    ids=["payment", "refund", "dispute", "payout", "subscription"],
)


@each
def test_database_and_table_agree_on_every_pair_of_states(
    installed: Database, table: Table, lifecycle: Lifecycle[Any, Any]
) -> None:
    legal = set(lifecycle.moves()) | {(state, state) for state in lifecycle.states}
    allowed = set()
    with by_hand(installed.engine()) as connection:
        for source in lifecycle.states:
            _new(connection, table, f"row_{source}")
            walk(connection, table, f"row_{source}", lifecycle, source)
            for target in lifecycle.states:
                error = refused(
                    connection,
                    f"UPDATE {table.name} SET state = :target WHERE id = :id",
                    target=target.value,
                    id=f"row_{source}",
                )
                if error is None:
                    allowed.add((source, target))
                else:
                    assert "no such transition" in str(error)
    assert allowed == legal


@each
@pytest.mark.parametrize("word", ["", "SUCCEEDED", "settled", None])
def test_a_word_that_is_no_state_is_refused(
    installed: Database, table: Table, lifecycle: Lifecycle[Any, Any], word: str | None
) -> None:
    with by_hand(installed.engine()) as connection:
        _new(connection, table, "row")
        assert refused(connection, f"UPDATE {table.name} SET state = :word", word=word)


@each
def test_a_row_begins_in_the_first_state(
    installed: Database, table: Table, lifecycle: Lifecycle[Any, Any]
) -> None:
    values = "', '".join(
        {
            payment: ("default", "op", "b", "eur", "automatic", "{}"),
            refund: ("default", "pay", "b", "eur", "paykit", "{}"),
            dispute: ("default", "pay", "b", "eur", "du_1", "lost", "[]"),
            payout: ("default", "b", "eur", "po_1", "paid", "[]"),
            subscription: ("default", "b", "sub_1", "active", "{}", "[]"),
        }[table]
    )
    columns = {
        payment: "merchant_id, operation_id, binding, currency, capture, metadata, "
        "amount, refund_reserved, capturable, captured, refunded, refunded_external, "
        "disputed, returned, event_sequence, version",
        refund: "merchant_id, payment_id, binding, currency, origin, metadata, amount, "
        "version",
        dispute: "merchant_id, payment_id, binding, currency, psp_reference, "
        "raw_status, movements, amount, submissions, version, charge_refundable",
        payout: "merchant_id, binding, currency, psp_reference, raw_status, "
        "movements, amount, event_sequence, version, automatic",
        subscription: "merchant_id, binding, psp_reference, raw_status, metadata, "
        "late_invoices, event_sequence, version, cancel_at_period_end",
    }[table]
    numbers = {
        payment: "5, 0, 0, 0, 0, 0, 0, 0, 0, 1",
        refund: "5, 1",
        dispute: "5, 0, 1, false",
        payout: "5, 0, 1, true",
        subscription: "0, 1, false",
    }[table]
    statement = (
        f"INSERT INTO {table.name} (id, state, {columns}, created_at, updated_at) "
        f"VALUES ('row', :state, '{values}', {numbers}, :now, :now)"
    )
    with by_hand(installed.engine()) as connection:
        insert_payment(connection, "pay", **PAID)
        for state in lifecycle.states:
            error = refused(
                connection, statement, state=state.value, now=NOON.isoformat()
            )
            if state is lifecycle.initial:
                assert error is None
            else:
                assert "must begin as" in str(error)


CLAIM: Final = "INSERT INTO paykit_claim VALUES (:id, :command, 'op_1', :now)"
RECLAIM: Final = "UPDATE paykit_claim SET command = :command WHERE thing_id = :id"


def _started(state: PaymentState) -> PaymentEvent:
    """Return any command that may be claimed in `state`."""
    return next(command for command, where in PAYMENT.commands() if where is state)


def test_claims_and_table_agree_on_every_command_and_state(
    installed: Database,
) -> None:
    claimed, reclaimed = set(), set()
    claimable = {state for _, state in PAYMENT.commands()}
    now = NOON.isoformat()
    with by_hand(installed.engine()) as connection:
        for state in PaymentState:
            id_ = insert_payment(connection, f"pay_{state}", **PAID)
            walk(connection, payment, id_, PAYMENT, state)
            for command in PaymentEvent:
                wanted = {"id": id_, "command": command.value, "now": now}
                if refused(connection, CLAIM, **wanted) is None:
                    claimed.add((command, state))
        for state in claimable:
            first = _started(state).value
            id_ = f"pay_{state}"
            connection.exec_driver_sql(
                f"INSERT INTO paykit_claim VALUES ('{id_}', '{first}', 'op', '{now}')"
            )
            for command in PaymentEvent:
                wanted = {"id": id_, "command": command.value}
                if refused(connection, RECLAIM, **wanted) is None:
                    reclaimed.add((command, state))
    expected = {
        (row.event, row.source) for row in PAYMENT.transitions if row.by is By.COMMAND
    }
    assert claimed == expected
    assert reclaimed == expected


def test_only_a_payment_that_exists_can_be_claimed(installed: Database) -> None:
    with by_hand(installed.engine()) as connection:
        wanted = {"id": "pay_none", "command": "start_create", "now": NOON.isoformat()}
        assert refused(connection, CLAIM, **wanted)


def test_every_state_can_be_reached() -> None:
    """Or else the tests above would have nothing to stand on."""
    for state in PaymentState:
        assert path_to(PAYMENT, state)[-1] is state
    for ending in RefundState:
        assert path_to(REFUND, ending)[-1] is ending
    for found in DisputeState:
        assert path_to(DISPUTE, found)[-1] is found
    for reached in PayoutState:
        assert path_to(PAYOUT, reached)[-1] is reached
    for come_to in SubscriptionState:
        assert path_to(SUBSCRIPTION, come_to)[-1] is come_to
