"""Events that nobody could deliver: parked, shown, released or skipped by a person."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from paykit import InvalidRequest, NotFound
from paykit.engine import commit
from paykit.operations import EventView, deliveries
from paykit.testing.broker import MemoryBroker, MemoryPublisher
from paykit.workers.deliver import RETRIES, TRIES, deliver_next
from paykit.workers.failures import spread
from tests.databases import Database
from tests.support import Shop, open_shop

CARD = "4242424242424242"


class Nope(Exception):
    """What a failing handler raises."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")


class Poison:
    """A handler that fails on one event of one payment, until it is mended."""

    def __init__(self, shop: Shop, payment: str, sequence: int = 2) -> None:
        self.payment, self.sequence = payment, sequence
        self.mended = False
        self.fails: tuple[str, ...] = ()
        self.seen: list[tuple[str, int]] = []
        handler = self._handle_async if shop.is_async else self._handle
        shop.service.on("*")(handler)

    def _handle(self, event: EventView, session: Any) -> None:
        self.seen.append((event.aggregate_id, event.sequence))
        poison = (self.payment, self.sequence)
        ours = (event.payment_id, event.sequence) == poison or event.type in self.fails
        if not self.mended and ours:
            raise Nope(f"with the card {CARD}")

    async def _handle_async(self, event: EventView, session: Any) -> None:
        self._handle(event, session)

    def of(self, payment: str) -> list[int]:
        return [number for which, number in self.seen if which == payment]


def _park(shop: Shop) -> Poison:
    """Let one event of a payment fail until it is parked."""
    poison = Poison(shop, shop.paid())
    shop.work()
    for pause in RETRIES:
        shop.wait_and_work(pause)
    return poison


def _parked(shop: Shop) -> list[deliveries.ParkedView]:
    return list(shop.wait(shop.service.operator.parked()).items)


def test_a_handler_that_keeps_failing_is_parked_and_left_alone(shop: Shop) -> None:
    poison = _park(shop)
    assert poison.of(poison.payment) == [1] + [2] * TRIES
    shop.wait_and_work(timedelta(days=400))
    assert poison.of(poison.payment) == [1] + [2] * TRIES
    health = shop.wait(shop.service.health())
    assert (health.queues["delivery"].parked, health.attention["parked"]) == (1, 1)
    assert health.needs_a_person


def test_what_is_parked_is_shown_without_the_text_of_its_error(shop: Shop) -> None:
    poison = _park(shop)
    (item,) = _parked(shop)
    assert (item.event.payment_id, item.event.sequence) == (poison.payment, 2)
    assert (item.at, item.tries) == ("handlers", TRIES)
    assert item.reason.startswith("Nope in _handle (test_deliver_parked.py:")
    assert CARD not in str(shop.query("SELECT reason FROM paykit_work"))
    assert item.parked_at == shop.world.now()


def test_other_payments_go_on_while_one_is_parked(shop: Shop) -> None:
    poison = _park(shop)
    fine = shop.paid()
    shop.work()
    assert poison.of(fine) == [1, 2, 3, 4]
    assert poison.of(poison.payment)[-1] == 2


def test_a_released_event_is_delivered_and_the_next_ones_after_it(shop: Shop) -> None:
    poison = _park(shop)
    poison.mended = True
    (item,) = _parked(shop)
    shop.wait(shop.service.operator.release(item.event.id, actor="ann@shop"))
    assert _parked(shop) == []
    shop.work()
    assert poison.of(poison.payment)[-4:] == [2, 3, 4, 5]
    *_, released = shop.wait(shop.service.payment_events(poison.payment))
    assert (released.type, released.cause) == ("delivery.released", "person ann@shop")
    assert released.data["event_id"] == item.event.id
    assert released.data["actor"] == "ann@shop"
    assert not shop.wait(shop.service.health()).needs_a_person


def test_what_is_released_of_a_payout_stands_in_its_history(shop: Shop) -> None:
    shop.paid()
    shop.settle()
    poison = Poison(shop, "of no payment")
    poison.fails = ("payout.created",)
    shop.sim.controls.create_automatic_payout("eur")
    shop.settle()
    for pause in RETRIES:
        shop.wait_and_work(pause)
    poison.mended = True
    (item,) = _parked(shop)
    assert item.event.aggregate == "payout"
    shop.wait(shop.service.operator.release(item.event.id, actor="ann@shop"))
    shop.work()
    *_, released = shop.wait(shop.service.payout_events(item.event.aggregate_id))
    assert (released.type, released.cause) == ("delivery.released", "person ann@shop")
    assert poison.of(item.event.aggregate_id)[-2:] == [1, 2]


def test_a_released_event_that_fails_again_has_a_whole_schedule(shop: Shop) -> None:
    poison = _park(shop)
    (item,) = _parked(shop)
    shop.wait(shop.service.operator.release(item.event.id, actor="ann"))
    shop.work()
    for pause in RETRIES:
        assert _parked(shop) == []
        shop.wait_and_work(pause)
    assert poison.of(poison.payment) == [1] + [2] * 2 * TRIES
    assert len(_parked(shop)) == 1


def test_a_skipped_event_hands_the_next_one_on_and_is_written_down(shop: Shop) -> None:
    poison = _park(shop)
    (item,) = _parked(shop)
    operator = shop.service.operator
    shop.wait(operator.skip(item.event.id, actor="ann", reason="shipped by hand"))
    shop.work()
    assert poison.of(poison.payment) == [1] + [2] * TRIES + [3, 4, 5]
    *_, skipped = shop.wait(shop.service.payment_events(poison.payment))
    assert skipped.type == "delivery.skipped"
    assert skipped.data["event_id"] == item.event.id
    assert skipped.data["reason"] == "shipped by hand"
    assert _parked(shop) == []


def test_only_what_is_parked_can_be_released_or_skipped(shop: Shop) -> None:
    operator = shop.service.operator
    payment = shop.create_payment()
    (first, *_) = shop.wait(shop.service.payment_events(payment.id))
    for unknown in ("nothing", first.id):
        with pytest.raises(NotFound):
            shop.wait(operator.release(unknown, actor="ann"))
        with pytest.raises(NotFound):
            shop.wait(operator.skip(unknown, actor="ann", reason="why"))
    poison = _park(shop)
    (item,) = _parked(shop)
    shop.wait(operator.skip(item.event.id, actor="ann", reason="why"))
    with pytest.raises(NotFound):
        shop.wait(operator.skip(item.event.id, actor="bob", reason="why"))
    log = shop.event_types(poison.payment)
    assert log.count("delivery.skipped") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"actor": ""},
        {"actor": "x" * 65},
        {"actor": f"card {CARD}"},
        {"reason": ""},
        {"reason": "x" * 501},
        {"reason": f"card {CARD}"},
        {"reason": "nul \0"},
    ],
)
def test_bad_words_are_refused_before_anything_is_written(
    quick: Shop, fields: dict[str, str]
) -> None:
    poison = _park(quick)
    (item,) = _parked(quick)
    before = quick.counts()
    given = {"actor": "ann", "reason": "why", **fields}
    with pytest.raises(InvalidRequest):
        quick.wait(quick.service.operator.skip(item.event.id, **given))
    assert quick.counts() == before
    assert _parked(quick) == [item]
    assert poison.of(poison.payment)[-1] == 2


def test_what_is_parked_comes_in_pages(quick: Shop) -> None:
    def fail(event: EventView, session: Any) -> None:
        raise Nope

    quick.service.on("payment.created")(fail)
    payments = [quick.create_payment().id for _ in range(5)]
    quick.work()
    for pause in RETRIES:
        quick.wait_and_work(pause)
    operator = quick.service.operator
    found, after = [], None
    while True:
        page = quick.wait(operator.parked(limit=2, after=after))
        found += [item.event.payment_id for item in page.items]
        after = page.next
        if after is None:
            break
    assert found == payments
    for limit in (0, 501):
        with pytest.raises(InvalidRequest):
            quick.wait(operator.parked(limit=limit))


def test_a_lost_reply_to_commit_releases_and_skips_once(shop: Shop) -> None:
    """The driver runs the phase again, and it recognises its own commit."""
    poison = _park(shop)
    (item,) = _parked(shop)
    env = shop.service.engine.env
    flow = deliveries.skip(env, item.event.id, "ann", "why")
    effect: Any = next(flow)
    shop.run(commit(effect.phase))
    shop.run(commit(effect.phase))
    assert shop.event_types(poison.payment).count("delivery.skipped") == 1


def test_an_event_that_kills_its_worker_each_time_is_parked_too(shop: Shop) -> None:
    """No handler fails, and nobody postpones: only the claims are counted."""
    payment = shop.create_payment().id
    for _ in range(TRIES):
        flow = deliver_next(shop.service.handlers)
        shop.run(commit(next(flow).phase))  # type: ignore[union-attr]
        flow.close()
        shop.world.advance(timedelta(minutes=2))
    assert shop.work().done["deliver"] == {"parked": 1}
    (item,) = _parked(shop)
    assert (item.event.payment_id, item.tries) == (payment, TRIES + 1)
    assert "the worker ended" in item.reason


@pytest.fixture
def relaying(installed: Database) -> tuple[Shop, MemoryBroker]:
    broker = MemoryBroker()
    return open_shop(installed, "threads", publisher=MemoryPublisher(broker)), broker


def test_the_broker_gets_what_the_handlers_miss(
    relaying: tuple[Shop, MemoryBroker],
) -> None:
    shop, broker = relaying
    poison = _park(shop)
    (item,) = _parked(shop)
    assert len(broker.messages) == 1
    shop.wait(shop.service.operator.skip(item.event.id, actor="ann", reason="why"))
    shop.work()
    count = len(shop.event_types(poison.payment))
    assert len({message.id for message in broker.messages}) == count == 5
    assert broker.messages[1].id == item.event.id


def test_pauses_are_spread_and_the_same_each_time() -> None:
    pause = timedelta(seconds=100)
    found = [spread(pause, f"event-{number}", 1) for number in range(200)]
    assert found == [spread(pause, f"event-{number}", 1) for number in range(200)]
    assert all(0.75 * pause <= one <= pause for one in found)
    assert len({one // timedelta(seconds=5) for one in found}) == 5
    assert spread(pause, "event", 1) != spread(pause, "event", 2)
