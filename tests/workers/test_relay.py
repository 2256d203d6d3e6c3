"""The relay: each event at least once, in order per payment, and nobody waits long."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from paykit import EventView
from paykit.engine import commit
from paykit.errors import UsageError
from paykit.queue import AnyPublisher, Message
from paykit.testing.broker import AsyncMemoryPublisher, MemoryBroker, MemoryPublisher
from paykit.workers import run_duty, run_duty_async
from paykit.workers.deliver import RETRIES, TRIES
from paykit.workers.relay import OUTAGE_PAUSE, relay_due
from tests.databases import Database
from tests.support import DRIVERS, Shop, open_shop


class Broken(Exception):
    """What a broker's client raises."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture(params=DRIVERS)
def shop(
    request: pytest.FixtureRequest, installed: Database, broker: MemoryBroker
) -> Iterator[Shop]:
    """A shop with a publisher of its service's kind."""
    kind = MemoryPublisher if request.param == "threads" else AsyncMemoryPublisher
    shop = open_shop(installed, request.param, publisher=kind(broker))
    yield shop
    if shop.runner is not None:
        shop.runner.close()


def _relay(shop: Shop) -> dict[str, int]:
    """Do the duty alone; raises what it raises."""
    run = run_duty_async if shop.is_async else run_duty
    service: Any = shop.service
    return dict(shop.wait(run(service, "relay")))


def _deliver(shop: Shop) -> None:
    run = run_duty_async if shop.is_async else run_duty
    service: Any = shop.service
    shop.wait(run(service, "deliver"))


def _sequences(broker: MemoryBroker, payment: str) -> list[int]:
    return [_number(one) for one in broker.messages if one.key == payment]


def _work_left(shop: Shop, queue: str) -> int:
    statement = "SELECT count(*) FROM paykit_work WHERE queue = :queue"
    return int(shop.scalar(statement, queue=queue))


def test_every_event_is_published_once_and_in_order(
    shop: Shop, broker: MemoryBroker
) -> None:
    payments = [shop.paid(), shop.paid()]
    shop.refund_payment(payments[0])
    shop.work()
    for payment in payments:
        count = len(shop.event_types(payment))
        assert _sequences(broker, payment) == list(range(1, count + 1))
    assert _work_left(shop, "relay") == _work_left(shop, "delivery") == 0
    before = len(broker.messages)
    shop.wait_and_work(timedelta(days=1))
    assert len(broker.messages) == before


def test_a_message_says_what_its_event_says(shop: Shop, broker: MemoryBroker) -> None:
    payment = shop.paid(merchant="m-1")
    shop.work()
    events = shop.wait(shop.service.payment_events(payment, merchant="m-1"))
    for message, event in zip(broker.messages, events, strict=True):
        assert (message.id, message.key) == (event.id, payment)
        assert message.type == message.headers["type"] == event.type
        assert json.loads(message.payload) == event.data
        assert message.occurred_at == event.occurred_at
        assert message.headers["id"] == event.id
        assert message.headers["merchant"] == "m-1"


def test_without_a_publisher_nothing_waits_for_one(quick: Shop) -> None:
    quick.paid()
    assert "relay" in quick.work().done
    assert _work_left(quick, "relay") == 0


def test_the_broker_gets_an_event_only_after_the_handlers(
    shop: Shop, broker: MemoryBroker
) -> None:
    failures = [Broken()]

    def fail(event: EventView, session: Any) -> None:
        if event.sequence == 2 and failures:
            raise failures.pop()

    shop.service.on("*")(fail)
    payment = shop.paid()
    shop.work()
    assert _sequences(broker, payment) == [1]
    shop.wait_and_work(RETRIES[0])
    assert _sequences(broker, payment) == [1, 2, 3, 4]


def test_the_broker_has_its_own_tries_whatever_the_handlers_needed(
    shop: Shop, broker: MemoryBroker
) -> None:
    failures = [Broken() for _ in range(TRIES - 1)]

    def fail(event: EventView, session: Any) -> None:
        if failures:
            raise failures.pop()

    shop.service.on("payment.created")(fail)
    shop.create_payment()
    broker.refuses = lambda m: True
    for pause in (timedelta(0), *RETRIES):
        shop.wait_and_work(pause)
    assert not failures
    assert shop.wait(shop.service.health()).queues["relay"].pending == 2
    assert shop.wait(shop.service.operator.parked()).items == ()


def test_a_broker_that_is_down_loses_and_parks_nothing(
    shop: Shop, broker: MemoryBroker
) -> None:
    payments = [shop.paid() for _ in range(5)]
    _deliver(shop)
    broker.down = True
    for _ in range(TRIES + 1):
        with pytest.raises(ConnectionError):
            _relay(shop)
        shop.world.advance(OUTAGE_PAUSE)
    assert shop.wait(shop.service.health()).queues["relay"].parked == 0
    broker.down = False
    broker.refuses = lambda m: m.key == payments[0]
    assert _relay(shop)["failed"] == 1, "the outage was not counted against it"
    broker.refuses = lambda m: False
    shop.wait_and_work(RETRIES[0])
    for payment in payments:
        # What was taken together with what was refused came a second time.
        assert list(dict.fromkeys(_sequences(broker, payment))) == [1, 2, 3, 4]


def test_a_broker_that_is_down_is_not_asked_for_every_message(
    shop: Shop, broker: MemoryBroker
) -> None:
    for _ in range(8):
        shop.create_payment()
    _deliver(shop)
    calls = []

    def refuse(message: Message) -> bool:
        calls.append(message.id)
        raise Broken

    broker.refuses = refuse
    with pytest.raises(Broken):
        _relay(shop)
    assert len(calls) == 4, "together, and then three of them alone"


def test_an_outage_keeps_no_other_duty_from_its_turn(
    shop: Shop, broker: MemoryBroker
) -> None:
    broker.down = True
    shop.paid()
    report = shop.wait(shop.worker.run_once())
    assert set(report.failed) == {"relay"}
    assert report.failed["relay"].startswith("ConnectionError in take (broker.py:")
    assert report.done["deliver"] == {"delivered": 4}


def test_a_message_that_the_broker_refuses_parks_only_its_payment(
    shop: Shop, broker: MemoryBroker
) -> None:
    poison, fine = shop.paid(), shop.paid()
    broker.refuses = lambda m: m.key == poison and _number(m) == 2
    _deliver(shop)
    _relay(shop)
    assert _sequences(broker, fine) == [1, 2, 3, 4]
    for pause in RETRIES:
        shop.wait_and_work(pause)
    assert _sequences(broker, poison) == [1]
    health = shop.wait(shop.service.health())
    assert (health.queues["relay"].parked, health.attention["parked"]) == (1, 1)
    (item,) = shop.wait(shop.service.operator.parked()).items
    assert (item.at, item.event.sequence, item.tries) == ("broker", 2, TRIES)
    assert item.reason.startswith("MessageRefused in take (broker.py:")
    broker.refuses = lambda m: False
    shop.wait(shop.service.operator.release(item.event.id, actor="ann"))
    shop.work()
    count = len(shop.event_types(poison))
    assert _sequences(broker, poison) == list(range(1, count + 1))


def _number(message: Message) -> int:
    return int(json.loads(message.payload)["sequence"])


def test_an_error_that_only_one_message_meets_counts_against_it(
    shop: Shop, broker: MemoryBroker
) -> None:
    """A publisher need not know `MessageRefused`: the others are taken meanwhile."""
    poison = shop.paid()

    def refuse(message: Message) -> bool:
        if message.key == poison:
            raise Broken
        return False

    broker.refuses = refuse
    for pause in (timedelta(0), *RETRIES):
        shop.create_payment()
        shop.wait_and_work(pause)
    assert shop.wait(shop.service.health()).queues["relay"].parked == 1


def _refuses(broker: MemoryBroker, *payments: str) -> None:
    """Let the broker's client raise what it likes about messages of these payments."""

    def refuse(message: Message) -> bool:
        if message.key in payments:
            raise Broken
        return False

    broker.refuses = refuse


def _try_relay(shop: Shop) -> bool:
    """Do the duty; whether it took the broker for being away."""
    _deliver(shop)
    try:
        _relay(shop)
    except Broken:
        return True
    return False


def test_a_message_that_always_fails_alone_is_parked_while_others_get_through(
    shop: Shop, broker: MemoryBroker
) -> None:
    """Nothing else is due when it is tried: the others come in between."""
    poison = shop.create_payment().id
    _refuses(broker, poison)
    assert _try_relay(shop), "for the first time: it may be the broker"
    for pause in (OUTAGE_PAUSE, *RETRIES):
        assert shop.wait(shop.service.operator.parked()).items == ()
        shop.create_payment()
        shop.world.advance(timedelta(milliseconds=1))
        assert not _try_relay(shop), "the new one is taken"
        shop.world.advance(pause)
        assert not _try_relay(shop), "its own failure keeps nobody waiting"
    (item,) = shop.wait(shop.service.operator.parked()).items
    assert (item.event.payment_id, item.tries) == (poison, TRIES)
    assert item.reason.startswith("Broken in refuse (test_relay.py:")


def test_a_message_that_fails_while_nothing_else_is_taken_is_never_parked(
    shop: Shop, broker: MemoryBroker
) -> None:
    """An outage, as far as anybody can tell; also while new payments are made."""
    _refuses(broker, shop.create_payment().id)
    for _ in range(TRIES + 1):
        assert _try_relay(shop)
        shop.world.advance(OUTAGE_PAUSE)
    broker.down = True
    for _ in range(TRIES + 1):
        shop.create_payment()
        _deliver(shop)
        with pytest.raises(ConnectionError):
            _relay(shop)
        shop.world.advance(OUTAGE_PAUSE)
    assert shop.wait(shop.service.health()).queues["relay"].parked == 0
    attempts = "SELECT max(attempts) FROM paykit_work WHERE queue = 'relay'"
    assert shop.scalar(attempts) == 0


def test_messages_that_all_fail_hold_up_no_other(
    shop: Shop, broker: MemoryBroker
) -> None:
    """However many come first each time: somebody else is tried before them one day."""
    payments = [shop.create_payment().id for _ in range(12)]
    _refuses(broker, *payments)
    assert _try_relay(shop)
    order = (
        "SELECT group_id FROM paykit_work WHERE queue = 'relay' AND position = 1 "
        "ORDER BY due_ms, id"
    )
    *poison, fine = (row["group_id"] for row in shop.query(order))
    _refuses(broker, *poison)
    for _ in range(40):
        shop.world.advance(OUTAGE_PAUSE)
        _try_relay(shop)
        if _sequences(broker, fine):
            return
    pytest.fail("it had never its turn")


def test_a_message_that_ends_its_worker_holds_up_no_other_and_is_parked(
    installed: Database, broker: MemoryBroker
) -> None:
    with _stalling(installed, broker) as (shop, publisher):
        poison = shop.create_payment().id
        fine = [shop.create_payment().id for _ in range(3)]
        _deliver(shop)

        class Deadly(MemoryBroker):
            @override
            def take(self, messages: Sequence[Message]) -> None:
                if any(message.key == poison for message in messages):
                    raise KeyboardInterrupt
                broker.take(messages)

        publisher.broker = Deadly()
        deaths = 0
        for _ in range(3 * TRIES):
            try:
                _deliver(shop)
                _relay(shop)
            except KeyboardInterrupt:
                deaths += 1
            fine.append(shop.create_payment().id)
            shop.world.advance(timedelta(minutes=2))
        for payment in fine[:-1]:
            assert _sequences(broker, payment) == [1, 2]
        (item,) = shop.wait(shop.service.operator.parked()).items
        assert (item.event.payment_id, item.at) == (poison, "broker")
        assert "the worker ended" in item.reason
        assert deaths == TRIES


def test_a_worker_that_ends_each_time_parks_nothing_while_nothing_is_taken(
    installed: Database, broker: MemoryBroker
) -> None:
    """A broker that never answers, and somebody who kills what hangs."""
    with _stalling(installed, broker) as (shop, publisher):
        shop.create_payment()
        _deliver(shop)

        def die() -> None:
            raise KeyboardInterrupt

        publisher.before = die
        for _ in range(2 * TRIES):
            with pytest.raises(KeyboardInterrupt):
                _relay(shop)
            shop.world.advance(timedelta(minutes=2))
        publisher.before = _nothing
        assert _relay(shop) == {"published": 2}


def test_a_skipped_message_hands_the_next_one_on(
    shop: Shop, broker: MemoryBroker
) -> None:
    poison = shop.paid()
    broker.refuses = lambda m: _number(m) == 2
    shop.work()
    for pause in RETRIES:
        shop.wait_and_work(pause)
    (item,) = shop.wait(shop.service.operator.parked()).items
    operator = shop.service.operator
    shop.wait(operator.skip(item.event.id, actor="ann", reason="too large"))
    shop.work()
    count = len(shop.event_types(poison))
    assert _sequences(broker, poison) == [1, *range(3, count + 1)]


class Stalling:
    """A publisher that a test may stop before or after the broker has taken all."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker, self.before, self.after = broker, _nothing, _nothing

    def publish(self, messages: Sequence[Message], /) -> None:
        self.before()
        self.broker.take(messages)
        self.after()


def _nothing() -> None: ...


@contextmanager
def _stalling(database: Database, broker: MemoryBroker) -> Iterator[tuple[Shop, Any]]:
    publisher = Stalling(broker)
    yield open_shop(database, "threads", publisher=publisher), publisher


def test_a_worker_that_dies_after_publishing_publishes_again_under_the_same_id(
    installed: Database, broker: MemoryBroker
) -> None:
    with _stalling(installed, broker) as (shop, publisher):
        payment = shop.paid()
        _deliver(shop)

        def die() -> None:
            raise KeyboardInterrupt

        publisher.after = die
        with pytest.raises(KeyboardInterrupt):
            _relay(shop)
        publisher.after = _nothing
        assert _relay(shop) == {}, "the dead worker's lease has not run out"
        shop.wait_and_work(timedelta(minutes=2))
        assert _sequences(broker, payment) == [1, 1, 2, 3, 4]
        assert len({message.id for message in broker.messages}) == 4


def test_a_worker_that_stalls_past_its_lease_finishes_nothing(
    installed: Database, broker: MemoryBroker
) -> None:
    """Its row is another worker's, and what stands behind it has had its turn."""
    with _stalling(installed, broker) as (shop, publisher):
        payment = shop.paid()
        _deliver(shop)

        def stall() -> None:
            publisher.after = _nothing
            shop.world.advance(timedelta(minutes=5))
            _relay(shop)

        publisher.after = stall
        assert _relay(shop) == {"lease lost": 1}
        assert _sequences(broker, payment) == [1, 1, 2, 3, 4]


def test_a_row_that_another_worker_holds_is_not_finished(
    installed: Database, broker: MemoryBroker
) -> None:
    with _stalling(installed, broker) as (shop, publisher):
        shop.paid()
        _deliver(shop)

        def taken_over() -> None:
            shop.world.advance(timedelta(minutes=5))
            flow = relay_due(shop.service.engine.env, 10)
            shop.run(commit(next(flow).phase))  # type: ignore[union-attr]
            flow.close()

        publisher.after = taken_over
        assert _relay(shop) == {"lease lost": 1}
        assert _work_left(shop, "relay") == 4


def test_publishing_happens_outside_of_any_transaction(
    installed: Database, broker: MemoryBroker
) -> None:
    with _stalling(installed, broker) as (shop, publisher):
        shop.paid()
        open_ones: list[int] = []

        def look() -> None:
            pool: Any = installed.engine().pool
            open_ones.append(pool.checkedout())
            # On SQLite it would wait for the lock of an open transaction.
            shop.execute("UPDATE paykit_work SET attempts = attempts")

        publisher.before = look
        shop.work()
        assert open_ones
        assert not any(open_ones)


def test_the_relay_takes_one_event_of_each_payment_at_a_time(
    installed: Database, broker: MemoryBroker
) -> None:
    with _stalling(installed, broker) as (shop, publisher):
        payments = {shop.paid() for _ in range(3)}
        _deliver(shop)
        batches: list[list[str]] = []
        taken = broker.take

        class Watching(MemoryBroker):
            @override
            def take(self, messages: Sequence[Message]) -> None:
                batches.append([message.key for message in messages])
                taken(messages)

        publisher.broker = Watching()
        _relay(shop)
        assert [sorted(batch) for batch in batches] == [sorted(payments)] * 4


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_publisher_of_the_other_kind_is_wrong_use(
    installed: Database, broker: MemoryBroker, driver: str
) -> None:
    publishers: dict[str, AnyPublisher] = {
        "threads": AsyncMemoryPublisher(broker),
        "asyncio": MemoryPublisher(broker),
    }
    shop = open_shop(installed, driver, publisher=publishers[driver])
    shop.create_payment()
    try:
        with pytest.raises(UsageError, match="PaymentService"):
            shop.work()
    finally:
        if shop.runner is not None:
            shop.runner.close()


def test_a_publisher_that_only_promises_to_publish_has_published_nothing(
    installed: Database, broker: MemoryBroker
) -> None:
    """What a decorator hides is no coroutine function, and returns a coroutine."""
    publisher: Any = Stalling(broker)
    publisher.publish = lambda messages: AsyncMemoryPublisher(broker).publish(messages)
    shop = open_shop(installed, "threads", publisher=publisher)
    shop.create_payment()
    with pytest.raises(UsageError, match="AsyncPaymentService"):
        shop.work()
    assert _work_left(shop, "relay") == 2
    assert broker.messages == []


def test_a_publisher_whose_own_task_was_canceled_has_failed(
    installed: Database, broker: MemoryBroker
) -> None:
    """It is no order to the worker to end."""

    class Canceled:
        async def publish(self, messages: Sequence[Message], /) -> None:
            task = asyncio.create_task(asyncio.sleep(60))
            task.cancel()
            await task

    shop = open_shop(installed, "asyncio", publisher=Canceled())
    assert shop.runner is not None
    shop.create_payment()
    assert set(shop.wait(shop.worker.run_once()).failed) == {"relay"}
    assert _work_left(shop, "relay") == 2
    shop.runner.close()


def test_health_tells_how_long_the_broker_has_taken_nothing(
    shop: Shop, broker: MemoryBroker
) -> None:
    """What failed is put off each time, and so is never late."""
    broker.down = True
    shop.create_payment()
    _deliver(shop)
    shop.execute("DELETE FROM paykit_work WHERE position > 1")
    for _ in range(10):
        with pytest.raises(ConnectionError):
            _relay(shop)
        shop.world.advance(OUTAGE_PAUSE)
    with pytest.raises(ConnectionError):
        _relay(shop)
    relay = shop.wait(shop.service.health()).queues["relay"]
    assert (relay.due, relay.oldest_due_seconds) == (0, None)
    assert relay.oldest_seconds == 10 * OUTAGE_PAUSE.total_seconds()
