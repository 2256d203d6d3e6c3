"""Locks on PostgreSQL: taken in one order, whatever the order of the postings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from paykit.store.ledger import Posting, PostingKind, audit
from tests.databases import Database
from tests.store.books import open_books, post, posting

pytestmark = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)


@pytest.fixture
def engine(installed: Database) -> Engine:
    return installed.engine()


def sale(fact: str, merchant: str = "shop") -> Posting:
    return posting(PostingKind.CAPTURE, fact, merchant=merchant)


@pytest.mark.parametrize(
    ("held", "first", "second", "new"),
    [
        (
            sale("m"),
            [sale("a"), sale("m"), sale("z")],
            [sale("z"), sale("m"), sale("a")],
            3,
        ),
        (
            sale("held", "m"),
            [sale("1", "a"), sale("2", "m"), sale("3", "z")],
            [sale("4", "z"), sale("5", "m"), sale("6", "a")],
            6,
        ),
    ],
    ids=["keys", "accounts"],
)
def test_neither_keys_nor_accounts_are_locked_in_the_callers_order(
    engine: Engine,
    held: Posting,
    first: Sequence[Posting],
    second: Sequence[Posting],
    new: int,
) -> None:
    # Both wait for the one in the middle; once it is free, each would need what the
    # other has, had they begun at different ends.
    def write(postings: Sequence[Posting]) -> int:
        with open_books(engine) as connection:
            return post(connection, postings)

    with ThreadPoolExecutor(2) as pool:
        with engine.connect() as holder:
            post(holder, [held])
            written = [pool.submit(write, each) for each in (first, second)]
            wait_until_blocked(engine, written)
            holder.rollback()
        assert sum(each.result(timeout=30) for each in written) == new
    with open_books(engine) as connection:
        assert audit(connection) == []


def wait_until_blocked(engine: Engine, writers: Sequence[Future[int]]) -> None:
    """Return when every writer waits for a lock; fail if one ends instead."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        while connection.scalar(waiting) != len(writers):
            assert not any(writer.done() for writer in writers), "nobody had to wait"
            assert time.monotonic() < deadline, "the writers were not blocked"
