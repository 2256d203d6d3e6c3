"""Old bodies are erased, some at a time; the ids stay, and what is not done stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy.exc import IntegrityError

from paykit import AsyncWorker, NotAllowed, Worker
from paykit.workers import retention
from paykit.workers.inbox import RETRIES
from paykit.workers.retention import erase_old
from tests.failures.stories import body_of, push_raw
from tests.support import VISA, Shop

KEEP: Final = timedelta(days=90)
DAY: Final = timedelta(days=1)


def _bodies(shop: Shop) -> dict[str, bool]:
    rows = shop.query("SELECT event_id, body IS NOT NULL AS whole FROM paykit_inbox")
    return {row["event_id"]: bool(row["whole"]) for row in rows}


def _erase(shop: Shop) -> Any:
    claimed: Any = None  # the job works without its row
    return shop.run(erase_old(shop.service.engine.env, claimed))


def _applied(shop: Shop) -> str:
    payment = shop.create_payment().id
    shop.sim.call("confirm_payment", shop.reference(payment), payment_method=VISA)
    shop.settle()
    return payment


def test_a_body_is_erased_when_its_time_is_over_and_not_before(shop: Shop) -> None:
    payment = _applied(shop)
    before = shop.get(payment)
    shop.world.advance(KEEP - DAY)
    assert _erase(shop) is None
    assert all(_bodies(shop).values())
    shop.world.advance(2 * DAY)
    assert _erase(shop) is None
    assert not any(_bodies(shop).values())
    assert shop.get(payment) == before


def test_an_event_that_comes_again_after_that_is_a_repetition(shop: Shop) -> None:
    _applied(shop)
    shop.world.advance(KEEP + DAY)
    _erase(shop)
    assert {shop.push(event).reason for event in shop.sim.events()} == {
        "received before"
    }
    assert shop.work().done["inbox"] == {}


def test_what_is_dead_or_pending_is_never_erased(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "paykit")
    shop.create_payment()
    shop.deliver()
    with monkeypatch.context() as broken:
        broken.setattr(shop.psp, "read_event", _divide_by_zero)
        shop.work()
        for delay in RETRIES:
            shop.wait_and_work(delay)
    shop.sim.call("create_payment", amount=500, currency="eur")
    shop.deliver()
    shop.world.advance(KEEP + DAY)
    _erase(shop)
    assert list(_bodies(shop).values()) == [True, True]
    for status in ("dead", "received"):
        with pytest.raises(IntegrityError):
            shop.execute(
                "UPDATE paykit_inbox SET body = NULL WHERE status = :status",
                status=status,
            )


def _divide_by_zero(_: bytes) -> Any:
    raise ZeroDivisionError


def test_an_erased_event_says_so_and_cannot_be_replayed(shop: Shop) -> None:
    shop.create_payment()
    (event,) = shop.sim.events()
    odd = {"id": "evt_odd", "data": {"object": {"id": "x", "object": "hologram"}}}
    push_raw(shop, {**body_of(shop, event), **odd})
    shop.work()
    (inbox_id,) = [row["id"] for row in shop.query("SELECT id FROM paykit_inbox")]
    view = shop.wait(shop.service.operator.webhook(inbox_id))
    assert (view.status, view.erased) == ("ignored", False)
    shop.world.advance(KEEP + DAY)
    _erase(shop)
    view = shop.wait(shop.service.operator.webhook(inbox_id))
    assert (view.erased, view.preview) == (True, None)
    with pytest.raises(NotAllowed, match="erased"):
        shop.wait(shop.service.operator.replay(inbox_id, actor="ann"))
    with pytest.raises(IntegrityError):
        shop.execute("UPDATE paykit_inbox SET status = 'received'")


def test_much_is_erased_in_lots_and_goes_on_where_it_was_interrupted(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for _ in range(2):
        _applied(quick)
    total = len(_bodies(quick))
    assert total > 4
    quick.world.advance(KEEP + DAY)
    left = total
    while left > 0:
        assert sum(_bodies(quick).values()) == left
        again = _erase(quick)
        assert (again is not None) == (left >= 2)
        left -= 2
    assert not any(_bodies(quick).values())


def test_a_worker_does_it_by_itself(shop: Shop) -> None:
    _applied(shop)
    shop.world.advance(KEEP + DAY)
    service: Any = shop.service
    kind = AsyncWorker if shop.is_async else Worker
    shop.wait(kind(service, only=["periodic"]).run_once())
    assert not any(_bodies(shop).values())
