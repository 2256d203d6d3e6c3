"""How many statements and commits the hot paths take (DESIGN sections 4 and 12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event

from paykit import InvalidRequest, Money
from tests.support import Shop

SETTINGS = ("PRAGMA", "BEGIN")
"""What SQLite is told at the start of a transaction; it asks nothing of the tables."""


@dataclass
class Counter:
    statements: list[str] = field(default_factory=list)
    commits: int = 0
    rollbacks: int = 0
    held: int = 0
    """Transactions that are open right now."""
    misses: list[str] = field(default_factory=list)
    """Statements that SQLAlchemy had to compile."""


@contextmanager
def counting(shop: Shop) -> Iterator[Counter]:
    counter = Counter()
    database: Any = shop.service.driver.database
    sync = getattr(database, "sync_engine", database)

    def statement(
        _c: Any, _cur: Any, text: str, _p: Any, context: Any, *_: Any
    ) -> None:
        if not text.startswith(SETTINGS):
            counter.statements.append(text)
            if context.cache_hit.name != "CACHE_HIT":
                counter.misses.append(text)

    def begin(_c: Any) -> None:
        counter.held += 1

    def commit(_c: Any) -> None:
        counter.commits += 1
        counter.held -= 1

    def rollback(_c: Any) -> None:
        counter.rollbacks += 1
        counter.held -= 1

    listeners: dict[str, Callable[..., Any]] = {
        "begin": begin,
        "before_cursor_execute": statement,
        "commit": commit,
        "rollback": rollback,
    }
    for name, listener in listeners.items():
        event.listen(sync, name, listener)
    try:
        yield counter
    finally:
        for name, listener in listeners.items():
            event.remove(sync, name, listener)


def test_a_receipt_is_one_statement_and_one_commit(shop: Shop) -> None:
    shop.create_payment()
    body, headers = shop.sim.webhook(shop.sim.events()[0])
    for _ in range(2):
        with counting(shop) as counter:
            assert shop.receive(body, headers).status == 200
        assert len(counter.statements) == 1, counter.statements
        assert counter.commits == 1


def test_a_malformed_receipt_asks_nothing_of_the_database(shop: Shop) -> None:
    with counting(shop) as counter:
        assert shop.receive(b"{}", {}).status == 400
    assert (counter.statements, counter.commits) == ([], 0)


def test_an_operation_with_one_call_is_two_commits(shop: Shop) -> None:
    with counting(shop) as counter:
        payment = shop.create_payment()
    assert counter.commits == 2
    for method, fields in (
        ("confirm_payment", {}),
        ("refund_payment", {"amount": Money(400, "eur")}),
    ):
        with counting(shop) as counter:
            getattr(shop, method)(payment.id, **fields)
        assert (counter.commits, counter.rollbacks) == (2, 0), method
    for method in ("capture_payment", "cancel_payment"):
        authorized = shop.authorized()
        with counting(shop) as counter:
            getattr(shop, method)(authorized)
        assert (counter.commits, counter.rollbacks) == (2, 0), method


def test_creating_a_payment_takes_twenty_statements(shop: Shop) -> None:
    shop.create_payment()  # the first one also asks which version the tables have
    with counting(shop) as counter:
        shop.create_payment()
    assert len(counter.statements) == 20, counter.statements


def test_no_transaction_is_open_while_the_psp_is_asked(shop: Shop) -> None:
    held: list[int] = []
    with counting(shop) as counter:
        shop.watch.before = lambda _call: held.append(counter.held)
        shop.create_payment()
    assert held == [0]


@pytest.mark.skipif(
    sqlalchemy.__version__.startswith("2.0."),
    reason="SQLAlchemy 2.0 compiles an INSERT with ON CONFLICT each time",
)
def test_nothing_is_compiled_once_it_is_warm(shop: Shop) -> None:
    def everything() -> None:
        payment = shop.create_payment(reference=f"order-{next(names)}")
        shop.confirm_payment(payment.id)
        shop.refund_payment(payment.id, amount=Money(400, "eur"))
        shop.cancel_payment(shop.create_payment().id)
        for happened in shop.sim.events()[-4:]:
            shop.receive(*shop.sim.webhook(happened))
        shop.work()
        shop.get(payment.id)

    names = count()
    for _ in range(2):
        everything()
    with counting(shop) as counter:
        everything()
    assert counter.misses == []


def test_a_repetition_is_one_commit(shop: Shop) -> None:
    payment = shop.create_payment(idempotency_key="k")
    with counting(shop) as counter:
        shop.create_payment(idempotency_key="k")
    assert (counter.commits, len(counter.statements)) == (1, 2)
    with counting(shop) as counter:
        shop.get(payment.id)
    assert counter.commits == 1


def test_bad_input_never_reaches_the_database(shop: Shop) -> None:
    with counting(shop) as counter, pytest.raises(InvalidRequest):
        shop.create_payment(amount=Money(0, "eur"))
    assert (counter.statements, counter.commits) == ([], 0)


def test_an_idle_worker_looks_once_at_each_queue(shop: Shop) -> None:
    shop.paid()
    shop.settle()
    with counting(shop) as counter:
        assert shop.work().total == 0
    assert counter.commits == len(counter.statements) == 5
