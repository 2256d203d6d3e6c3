from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, text
from sqlalchemy.exc import DBAPIError

from paykit.store.ddl import append_only, install, statements
from tests.databases import KINDS, Database

KEPT = [(1, "one", "a"), (2, "two", "b")]

SQLITE_ONLY = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def _table(*, quietly: bool = False) -> Table:
    table = Table(
        "paykit_thing",
        MetaData(),
        Column("name", String(8), primary_key=True),
        Column("number", Integer, nullable=False, unique=True),
        Column("value", String(8), nullable=False),
    )
    append_only(table, ["number"], quietly=quietly)
    return table


@pytest.fixture
def connection(
    database: Database, request: pytest.FixtureRequest
) -> Iterator[Connection]:
    """A connection to a database that has an append-only table with two rows."""
    table = _table(quietly=getattr(request, "param", False))
    engine = database.engine()
    table.create(engine)
    with engine.begin() as connection:
        for number, name, value in KEPT:
            connection.execute(
                table.insert().values(number=number, name=name, value=value)
            )
    with engine.connect() as connection:
        yield connection


def _rows(connection: Connection) -> list[tuple[object, ...]]:
    found = connection.execute(
        text("SELECT number, name, value FROM paykit_thing ORDER BY number")
    )
    return [tuple(row) for row in found]


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE paykit_thing SET value = 'x'",
        "UPDATE paykit_thing SET value = value WHERE name = 'one'",
        "DELETE FROM paykit_thing",
        "DELETE FROM paykit_thing WHERE name = 'one'",
    ],
)
def test_rows_of_an_append_only_table_stay_as_they_are(
    connection: Connection, attack: str
) -> None:
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        connection.execute(text(attack))
    connection.rollback()
    assert _rows(connection) == KEPT


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "attack",
    [
        "TRUNCATE paykit_thing",
        "SET session_replication_role = replica; DELETE FROM paykit_thing",
        "INSERT INTO paykit_thing VALUES ('one', 1, 'x') "
        "ON CONFLICT (name) DO UPDATE SET value = 'x'",
    ],
)
def test_postgresql_has_no_way_around(connection: Connection, attack: str) -> None:
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        connection.execute(text(attack))


@SQLITE_ONLY
@pytest.mark.parametrize(
    "columns", ["name, number, value", "rowid, name, number, value"]
)
@pytest.mark.parametrize(
    ("name", "number", "rowid"),
    [("one", 9, 9), ("nine", 1, 9), ("nine", 9, 1), ("one", 1, 1), ("nine", 9, -1)],
)
def test_sqlite_replaces_no_row_whatever_key_is_named(
    connection: Connection, columns: str, name: str, number: int, rowid: int
) -> None:
    given = {"name": name, "number": number, "rowid": rowid, "value": "x"}
    values = ", ".join(f":{column}" for column in columns.split(", "))
    attack = f"INSERT OR REPLACE INTO paykit_thing ({columns}) VALUES ({values})"
    fresh = name == "nine" and number == 9 and "rowid" not in columns
    if fresh:
        connection.execute(text(attack), given)
        assert _rows(connection) == [*KEPT, (9, "nine", "x")]
        return
    with pytest.raises(DBAPIError, match="paykit_thing: "):
        connection.execute(text(attack), given)
    assert _rows(connection) == KEPT


@SQLITE_ONLY
@pytest.mark.parametrize("connection", [True], indirect=True)
@pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"])
def test_sqlite_passes_over_known_keys_where_the_table_says_so(
    connection: Connection, verb: str
) -> None:
    several = "('one', 7, 'x'), ('six', 2, 'x'), ('three', 3, 'c')"
    connection.execute(
        text(f"{verb} INTO paykit_thing (name, number, value) VALUES {several}")
    )
    assert _rows(connection) == [*KEPT, (3, "three", "c")]


@pytest.mark.parametrize("connection", [True], indirect=True)
def test_do_nothing_does_nothing_where_the_table_says_so(
    connection: Connection,
) -> None:
    connection.execute(
        text("INSERT INTO paykit_thing VALUES ('one', 1, 'x') ON CONFLICT DO NOTHING")
    )
    assert _rows(connection) == KEPT


def test_the_statements_of_a_table_are_what_creating_it_runs(
    database: Database,
) -> None:
    by_hand = _table()
    bare = by_hand.to_metadata(MetaData())  # its columns without its listeners
    with database.engine().begin() as connection:
        bare.create(connection)
        for statement in statements(by_hand, database.kind):
            connection.execute(text(statement))
        connection.execute(bare.insert().values(name="one", number=1, value="a"))
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            connection.execute(bare.delete())


def test_a_table_can_be_dropped_and_created_again(database: Database) -> None:
    table, engine = _table(), database.engine()
    for _ in range(2):
        table.create(engine)
        table.drop(engine)


def test_statements_keep_their_percent_signs(database: Database) -> None:
    table = _table()
    written = "INSERT INTO paykit_thing VALUES ('one', 100 % 7, '100%')"
    install(table, {kind: [written] for kind in KINDS})
    engine = database.engine()
    table.create(engine)
    assert statements(table, database.kind)[-1] == written
    with engine.connect() as connection:
        assert _rows(connection) == [(2, "one", "100%")]


def test_another_dialect_has_no_statements() -> None:
    assert statements(_table(), "mysql") == ()
