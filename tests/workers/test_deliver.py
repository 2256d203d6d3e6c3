"""The host's handlers: once per event, in order, and nobody waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from paykit import CapturePayment, CreatePayment, PaymentService, UsageError
from paykit.lifecycle import PaymentState
from paykit.operations import EventView
from paykit.workers.deliver import RETRIES
from tests.support import Shop

NOTE = text("INSERT INTO host_note (note) VALUES (:note)")

Handle = Callable[[EventView], object]


def _listen(
    shop: Shop,
    event_type: str,
    then: Handle | None = None,
    *,
    write: Callable[[EventView], str] | None = None,
) -> list[EventView]:
    """Register a handler of the service's kind; what it saw is in the list."""
    seen: list[EventView] = []

    def handle(event: EventView, session: Any) -> None:
        seen.append(event)
        if write is not None:
            session.execute(NOTE, {"note": write(event)})
        if then is not None:
            then(event)

    async def handle_async(event: EventView, session: Any) -> None:
        seen.append(event)
        if write is not None:
            await session.execute(NOTE, {"note": write(event)})
        if then is not None:
            then(event)

    shop.service.on(event_type)(handle_async if shop.is_async else handle)
    return seen


def _notes(shop: Shop) -> list[str]:
    return [row["note"] for row in shop.query("SELECT note FROM host_note")]


class Nope(Exception):
    """What a failing handler raises."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")


def test_every_event_is_handled_once_and_in_order(shop: Shop) -> None:
    seen = _listen(shop, "*", write=lambda event: f"{event.sequence}")
    payment = shop.paid()
    shop.refund_payment(payment)
    shop.work()
    shop.work()
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
    assert [event.type for event in seen] == shop.event_types(payment)
    assert sorted(_notes(shop)) == sorted(str(event.sequence) for event in seen)
    assert len({event.id for event in seen}) == len(seen)


def test_an_event_says_what_why_and_who(shop: Shop) -> None:
    seen = _listen(shop, "payment.succeeded")
    payment = shop.paid(merchant="m-1")
    shop.work()
    (event,) = seen
    assert (event.payment_id, event.merchant) == (payment, "m-1")
    assert event.from_state == "requires_payment_method"
    assert event.to_state == "succeeded"
    assert event.cause.startswith("op_")
    assert event.data["captured"] == 1000
    assert event.occurred_at == shop.world.now()


def test_handlers_choose_their_events(shop: Shop) -> None:
    one = _listen(shop, "payment.succeeded")
    family = _listen(shop, "refund.*")
    everything = _listen(shop, "*")
    payment = shop.paid()
    shop.refund_payment(payment)
    shop.work()
    assert [event.type for event in one] == ["payment.succeeded"]
    assert [event.type for event in family] == ["refund.created", "refund.succeeded"]
    assert len(everything) == len(shop.event_types(payment))


def test_events_without_handlers_are_done_too(shop: Shop) -> None:
    shop.paid()
    assert shop.work().done["deliver"] == {"delivered": 4}
    assert shop.wait(shop.service.health()).pending["delivery"] == 0


def test_a_failing_handler_parks_only_its_payment(shop: Shop) -> None:
    broken = shop.paid()

    def fail(event: EventView) -> None:
        if event.payment_id == broken and event.sequence >= 2:
            raise Nope

    seen = _listen(shop, "*", fail)
    fine = shop.paid()
    ends = shop.work().done["deliver"]
    assert ends == {"delivered": 5, "failed": 1}
    assert [e.sequence for e in seen if e.payment_id == fine] == [1, 2, 3, 4]
    assert [e.sequence for e in seen if e.payment_id == broken] == [1, 2]


def test_a_failed_event_is_tried_again_before_the_next_one(shop: Shop) -> None:
    failures = [Nope(), Nope()]

    def fail(event: EventView) -> None:
        if event.sequence == 2 and failures:
            raise failures.pop()

    seen = _listen(shop, "*", fail)
    shop.paid()
    shop.work()
    for delay in RETRIES[:2]:
        shop.wait_and_work(delay * 0.7)
        shop.wait_and_work(delay * 0.3)
    assert [event.sequence for event in seen] == [1, 2, 2, 2, 3, 4]


def test_what_a_failing_handler_wrote_is_taken_back(shop: Shop) -> None:
    failures = [Nope()]

    def fail(event: EventView) -> None:
        if failures:
            raise failures.pop()

    _listen(shop, "payment.succeeded", fail, write=lambda event: event.type)
    shop.paid()
    shop.work()
    assert _notes(shop) == []
    shop.wait_and_work(RETRIES[0])
    assert _notes(shop) == ["payment.succeeded"]


def test_handlers_of_one_event_commit_together(shop: Shop) -> None:
    failures = [Nope()]

    def fail(event: EventView) -> None:
        if failures:
            raise failures.pop()

    _listen(shop, "payment.succeeded", write=lambda event: "first")
    _listen(shop, "payment.succeeded", fail, write=lambda event: "second")
    shop.paid()
    shop.work()
    assert _notes(shop) == []
    shop.wait_and_work(RETRIES[0])
    assert sorted(_notes(shop)) == ["first", "second"]


def test_sql_that_fails_in_a_handler_parks_its_payment(shop: Shop) -> None:
    missing = text("INSERT INTO no_such_table VALUES (1)")

    def broken(event: EventView, session: Any) -> None:
        session.execute(missing)

    async def broken_async(event: EventView, session: Any) -> None:
        await session.execute(missing)

    shop.service.on("payment.created")(broken_async if shop.is_async else broken)
    shop.paid()
    assert shop.work().done["deliver"] == {"failed": 1}
    assert shop.wait_and_work(RETRIES[0]).done["deliver"] == {"failed": 1}


def test_a_handler_cannot_commit_behind_our_back(shop: Shop) -> None:
    failures = [Nope()]

    def commit(event: EventView, session: Any) -> None:
        session.execute(NOTE, {"note": "early"})
        session.commit()
        if failures:
            raise failures.pop()

    async def commit_async(event: EventView, session: Any) -> None:
        await session.execute(NOTE, {"note": "early"})
        await session.commit()
        if failures:
            raise failures.pop()

    shop.service.on("payment.succeeded")(commit_async if shop.is_async else commit)
    shop.paid()
    shop.work()
    assert _notes(shop) == []
    shop.wait_and_work(RETRIES[0])
    assert _notes(shop) == ["early"]


def test_a_handler_begins_work_in_its_own_transaction(shop: Shop) -> None:
    """What DESIGN section 9 says: a handler starts PSP work through `begin`."""
    failures = [Nope()]

    def capture(event: EventView, session: Any) -> None:
        assert isinstance(shop.service, PaymentService)
        command = CapturePayment(payment_id=event.aggregate_id, amount=700)
        shop.service.begin(command, session=session, idempotency_key="ship")
        if failures:
            raise failures.pop()

    async def capture_async(event: EventView, session: Any) -> None:
        command = CapturePayment(payment_id=event.aggregate_id, amount=700)
        service: Any = shop.service
        await service.begin(command, session=session, idempotency_key="ship")
        if failures:
            raise failures.pop()

    handler = capture_async if shop.is_async else capture
    shop.service.on("payment.authorized")(handler)
    payment = shop.authorized()
    shop.work()
    assert shop.claims() == {}, "the handler failed, so nothing was begun"
    shop.wait_and_work(RETRIES[0])
    assert shop.claims() == {payment: "start_capture"}
    assert "capture_payment" not in shop.watch.verbs()
    shop.wait_and_work(timedelta(seconds=15))
    view = shop.get(payment)
    assert (view.state, view.captured) == (PaymentState.SUCCEEDED, 700)


def test_an_event_that_was_delivered_does_not_come_again(shop: Shop) -> None:
    seen = _listen(shop, "*", write=lambda event: event.id)
    shop.create_payment()
    shop.work()
    again = shop.counts()
    shop.wait_and_work(timedelta(days=2))
    assert shop.counts() == again
    assert len(_notes(shop)) == len(seen) == 2


def test_blocking_handlers_work_under_asyncio_too(shop: Shop) -> None:
    if not shop.is_async:

        async def waits(event: EventView, session: Any) -> None: ...

        shop.service.on("payment.created")(waits)
        shop.create_payment()
        assert shop.work().done["deliver"] == {"failed": 1}
        return
    seen: list[str] = []

    def blocks(event: EventView, session: Any) -> None:
        session.execute(NOTE, {"note": event.type})
        seen.append(event.type)

    shop.service.on("payment.created")(blocks)
    shop.create_payment()
    shop.work()
    assert seen == _notes(shop) == ["payment.created"]


@pytest.mark.parametrize("event_type", ["", " ", "payment.succeeded "])
def test_a_handler_names_its_event(quick: Shop, event_type: str) -> None:
    with pytest.raises(UsageError):
        quick.service.on(event_type)(print)


class _Later:
    """A handler that is awaited, and does not look like it."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, event: EventView, session: Any) -> None:
        self.seen.append(event.type)


def test_a_handler_that_only_promises_to_run_has_not_run(shop: Shop) -> None:
    """What a decorator hides is no coroutine function, and returns a coroutine."""
    later = _Later()
    shop.service.on("payment.created")(lambda event, session: later(event, session))
    shop.create_payment()
    assert shop.work().done["deliver"] == {"failed": 1}
    assert later.seen == []
    assert shop.wait(shop.service.health()).pending["delivery"] == 2


def test_an_object_whose_call_is_awaited_is_a_handler_for_asyncio(shop: Shop) -> None:
    later = _Later()
    shop.service.on("payment.created")(later)
    shop.create_payment()
    done = shop.work().done["deliver"]
    assert done == ({"delivered": 2} if shop.is_async else {"failed": 1})
    assert later.seen == (["payment.created"] if shop.is_async else [])


def test_a_handler_whose_own_task_was_canceled_has_failed(shop: Shop) -> None:
    """It is no order to the worker to end."""
    if not shop.is_async:
        return

    async def waits(event: EventView, session: Any) -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    shop.service.on("payment.created")(waits)
    shop.create_payment()
    assert shop.work().done["deliver"] == {"failed": 1}


def test_a_rolled_back_payment_tells_nobody(shop: Shop) -> None:
    seen = _listen(shop, "*")
    command = CreatePayment(amount=1000, currency="eur")
    shop.begin(command, idempotency_key="k", commit=False, note="order")
    shop.work()
    assert seen == []
    shop.begin(command, idempotency_key="k", note="order")
    shop.work()
    assert [event.type for event in seen] == ["payment.created"]
