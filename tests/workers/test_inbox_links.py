"""What was given up because it was none of ours comes back when it becomes so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from paykit.operations.follow_invoice import RENEWED_AFTER_CANCELLATION
from paykit.store import inbox, payments
from paykit.testing.simulated import SimEvent
from paykit.workers.inbox import DEFERRALS, process_next
from tests.databases import Database, PostgresServer
from tests.engine.test_counts import counting
from tests.failures.stories import Crash, arrive, die
from tests.operations.subscribing import at_psp, fresh_events, started, the
from tests.support import VISA, Shop, open_shop


def _ignored(shop: Shop) -> None:
    """Let every event wait for its payment in vain."""
    assert set(shop.deliver()) == {200}
    shop.work()
    for delay in DEFERRALS:
        shop.wait_and_work(delay)


def _ends(shop: Shop) -> set[tuple[str, str | None]]:
    rows = shop.query("SELECT status, reason FROM paykit_inbox")
    return {(row["status"], row["reason"]) for row in rows}


def _amnesia(lost: Shop, installed: Database) -> Shop:
    """Return a replica without the last commits; `lost` is what has died."""
    lost.watch.after = die
    with pytest.raises(Crash):
        lost.create_payment(idempotency_key="k")
    (event,) = lost.sim.events()
    reference = str(event.object["id"])
    lost.sim.call("confirm_payment", reference, payment_method=VISA)
    return open_shop(installed, "threads", world=lost.world, sim=lost.sim)


def test_events_that_were_given_up_are_applied_when_their_payment_comes_back(
    quick: Shop, installed: Database
) -> None:
    """A replica without the last commits has taken over; nobody repeats for hours."""
    replica = _amnesia(quick, installed)
    _ignored(replica)
    assert _ends(replica) == {("ignored", "foreign: no payment of ours")}
    made = replica.create_payment(idempotency_key="k")
    assert replica.work().done["inbox"].keys() == {"applied"}
    assert _ends(replica) == {("applied", None)}
    assert replica.get(made.id).paid
    assert replica.balances()["sales:eur"] == -1000
    assert replica.charged() == 1


def test_events_that_still_wait_are_looked_at_at_once(
    quick: Shop, installed: Database
) -> None:
    replica = _amnesia(quick, installed)
    replica.deliver()
    for delay in DEFERRALS[:-1]:
        replica.wait_and_work(delay)
    made = replica.create_payment(idempotency_key="k")
    assert replica.work().done["inbox"].keys() == {"applied"}, "not in twelve hours"
    assert replica.get(made.id).paid


def _paid_after_the_end(shop: Shop) -> tuple[str, list[SimEvent], SimEvent]:
    """Return an invoice, and its payment as the last of the events."""
    reference = started(shop)
    shop.sim.controls.fail_renewal(reference)
    shop.world.advance(timedelta(seconds=1))
    shop.sim.controls.cancel_subscription(reference)
    shop.world.advance(timedelta(seconds=1))
    invoice = str(at_psp(shop, reference)["latest_invoice"])
    shop.sim.controls.pay_invoice(invoice)
    *others, paid, _ = fresh_events(shop)
    assert paid.type == "invoice.paid"
    return invoice, others, paid


@pytest.mark.parametrize("looks", [len(DEFERRALS) - 1, len(DEFERRALS)])
def test_an_invoice_comes_back_when_its_subscription_does(
    shop: Shop, looks: int
) -> None:
    """Its subscription is heard of half a day later, or after it was given up."""
    invoice, others, paid = _paid_after_the_end(shop)
    arrive(shop, [paid])
    for delay in DEFERRALS[:looks]:
        shop.wait_and_work(delay)
    given_up = {("ignored", "foreign: an invoice of no subscription of ours")}
    assert (_ends(shop) == given_up) == (looks == len(DEFERRALS))
    arrive(shop, others)
    shop.work()
    assert the(shop).late_invoices == (invoice,), "not in twelve hours"
    assert shop.breaks() == {RENEWED_AFTER_CANCELLATION}


def test_a_subscription_of_another_account_wakes_no_invoice(quick: Shop) -> None:
    _, others, paid = _paid_after_the_end(quick)
    arrive(quick, [paid])
    for delay in DEFERRALS:
        quick.wait_and_work(delay)
    quick.execute("UPDATE paykit_inbox SET binding = 'simulated:other:test'")
    before = _ends(quick)
    arrive(quick, others)
    assert the(quick).ended
    assert before < _ends(quick)


def test_a_payment_that_is_none_of_theirs_wakes_no_event(shop: Shop) -> None:
    shop.sim.call("create_payment", amount=500, currency="eur")
    _ignored(shop)
    shop.create_payment()
    shop.sim.pending_webhooks()
    assert "applied" not in shop.work().done["inbox"]
    assert _ends(shop) == {("ignored", "foreign: no payment of ours")}


def test_looking_for_events_takes_no_statement_of_the_payers(shop: Shop) -> None:
    """It is the database that looks; `tests/engine/test_counts.py` counts them all."""
    shop.create_payment()
    with counting(shop) as counter:
        shop.create_payment()
    about_the_inbox = [one for one in counter.statements if "paykit_inbox" in one]
    assert about_the_inbox == []


@pytest.fixture
def racing(postgres: PostgresServer, postgres_template: str) -> Iterator[Shop]:
    """A shop where two phases can run at once; SQLite runs one after the other."""
    database = postgres.take(template=postgres_template)
    yield open_shop(database, "threads")
    postgres.drop(database)


class Gate:
    """Stops one worker right where it decides that an event is none of ours."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        find, self._first = payments.find, True
        self.armed = False

        def slowly(*args: Any, **fields: Any) -> Any:
            found = find(*args, **fields)
            if found is None and self.armed and self._first:
                self._first = False
                self.reached.set()
                assert self.open.wait(20)
            return found

        monkeypatch.setattr("paykit.store.payments.find", slowly)


@pytest.mark.parametrize("looks", [2, len(DEFERRALS), len(DEFERRALS) + 1])
def test_a_link_that_appears_while_an_event_is_put_off_is_not_overlooked(
    racing: Shop, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """
    The worker has looked, a payment is linked, and then the event is put off, which may
    be for half a day, or given up.
    """
    shop = racing
    stranger = shop.sim.call("create_payment", amount=1000, currency="eur")
    payment = shop.create_payment().id
    shop.sim.pending_webhooks()
    for event in shop.sim.events():
        if event.object["id"] == stranger["id"]:
            shop.push(event)
    shop.work()
    for delay in DEFERRALS[: looks - 2]:
        shop.wait_and_work(delay)
    shop.world.advance(DEFERRALS[looks - 2])
    gate = Gate(monkeypatch)
    gate.armed = True
    ends: list[str | None] = []
    env = shop.service.engine.env
    worker = threading.Thread(target=lambda: ends.append(shop.run(process_next(env))))
    worker.start()
    assert gate.reached.wait(20)
    shop.execute(
        "UPDATE paykit_payment SET psp_reference = :theirs WHERE id = :id",
        theirs=stranger["id"],
        id=payment,
    )
    gate.open.set()
    worker.join(20)
    assert ends == ["deferred"]
    shop.wait_and_work(DEFERRALS[0])
    assert {status for status, _ in _ends(shop)} == {"applied"}


def test_a_link_waits_for_who_gives_its_event_up_and_puts_it_back(
    racing: Shop,
) -> None:
    """The other order: the event is given up first, and committed a moment later."""
    shop = racing
    stranger = shop.sim.call("create_payment", amount=1000, currency="eur")
    (about,) = shop.sim.events()
    payment = shop.create_payment().id
    shop.sim.pending_webhooks()
    shop.push(about)
    shop.work()
    row_id = shop.scalar("SELECT id FROM paykit_inbox")
    linked = threading.Event()

    def link() -> None:
        shop.execute(
            "UPDATE paykit_payment SET psp_reference = :theirs WHERE id = :id",
            theirs=stranger["id"],
            id=payment,
        )
        linked.set()

    payer = threading.Thread(target=link)

    def give_up(tx: Any) -> None:
        row = inbox.load(tx, row_id)
        assert not inbox.is_ours_now(tx, row)
        payer.start()
        assert not linked.wait(0.2), "the link waits for the row"
        inbox.finish(tx, row_id, "ignored", reason="foreign")
        tx.connection.exec_driver_sql("DELETE FROM paykit_work WHERE queue = 'inbox'")

    shop.wait(shop.service.driver.commit(give_up))
    payer.join(20)
    assert {status for status, _ in _ends(shop)} == {"received"}
    assert shop.work().done["inbox"] == {"applied": 1}
