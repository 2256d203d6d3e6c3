"""Books that were damaged behind the triggers' back, and what the audit says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select, text

from paykit.store.ledger import Discrepancy, PostingKind, audit
from paykit.store.schema import (
    ledger_account,
    ledger_balance,
    ledger_key,
    ledger_transfer,
)
from tests.databases import Database
from tests.store.books import open_books, post, posting, reverse

BALANCE, TRANSFER, KEY = ledger_balance.name, ledger_transfer.name, ledger_key.name

CAPTURE, FEE = PostingKind.CAPTURE, PostingKind.FEE


@pytest.fixture
def books(installed: Database) -> Iterator[Connection]:
    """Books of two merchants, with a reversal, and without any trigger."""
    with open_books(installed.engine()) as connection:
        post(connection, [posting(CAPTURE, "charge"), posting(FEE, "fee", 30)])
        post(connection, [posting(CAPTURE, "other", 500, "usd", merchant="inn")])
        post(connection, [posting(CAPTURE, "wrong", 7)])
        wrong = select(ledger_transfer.c.journal_id).where(
            ledger_transfer.c.fact_key == "wrong"
        )
        reverse(connection, connection.scalars(wrong).one())
        assert audit(connection) == []
        take_triggers_out(connection)
        yield connection


def take_triggers_out(connection: Connection) -> None:
    """Do what only the owner of the tables can."""
    if connection.dialect.name == "postgresql":
        for table in (ledger_account, ledger_balance, ledger_key, ledger_transfer):
            connection.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER ALL"))
        return
    names = connection.scalars(
        text(
            "SELECT name FROM sqlite_master "
            "WHERE type = 'trigger' AND name LIKE 'paykit_ledger_%'"
        )
    ).all()
    for name in names:
        connection.execute(text(f"DROP TRIGGER {name}"))


def found(connection: Connection) -> dict[str, list[str]]:
    """Return what the audit finds: by check, which things."""
    subjects: dict[str, list[str]] = {}
    for discrepancy in audit(connection):
        subjects.setdefault(discrepancy.check, []).append(discrepancy.subject)
    return subjects


def test_a_counter_that_was_raised_is_found(books: Connection) -> None:
    books.execute(
        text(
            f"UPDATE {BALANCE} SET debits = debits + 1 "
            f"WHERE account_id = 'shop:psp_fees:eur'"
        )
    )
    assert audit(books) == [
        Discrepancy("balance", "shop:psp_fees:eur", "30 0", "31 0"),
        Discrepancy("trial", "shop eur", "1045", "1044"),
    ]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            f"DELETE FROM {BALANCE} WHERE account_id = 'inn:sales:usd'",
            {"balance": ["inn:sales:usd"], "trial": ["inn usd"]},
        ),
        (
            f"INSERT INTO {BALANCE} (account_id, stripe, debits, credits, "
            f"last_transfer_id) VALUES ('inn:sales:usd', 63, 5, 5, 0)",
            {"balance": ["inn:sales:usd"]},
        ),
        (
            f"UPDATE {TRANSFER} SET amount = amount + 1 WHERE fact_key = 'charge'",
            {"balance": ["shop:psp_balance:eur", "shop:sales:eur"]},
        ),
        (
            f"UPDATE {TRANSFER} SET currency = 'eur' WHERE fact_key = 'other'",
            {"account": ["3"]},
        ),
        (
            f"UPDATE {TRANSFER} SET merchant_id = 'inn' WHERE fact_key = 'charge'",
            {"account": ["1"]},
        ),
        (f"DELETE FROM {KEY} WHERE fact_key = 'fee'", {"key": ["fee fee"]}),
        (
            f"UPDATE {KEY} SET transfer_id = 999 WHERE fact_key = 'fee'",
            {"key": ["fee fee"], "transfer": ["fee fee"]},
        ),
        (
            f"INSERT INTO {KEY} (fact_key, kind, transfer_id, digest) "
            f"SELECT 'swallowed', kind, transfer_id, digest FROM {KEY} "
            f"WHERE fact_key = 'charge'",
            {"transfer": ["swallowed capture"]},
        ),
        (
            f"DELETE FROM {TRANSFER} WHERE fact_key = 'fee'",
            {
                "balance": ["shop:psp_balance:eur", "shop:psp_fees:eur"],
                "transfer": ["fee fee"],
            },
        ),
        (
            f"UPDATE {TRANSFER} SET reverses = 1 WHERE reverses IS NOT NULL",
            {"reversal": ["5"]},
        ),
    ],
    ids=[
        "a balance is gone",
        "a balance is made up",
        "an amount was changed",
        "another currency",
        "another merchant",
        "a key is gone",
        "a key names another",
        "a key of nothing",
        "a transfer is gone",
        "not its mirror",
    ],
)
def test_damage_is_found_by_the_check_for_it(
    books: Connection, damage: str, expected: dict[str, list[str]]
) -> None:
    assert books.execute(text(damage)).rowcount == 1
    assert found(books) == expected


def test_books_without_triggers_are_still_right(books: Connection) -> None:
    assert audit(books) == []
