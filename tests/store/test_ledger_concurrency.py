"""Several writers at once: each fact once, no deadlock, nothing missing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest
from sqlalchemy import Engine, text

from paykit.store.ledger import (
    PostingKind,
    audit,
    transfers_of,
    trial_balance,
)
from tests.databases import Database
from tests.store.books import open_books, post, posting, reverse

WRITERS = 8


@pytest.fixture
def engine(installed: Database) -> Engine:
    return installed.engine()


def at_once(work: Callable[[int], int]) -> int:
    """Run `work` for each writer, all from the same moment; return the sum."""
    start = Barrier(WRITERS)

    def one(writer: int) -> int:
        start.wait()
        return work(writer)

    with ThreadPoolExecutor(WRITERS) as pool:
        return sum(pool.map(one, range(WRITERS)))


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_writers_of_the_same_accounts_lose_nothing(engine: Engine) -> None:
    def write(writer: int) -> int:
        posted = 0
        for number in range(20):
            fact = f"{writer} {number}"
            sale = posting(PostingKind.CAPTURE, fact, 100 + number)
            fee = posting(PostingKind.FEE, fact, 1 + number)
            back = posting(PostingKind.REFUND, fact, 10)
            mine = [sale, fee, back]
            with open_books(engine) as books:
                # In either order: locks are not taken in the caller's.
                posted += post(books, mine if writer % 2 else mine[::-1])
        return posted

    assert at_once(write) == WRITERS * 20 * 3
    with open_books(engine) as books:
        assert audit(books) == []
        amounts = {row.code: row.net for row in trial_balance(books)}
    assert amounts["sales"] == WRITERS * sum(100 + number for number in range(20))


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_writers_of_the_same_facts_post_each_once(engine: Engine) -> None:
    facts = [posting(PostingKind.CAPTURE, f"charge {n}", n + 1) for n in range(12)]

    def write(writer: int) -> int:
        posted = 0
        for first in range(len(facts)):
            some = [facts[(first + step) % len(facts)] for step in range(4)]
            with open_books(engine) as books:
                posted += post(books, some if writer % 2 else some[::-1])
        return posted

    assert at_once(write) == len(facts)
    with open_books(engine) as books:
        assert audit(books) == []
        assert len(transfers_of(books, "pay_1")) == len(facts)


def test_a_journal_is_reversed_once_by_many(engine: Engine) -> None:
    with open_books(engine) as books:
        post(books, [posting(PostingKind.CAPTURE, "charge")])
        (original,) = transfers_of(books, "pay_1")

    def take_back(_: int) -> int:
        # A host's own transaction: on SQLite it does not begin as a writer.
        with engine.begin() as books:
            return reverse(books, original.journal_id)

    assert at_once(take_back) == 1
    with open_books(engine) as books:
        assert audit(books) == []
        assert {row.net for row in trial_balance(books)} == {0}


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_writers_of_a_hot_account_do_not_wait_for_one_another(engine: Engine) -> None:
    with open_books(engine) as books:
        post(books, [posting(PostingKind.CAPTURE, "first")])  # opens the accounts
    with ExitStack() as stack:
        inside: set[int] = set()
        while len(inside) < 4:
            books = stack.enter_context(open_books(engine))
            stripe = books.scalar(text("SELECT pg_backend_pid() % 16"))
            if stripe in inside:
                continue
            inside.add(stripe)
            # Would fail here if it had to wait for those that are still open.
            books.execute(text("SET LOCAL lock_timeout = '5s'"))
            post(books, [posting(PostingKind.CAPTURE, f"charge {stripe}")])
    with open_books(engine) as books:
        assert audit(books) == []
