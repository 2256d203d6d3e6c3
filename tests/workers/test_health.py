"""Health: what is pending and for how long, and who is needed; cheap to ask."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import timedelta
from typing import Any, get_args

import pytest

from paykit.errors import OutcomeUnknown
from paykit.operations import EventView
from paykit.operations.health import Health
from paykit.store import backlog
from paykit.store.backlog import Backlog
from paykit.store.tx import Tx
from paykit.store.work import Queue
from paykit.testing.simulated import Fault
from tests.engine.test_counts import counting
from tests.support import Shop

STATEMENTS = 11
"""How many it takes, whatever there is."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")


def _health(shop: Shop) -> Health:
    return shop.wait(shop.service.health())


def test_a_new_installation_needs_nobody(shop: Shop) -> None:
    health = _health(shop)
    assert set(health.queues) == set(get_args(Queue))
    assert not any(health.pending.values())
    assert not health.needs_a_person
    assert (health.in_doubt, health.open_circuits) == (0, ())
    assert health.schema_version > 0


def test_lag_is_how_long_the_first_has_been_due(shop: Shop) -> None:
    shop.create_payment()
    shop.world.advance(timedelta(seconds=50))
    shop.create_payment()
    shop.world.advance(timedelta(seconds=20))
    delivery = _health(shop).queues["delivery"]
    assert (delivery.pending, delivery.due, delivery.held) == (4, 4, 0)
    assert delivery.oldest_due_seconds == 70
    shop.work()
    delivery = _health(shop).queues["delivery"]
    assert (delivery.pending, delivery.oldest_due_seconds) == (0, None)


def test_what_is_not_due_yet_is_pending_but_not_late(shop: Shop) -> None:
    def fail(event: EventView, session: Any) -> None:
        raise ValueError

    shop.service.on("payment.created")(fail)
    shop.create_payment()
    shop.work()
    delivery = _health(shop).queues["delivery"]
    # The second event is due, but waits for the first one.
    assert (delivery.pending, delivery.due) == (2, 1)


def test_what_is_put_off_is_not_late_and_has_an_age_all_the_same(shop: Shop) -> None:
    """Else nobody would see that the host hears of nothing, for days."""

    def fail(event: EventView, session: Any) -> None:
        raise ValueError

    shop.service.on("payment.requires_payment_method")(fail)
    shop.create_payment()
    for _ in range(5):
        shop.work()
        shop.world.advance(timedelta(minutes=1))
    shop.work()
    delivery = _health(shop).queues["delivery"]
    assert (delivery.pending, delivery.due, delivery.parked) == (1, 0, 0)
    assert delivery.oldest_due_seconds is None
    assert delivery.oldest_seconds == 300
    assert _health(shop).queues["inbox"].oldest_seconds is None


def test_what_a_worker_is_busy_with_is_held(quick: Shop) -> None:
    found: list[Backlog] = []

    def look(event: EventView, session: Any) -> None:
        # In the same transaction: on SQLite another one would have to wait.
        tx = Tx(session.connection(), quick.world)
        found.append(backlog.queues(tx)["delivery"])

    quick.service.on("payment.created")(look)
    quick.create_payment()
    quick.work()
    assert [(one.held, one.due, one.pending) for one in found] == [(1, 1, 2)]


def test_operations_in_doubt_are_counted_with_their_age(shop: Shop) -> None:
    payment = shop.create_payment()
    shop.sim.faults.add(Fault.LOSE_ANSWER, times=None)
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment.id)
    shop.sim.faults.clear()
    shop.world.advance(timedelta(seconds=10))
    health = _health(shop)
    assert (health.in_doubt, health.oldest_in_doubt_seconds) == (1, 10)
    shop.wait_and_work(timedelta(minutes=5))
    assert _health(shop).in_doubt == 0


def test_a_webhook_that_waits_has_an_age(shop: Shop) -> None:
    shop.paid()
    shop.deliver()
    shop.world.advance(timedelta(seconds=30))
    health = _health(shop)
    assert health.inbox.pending == health.queues["inbox"].pending > 0
    assert health.inbox.oldest_seconds == 30


def test_health_is_plain_data(shop: Shop) -> None:
    shop.paid()
    shop.deliver()
    found = dataclasses.asdict(_health(shop))
    assert json.loads(json.dumps(found))["queues"]["delivery"]["pending"] == 4


def test_health_takes_as_many_statements_whatever_is_pending(shop: Shop) -> None:
    seen = set()
    _health(shop)  # The first use of a service also looks at the schema's version.
    for _ in range(3):
        with counting(shop) as counter:
            _health(shop)
        seen.add(len(counter.statements))
        for _ in range(4):
            shop.paid()
            shop.deliver()
    assert seen == {STATEMENTS}, counter.statements
