"""What the database loses, repeats, reorders or refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from paykit import (
    CreatePayment,
    EventView,
    LedgerConflict,
    Money,
    PaymentService,
    Worker,
)
from paykit.store.ledger import PostingKind, audit
from paykit.testing.clock import START, FrozenClock
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from tests.databases import Database
from tests.store.books import open_books, post, posting
from tests.store.test_ledger_guards import K, T, key, transfer
from tests.support import PATIENCE, Shop

EUR = Money(1000, "eur")


# -- commits ---------------------------------------------------------------------------


class LossyCommits:
    """COMMIT is done, and the connection breaks before the server's reply."""

    def __init__(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        database: Any = shop.service.driver.database
        self._commit: Callable[[Any], None] = database.dialect.do_commit
        self.left = 0
        monkeypatch.setattr(database.dialect, "do_commit", self)

    def __call__(self, connection: Any) -> None:
        self._commit(connection)
        self.left -= 1
        if self.left == 0:
            lost = Exception("the server closed the connection")
            raise OperationalError("COMMIT", {}, lost, connection_invalidated=True)


def _subject(shop: Shop, method: str) -> tuple[str, ...]:
    """Return the id of what `method` is called on; a payment that is made has none."""
    if method == "create_payment":
        return ()
    paid = method == "refund_payment"
    return (shop.paid() if paid else shop.create_payment().id,)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    "method", ["create_payment", "confirm_payment", "refund_payment"]
)
def test_32_a_commit_whose_reply_is_lost_is_recognized(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, method: str, number: int
) -> None:
    subject = _subject(shop, method)
    before = shop.counts()
    shop.watch.sent.clear()
    commits = LossyCommits(shop, monkeypatch)
    commits.left = number
    result = getattr(shop, method)(*subject, idempotency_key="k")
    assert commits.left < 1
    # Nobody can tell that nothing was sent in between, so it may be read about before.
    assert len([call for call in shop.watch.sent if call.idempotency_key]) == 1
    assert getattr(shop, method)(*subject, idempotency_key="k") == result
    after = shop.counts()
    for table in ("paykit_operation", "paykit_attempt", "paykit_psp_answer"):
        assert after[table] == before[table] + 1, table
    effects = shop.sim.effects()
    assert len(effects.charges) == 1
    assert sum(effects.refunds.values()) == (method == "refund_payment")
    assert shop.claims() == {}


# -- messages out ----------------------------------------------------------------------


def _written(service: PaymentService) -> set[tuple[str, int]]:
    return {
        (event.aggregate_id, event.sequence)
        for payment in service.list_payments().items
        for event in service.payment_events(payment.id)
    }


def test_34_an_event_that_is_older_than_the_last_one_delivered_is_not_lost(
    installed: Database,
) -> None:
    """A host whose clock is behind writes events with times and ids of the past."""
    now, past = FrozenClock(START + timedelta(hours=1)), FrozenClock(START)
    sim = SimulatedProvider(now)
    ahead, behind = (
        PaymentService(installed.engine(), psp=SimulatedPsp(sim), world=clock)
        for clock in (now, past)
    )
    heard: list[tuple[str, int]] = []

    @ahead.on("*")
    def note(event: EventView, _: Session) -> None:
        heard.append((event.aggregate_id, event.sequence))

    for number in range(3):
        ahead.create_payment(amount=EUR, idempotency_key=f"ahead-{number}")
        Worker(ahead).run_once()
        behind.create_payment(amount=EUR, idempotency_key=f"behind-{number}")
        Worker(ahead).run_once()
        assert set(heard) == _written(ahead)
    assert len(heard) == len(set(heard)) == 12


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_34_an_event_that_is_committed_late_is_not_lost(installed: Database) -> None:
    """The host's transaction is still open while a later event is delivered."""
    sim = SimulatedProvider()
    service = PaymentService(installed.engine(), psp=SimulatedPsp(sim), policy=PATIENCE)
    heard: list[tuple[str, int]] = []

    @service.on("*")
    def note(event: EventView, _: Session) -> None:
        heard.append((event.aggregate_id, event.sequence))

    with Session(installed.engine()) as slow:
        command = CreatePayment(amount=1000, currency="eur")
        begun = service.begin(command, session=slow, idempotency_key="slow")
        service.create_payment(amount=EUR, idempotency_key="fast")
        Worker(service).run_once()
        assert len(heard) == 2
        slow.commit()
    service.finish(begun)
    Worker(service).run_once()
    assert set(heard) == _written(service)
    assert len(heard) == len(set(heard)) == 4


# -- the ledger ------------------------------------------------------------------------

ATTACKS: dict[str, tuple[str, ...]] = {
    "an entry is changed": (f"UPDATE {T} SET amount = amount + 1",),
    "an entry is deleted": (f"DELETE FROM {T}",),
    "a key is deleted": (f"DELETE FROM {K}",),
    "an entry for no fact": (transfer(),),
    "an entry with one side": (key(), transfer(credit_id="NULL")),
    "an entry of less than nothing": (key(), transfer(amount="-1")),
    "two currencies": (key(), transfer(credit_id="'shop:sales:usd'")),
    "a fact for the second time": (key("fact_key"), transfer(fact_key="fact_key")),
}


def test_35_no_sql_makes_money_from_nothing(shop: Shop) -> None:
    shop.paid(merchant="shop")
    shop.paid(currency="usd", merchant="shop")
    before = shop.balances("shop")
    for attack, statements in ATTACKS.items():
        assert _is_refused(shop, statements), attack
    assert shop.balances("shop") == before
    with shop.engine.connect() as connection:
        assert list(audit(connection)) == []


def _is_refused(shop: Shop, statements: Iterable[str]) -> bool:
    try:
        with shop.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
    except DBAPIError:
        return True
    return False


def test_35_one_fact_is_posted_once(installed: Database) -> None:
    sale = posting(PostingKind.CAPTURE, "capture of one charge")
    with open_books(installed.engine()) as books:
        assert post(books, [sale]) == 1
    with open_books(installed.engine()) as books:
        assert post(books, [sale, sale]) == 0
    other = posting(PostingKind.CAPTURE, "capture of one charge", 2000)
    with open_books(installed.engine()) as books, pytest.raises(LedgerConflict):
        post(books, [other])
    with installed.engine().connect() as connection:
        assert connection.scalar(text(f"SELECT sum(amount) FROM {T}")) == 1000
