"""Several processes share what the PSP allows, and count each other for that."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from paykit import Money, PaymentService
from paykit.clock import SYSTEM
from paykit.engine.processes import EVERY, LIVES, Registration
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.simulated.limits import Limits
from tests.databases import Database
from tests.engine.test_counts import counting
from tests.support import Shop, open_shop

EUR = Money(1000, "eur")
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Ahead:
    """A machine whose clock is fast."""

    simulated = False

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return SYSTEM.now() + self._by

    def new_uuid(self) -> UUID:
        return SYSTEM.new_uuid()


@pytest.fixture
def limited(shop: Shop) -> Shop:
    """A shop whose provider says how many requests it allows."""
    shop.sim.limits = Limits(1000, 1000)
    return shop


def _living(shop: Shop) -> int:
    return shop.service.engine.env.gate.registration.living


def _rows(shop: Shop) -> int:
    return int(shop.scalar("SELECT count(*) FROM paykit_process"))


def _beside(shop: Shop) -> Shop:
    """Open another process's shop on the same database and provider."""
    driver = "asyncio" if shop.is_async else "threads"
    return open_shop(
        shop.database, driver, world=shop.world, sim=shop.sim, runner=shop.runner
    )


def test_processes_that_ask_count_each_other(limited: Shop) -> None:
    limited.create_payment()
    other = _beside(limited)
    other.create_payment(idempotency_key="other")
    assert (_living(limited), _living(other)) == (1, 2)
    limited.world.advance(EVERY)
    limited.create_payment()
    assert _living(limited) == 2


def test_a_process_that_is_gone_is_not_counted_and_leaves_no_row(limited: Shop) -> None:
    _beside(limited).create_payment(idempotency_key="other")
    limited.create_payment()
    assert (_living(limited), _rows(limited)) == (2, 2)
    limited.world.advance(LIVES)
    limited.create_payment()
    assert (_living(limited), _rows(limited)) == (1, 1)


def test_counting_costs_one_commit_now_and_then(limited: Shop) -> None:
    limited.create_payment()
    with counting(limited) as counter:
        limited.create_payment()
    assert counter.commits == 2
    limited.world.advance(EVERY)
    with counting(limited) as counter:
        limited.create_payment()
        limited.create_payment()
    assert counter.commits == 2 + 2 + 1


def test_nobody_is_counted_where_nothing_is_limited(shop: Shop) -> None:
    shop.create_payment()
    assert _rows(shop) == 0


def test_a_table_that_cannot_be_written_fails_no_payment(limited: Shop) -> None:
    _beside(limited).create_payment(idempotency_key="other")
    limited.create_payment()
    limited.execute("DROP TABLE paykit_process")
    limited.world.advance(EVERY)
    assert limited.create_payment().psp_reference
    assert _living(limited) == 2


def test_a_fork_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    registration = Registration()
    assert registration.due(NOW)
    assert not registration.due(NOW)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert registration.due(NOW)


def test_a_clock_that_is_put_back_does_not_end_the_counting() -> None:
    registration = Registration()
    assert registration.due(NOW)
    assert registration.due(NOW - timedelta(hours=1))
    assert not registration.due(NOW - timedelta(hours=1))


def test_who_lives_is_told_by_the_databases_clock(installed: Database) -> None:
    """The clocks of two machines differ."""
    sim, services = SimulatedProvider(), list[PaymentService]()
    sim.limits = Limits(1000, 1000)
    for minutes in (0, 60):
        world = Ahead(timedelta(minutes=minutes))
        psp = SimulatedPsp(sim)
        services.append(PaymentService(installed.engine(), psp=psp, world=world))
        services[-1].create_payment(amount=EUR, idempotency_key=f"after-{minutes}")
    assert services[-1].engine.env.gate.registration.living == 2
