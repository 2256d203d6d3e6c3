"""
The contract of the table `paykit_event` with Debezium's outbox event router.

The rules are those of its documentation, for the router without any option: the columns
it needs, what it makes of an INSERT (topic ``outbox.event.<aggregatetype>``, key
``aggregateid``, header ``id``, value ``payload``), and that an UPDATE is an error. What
it would read is read here as well: PostgreSQL's log, decoded, from a server of our own.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError

from paykit import EventView, Money, create_all
from paykit.testing.broker import MemoryBroker, MemoryPublisher
from paykit.workers.deliver import RETRIES
from tests.clusters import own_cluster, required_binaries
from tests.databases import Database
from tests.support import Shop, open_shop

COLUMNS: Final = {
    "id": ("uuid", None, "NO"),
    "aggregatetype": ("character varying", 255, "NO"),
    "aggregateid": ("character varying", 255, "NO"),
    "type": ("character varying", 255, "NO"),
    "payload": ("jsonb", None, "NO"),
}
"""What the router needs by default: type, length, and whether it may be NULL. (Of the
payload it does not ask for NOT NULL; ours is.)"""

_CHANGE = re.compile(r"table public\.(?P<table>\w+): (?P<verb>\w+): ?(?P<columns>.*)")
_COLUMN = re.compile(r"(\w+)\[([^\]]+)\]:(?:'((?:[^']|'')*)'|(\S+))")


class Nope(Exception):
    """What a failing handler raises."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")


@dataclass(frozen=True)
class Change:
    """One change of one row, as the log tells it."""

    table: str
    verb: str
    types: dict[str, str]
    values: dict[str, str]

    @classmethod
    def read(cls, line: str) -> Change | None:
        """Read a line of PostgreSQL's `test_decoding`; None if it is no change."""
        found = _CHANGE.fullmatch(line)
        if found is None:
            return None
        columns = _COLUMN.findall(found["columns"])
        return cls(
            found["table"],
            found["verb"],
            {name: type_ for name, type_, _, _ in columns},
            {
                name: (said or bare).replace("''", "'")
                for name, _, said, bare in columns
            },
        )


@dataclass(frozen=True)
class Record:
    """What a consumer gets from Kafka."""

    topic: str
    key: str
    header_id: str
    value: str


def route(change: Change) -> Record | None:
    """Do what the router does, by default, with a change of the outbox table."""
    if change.verb == "DELETE":
        return None
    if change.verb != "INSERT":
        raise AssertionError(f"the router complains of an {change.verb}")
    row = change.values
    return Record(
        topic=f"outbox.event.{row['aggregatetype']}",
        key=row["aggregateid"],
        header_id=row["id"],
        value=row["payload"],
    )


def _tell(shop: Shop) -> None:
    """Let everything happen that may touch an event: writing, delivering, giving up."""
    poison = shop.create_payment(metadata={"note": "it's; a 'quote' [x]:'y'"}).id

    def fail(event: EventView, session: Any) -> None:
        if event.payment_id == poison and event.sequence == 2:
            raise Nope

    shop.service.on("*")(fail)
    paid = shop.paid()
    shop.refund_payment(paid, amount=Money(300, "eur"))
    shop.sim.call("create_refund", payment_intent=shop.reference(paid), amount=1)
    shop.cancel_payment(shop.create_payment().id)
    shop.capture_payment(shop.authorized())
    shop.deliver()
    shop.work()
    for pause in RETRIES:
        shop.wait_and_work(pause)
    (parked,) = shop.wait(shop.service.operator.parked()).items
    operator = shop.service.operator
    shop.wait(operator.release(parked.event.id, actor="ann"))
    shop.work()
    for pause in RETRIES:
        shop.wait_and_work(pause)
    shop.wait(operator.skip(parked.event.id, actor="ann", reason="why"))
    shop.settle()


# -- the log of a real server ----------------------------------------------------------


@pytest.fixture(scope="module")
def logged() -> tuple[list[list[Change]], MemoryBroker]:
    """The transactions of a whole story as the log tells them, and what was relayed."""
    required_binaries()
    with own_cluster() as cluster:
        admin = create_engine(cluster.url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("ALTER SYSTEM SET wal_level = 'logical'"))
        admin.dispose()
        cluster.restart()
        database = Database("postgresql", cluster.url, cluster.url)
        create_all(database.engine())
        broker = MemoryBroker()
        with admin.connect() as connection:
            connection.execute(text(_SLOT))
            shop = open_shop(database, "threads", publisher=MemoryPublisher(broker))
            _tell(shop)
            lines = list(connection.scalars(text(_CHANGES)))
        admin.dispose()
        database.dispose()
    return list(_transactions(lines)), broker


_SLOT: Final = "SELECT pg_create_logical_replication_slot('outbox', 'test_decoding')"
_CHANGES: Final = "SELECT data FROM pg_logical_slot_get_changes('outbox', NULL, NULL)"


def _transactions(lines: list[str]) -> Iterator[list[Change]]:
    changes: list[Change] = []
    for line in lines:
        change = Change.read(line)
        if change is not None:
            changes.append(change)
        elif line.startswith("COMMIT"):
            yield changes
            changes = []


def _events(transactions: list[list[Change]]) -> list[Change]:
    return [
        change
        for changes in transactions
        for change in changes
        if change.table == "paykit_event"
    ]


def test_the_log_has_nothing_but_inserts_of_events(
    logged: tuple[list[list[Change]], MemoryBroker],
) -> None:
    found = _events(logged[0])
    assert len(found) >= 20
    assert {change.verb for change in found} == {"INSERT"}
    for change in found:
        types = {name: type_ for name, (type_, _, _) in COLUMNS.items()}
        assert {name: change.types[name] for name in types} == types


def test_an_event_is_in_the_transaction_of_what_it_tells(
    logged: tuple[list[list[Change]], MemoryBroker],
) -> None:
    for changes in logged[0]:
        told = {c.values["aggregateid"] for c in changes if c.table == "paykit_event"}
        written = {c.values["id"] for c in changes if c.table == "paykit_payment"}
        assert told <= written


def test_the_router_makes_of_an_event_what_the_relay_publishes(
    logged: tuple[list[list[Change]], MemoryBroker],
) -> None:
    """Consumers need not know which of the two brought a message."""
    transactions, broker = logged
    records = [record for c in _events(transactions) if (record := route(c))]
    assert {record.topic for record in records} == {"outbox.event.payment"}
    routed = {
        record.header_id: (record.key, json.loads(record.value)) for record in records
    }
    relayed = {one.id: (one.key, json.loads(one.payload)) for one in broker.messages}
    assert len(routed) == len(records), "the header tells repetitions"
    assert routed == relayed


def test_the_log_has_the_events_of_a_payment_in_their_order(
    logged: tuple[list[list[Change]], MemoryBroker],
) -> None:
    order: dict[str, list[int]] = defaultdict(list)
    for change in _events(logged[0]):
        order[change.values["aggregateid"]].append(int(change.values["sequence"]))
    assert len(order) > 3
    for numbers in order.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_router_of_this_test_complains_of_an_update() -> None:
    line = "table public.paykit_event: UPDATE: id[uuid]:'1' type[text]:'it''s' n[int]:7"
    change = Change.read(line)
    assert change is not None
    assert change.values == {"id": "1", "type": "it's", "n": "7"}
    with pytest.raises(AssertionError, match="complains of an UPDATE"):
        route(change)


# -- the table -------------------------------------------------------------------------


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_the_columns_are_those_that_the_router_needs(installed: Database) -> None:
    query = text(
        "SELECT column_name, data_type, character_maximum_length, is_nullable "
        "FROM information_schema.columns WHERE table_name = 'paykit_event'"
    )
    with installed.engine().connect() as connection:
        found = {name: tuple(rest) for name, *rest in connection.execute(query)}
    assert {name: found[name] for name in COLUMNS} == COLUMNS


def test_the_columns_have_the_same_names_on_every_database(installed: Database) -> None:
    columns = inspect(installed.engine()).get_columns("paykit_event")
    found = {column["name"]: column["nullable"] for column in columns}
    assert {name: found[name] for name in COLUMNS} == dict.fromkeys(COLUMNS, False)


REWRITES: Final = (
    "UPDATE paykit_event SET type = 'x'",
    "UPDATE paykit_event SET payload = payload",
    "DELETE FROM paykit_event",
    "INSERT INTO paykit_event SELECT * FROM paykit_event",
)


@pytest.mark.parametrize("statement", REWRITES)
def test_no_sql_changes_or_deletes_an_event(
    installed: Database, statement: str
) -> None:
    shop = open_shop(installed, "threads")
    shop.paid()
    before = shop.query("SELECT * FROM paykit_event ORDER BY id")
    with pytest.raises(DBAPIError):
        shop.execute(statement)
    assert shop.query("SELECT * FROM paykit_event ORDER BY id") == before


@pytest.mark.parametrize("installed", ["sqlite"], indirect=True)
def test_no_statement_of_ours_would_change_an_event(installed: Database) -> None:
    """SQLite tells what each statement may do, its triggers included."""
    meant = set()

    def authorize(action: int, table: str | None, *_: object) -> int:
        if table == "paykit_event":
            meant.add(action)
        return sqlite3.SQLITE_OK

    def watch(connection: Any, _: object) -> None:
        connection.set_authorizer(authorize)

    publisher = MemoryPublisher(MemoryBroker())
    event.listen(Engine, "connect", watch)
    try:
        _tell(open_shop(installed, "threads", publisher=publisher))
    finally:
        event.remove(Engine, "connect", watch)
    assert sqlite3.SQLITE_INSERT in meant
    assert meant.isdisjoint({sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
