"""Failure 34, toward a message broker: what was not published is never deleted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from paykit import EventView
from paykit.queue import Message
from paykit.testing.broker import MemoryBroker, MemoryPublisher
from paykit.workers import run_duty
from paykit.workers.deliver import RETRIES
from tests.databases import Database
from tests.support import Shop, open_shop


class Interrupted:
    """A publisher during whose call something else happens, once."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.meanwhile: Any = None

    def publish(self, messages: Sequence[Message], /) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self.broker.take(messages)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")


def _written(shop: Shop) -> list[str]:
    rows = shop.query("SELECT id FROM paykit_event ORDER BY aggregateid, sequence")
    return [str(row["id"]).replace("-", "") for row in rows]


def test_34_an_event_that_comes_while_others_are_published_is_not_lost(
    installed: Database,
) -> None:
    broker = MemoryBroker()
    publisher = Interrupted(broker)
    shop = open_shop(installed, "threads", publisher=publisher)
    service: Any = shop.service
    shop.paid()
    run_duty(service, "deliver")

    def another() -> None:
        shop.paid()
        run_duty(service, "deliver")

    publisher.meanwhile = another
    run_duty(service, "relay")
    run_duty(service, "relay")
    published = {message.id.replace("-", "") for message in broker.messages}
    assert published == set(_written(shop))
    assert len(broker.messages) == len(published)


def test_34_an_event_that_nobody_can_deliver_is_kept_and_overtaken_by_none(
    installed: Database,
) -> None:
    """It is parked: the later events of its payment wait, until a person decides."""
    broker = MemoryBroker()
    shop = open_shop(installed, "threads", publisher=MemoryPublisher(broker))
    seen: list[int] = []

    @shop.service.on("*")
    def fail(event: EventView, session: Any) -> None:
        seen.append(event.sequence)
        if event.sequence == 2:
            raise ValueError

    shop.paid()
    for pause in (timedelta(0), *RETRIES, timedelta(days=365)):
        shop.wait_and_work(pause)
    assert set(seen) == {1, 2}
    assert len(broker.messages) == 1
    (parked,) = shop.wait(shop.service.operator.parked()).items
    assert parked.event.sequence == 2
    assert shop.scalar("SELECT count(*) FROM paykit_work WHERE queue = 'delivery'") == 3
