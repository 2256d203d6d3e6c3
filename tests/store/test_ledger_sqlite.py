"""The ledger on SQLite: no trigger depth, and hosts with any engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from paykit.store.ledger import PostingKind, audit, transfers_of
from paykit.store.schema import ledger_balance
from tests.databases import Database
from tests.store.books import open_books, post, posting, reverse

pytestmark = pytest.mark.parametrize("installed", ["sqlite"], indirect=True)

CAPTURE = PostingKind.CAPTURE
BALANCE = ledger_balance.name
WRITERS = 4


@pytest.fixture
def books(installed: Database) -> Iterator[Connection]:
    with open_books(installed.engine()) as connection:
        post(connection, [posting(PostingKind.FEE, "fee", 30)])
        post(connection, [posting(CAPTURE, "charge", 1000)])
        yield connection


@pytest.mark.parametrize(
    "attack",
    [
        # The newest transfer, number 2, is counted in both of its accounts already.
        "SET debits = debits + 1000, last_transfer_id = 2 "
        "WHERE account_id = 'shop:psp_balance:eur'",
        # It has nothing to do with this account.
        "SET debits = debits + 1000, last_transfer_id = 2 "
        "WHERE account_id = 'shop:psp_fees:eur'",
        # An older one, another one, none.
        "SET debits = debits + 30, last_transfer_id = 1",
        "SET debits = debits + 1, last_transfer_id = 3",
        "SET debits = debits + 1, last_transfer_id = NULL",
        "SET last_transfer_id = 0",
        # Then nothing could be posted to the account until number 99.
        "SET last_transfer_id = 99 WHERE account_id = 'shop:psp_fees:eur'",
        # What stands there would be another account's, or in no account's sum.
        "SET account_id = 'shop:refunds:eur', last_transfer_id = 2 "
        "WHERE account_id = 'shop:psp_fees:eur'",
        "SET stripe = 1, last_transfer_id = 2 WHERE account_id = 'shop:psp_fees:eur'",
        "SET debits = NULL",
    ],
)
def test_a_transfer_is_counted_once(books: Connection, attack: str) -> None:
    with pytest.raises(DBAPIError, match="kept by the ledger alone"):
        books.execute(text(f"UPDATE {BALANCE} {attack}"))


@pytest.mark.parametrize(
    "row",
    [
        "('shop:psp_balance:eur', 5, 0, 0, 0)",  # a stripe that nothing is counted in
        "('shop:refunds:eur', 0, 1, 0, 0)",
        "('shop:refunds:eur', 0, 0, 1, 0)",
        "('shop:refunds:eur', 0, 0, 0, 1)",
        "('shop:psp_balance:eur', 0, 0, 0, 0)",
    ],
)
@pytest.mark.parametrize("verb", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"])
def test_a_balance_starts_at_nothing_and_once(
    books: Connection, verb: str, row: str
) -> None:
    columns = "account_id, stripe, debits, credits, last_transfer_id"
    with pytest.raises(DBAPIError, match="kept by the ledger alone"):
        books.execute(text(f"{verb} INTO {BALANCE} ({columns}) VALUES {row}"))


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
def test_the_ledger_is_the_same_with_and_without_foreign_keys(
    installed: Database, foreign_keys: str
) -> None:
    with installed.engine().connect() as connection:
        connection.exec_driver_sql(f"PRAGMA foreign_keys = {foreign_keys}")
        assert post(connection, [posting(CAPTURE, "charge")]) == 1
        assert post(connection, [posting(CAPTURE, "charge")]) == 0
        (transfer,) = transfers_of(connection, "pay_1")
        assert reverse(connection, transfer.journal_id) == 1
        assert audit(connection) == []


def test_writers_that_begin_as_readers_lose_and_double_nothing(
    installed: Database,
) -> None:
    # The host's plain engine: Python begins a transaction with the first write.
    engine = installed.engine()
    start = Barrier(WRITERS, timeout=30)

    def write(writer: int) -> int:
        start.wait()
        posted = 0
        for number in range(8):
            own = posting(CAPTURE, f"own {writer} {number}", 1 + number)
            shared = posting(CAPTURE, f"shared {number}", 100 + number)
            with engine.begin() as connection:
                posted += post(connection, [own, shared])
        return posted

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sum(pool.map(write, range(WRITERS))) == (WRITERS + 1) * 8
    with engine.connect() as connection:
        assert len(transfers_of(connection, "pay_1")) == (WRITERS + 1) * 8
        assert audit(connection) == []


def test_a_journal_is_reversed_once_by_writers_that_begin_as_readers(
    installed: Database,
) -> None:
    engine = installed.engine()
    with engine.begin() as connection:
        for number in range(8):
            post(connection, [posting(CAPTURE, f"charge {number}")])
        journals = [one.journal_id for one in transfers_of(connection, "pay_1")]
    start = Barrier(WRITERS, timeout=30)

    def take_back(_: int) -> int:
        reversed_ = 0
        for journal in journals:
            start.wait()
            with engine.begin() as connection:
                reversed_ += reverse(connection, journal)
        return reversed_

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sum(pool.map(take_back, range(WRITERS))) == len(journals)
    with engine.connect() as connection:
        assert audit(connection) == []
