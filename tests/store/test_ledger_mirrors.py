"""Reversals by hand: refused if one thing differs from a proper one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError

from paykit.store.ledger import PostingKind, audit, transfers_of
from paykit.store.schema import ledger_key, ledger_transfer
from tests.databases import Database
from tests.store.books import open_books, post, posting, reverse

SALE, REVERSED, MIRROR, FRESH = 1, 2, 3, 1000
"""A sale, one that was reversed, its mirror, and what is about to be written."""

SWAPPED = {"debit_id": "shop:sales:eur", "credit_id": "shop:psp_balance:eur"}
SAME_WAY = {"debit_id": "shop:psp_balance:eur", "credit_id": "shop:sales:eur"}

PROPER = {"reverses": SALE, "kind": "capture_reversal", **SWAPPED}


@pytest.fixture
def books(installed: Database) -> Iterator[Connection]:
    with open_books(installed.engine()) as connection:
        post(connection, [posting(PostingKind.CAPTURE, "charge")])
        post(connection, [posting(PostingKind.CAPTURE, "wrong", payment="pay_2")])
        (wrong,) = transfers_of(connection, "pay_2")
        reverse(connection, wrong.journal_id)
        post(connection, [posting(PostingKind.FEE, "fee", payment=None)])
        yield connection


def write(books: Connection, changes: Mapping[str, object]) -> None:
    """Write a copy of the sale with `changes`, and a key that fits it."""
    sale = select(ledger_transfer).where(ledger_transfer.c.id == SALE)
    row = {**books.execute(sale).mappings().one(), "id": FRESH, **changes}
    key = {"fact_key": row["fact_key"], "kind": row["kind"]}
    books.execute(insert(ledger_key).values(transfer_id=FRESH, digest="", **key))
    books.execute(insert(ledger_transfer).values(row))


def test_the_proper_mirror_can_be_written(books: Connection) -> None:
    write(books, PROPER)
    assert audit(books) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "another_reversal"},
        {"kind": "capture_reversal_reversal"},
        {"kind": "refund"},
        {"fact_key": "another"},
        {"amount": 999},
        SAME_WAY,
        {"debit_id": "shop:psp_fees:eur"},
        {"reverses": 999},
        {"reverses": FRESH},
        {"reverses": REVERSED},
        {"reverses": None},
    ],
    ids=str,
)
def test_an_improper_mirror_is_refused(
    books: Connection, changes: Mapping[str, object]
) -> None:
    with pytest.raises(DBAPIError, match="not the one mirror"):
        write(books, {**PROPER, **changes})


def test_a_mirror_cannot_be_reversed(books: Connection) -> None:
    back = {"fact_key": "wrong", "kind": "capture_reversal_reversal", **SAME_WAY}
    with pytest.raises(DBAPIError, match="not the one mirror"):
        write(books, {"reverses": MIRROR, **back})
