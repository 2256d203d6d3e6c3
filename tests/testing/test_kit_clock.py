"""The clock of a test: it stands, it is moved, and everything goes by it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from paykit import (
    OutcomeUnknown,
    PaymentService,
    Policy,
    WebhookReceiver,
    Worker,
    create_all,
)
from paykit.clock import World
from paykit.testing.clock import START, FrozenClock
from paykit.testing.factories import event, payment_intent
from paykit.testing.payments import authorized_payment
from paykit.testing.simulated import ApiRequest, Fault, SimulatedProvider, SimulatedPsp
from paykit.testing.webhooks import signed_webhook


def test_it_stands_still_until_it_is_moved() -> None:
    clock: World = FrozenClock()
    assert clock.now() == clock.now() == START


@pytest.mark.parametrize("by", [90, 90.0, timedelta(seconds=90)])
def test_it_moves_by_seconds_or_by_a_timedelta(by: float | timedelta) -> None:
    clock = FrozenClock()
    assert clock.advance(by) == clock.now() == START + timedelta(seconds=90)


@pytest.mark.parametrize("by", [-1, timedelta(microseconds=-1)])
def test_it_does_not_run_backwards(by: float | timedelta) -> None:
    clock = FrozenClock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(by)
    assert clock.now() == START


def test_it_tells_utc_and_needs_a_zone() -> None:
    local = datetime.fromisoformat("2031-05-01T12:00:00+02:00")
    assert FrozenClock(local).now() == local
    assert FrozenClock(local).now().tzinfo is UTC
    with pytest.raises(ValueError, match="time zone"):
        FrozenClock(datetime(2031, 5, 1))


def test_its_identifiers_are_unique_ordered_and_the_same_in_each_run() -> None:
    def run() -> list[str]:
        clock = FrozenClock()
        made = []
        for _ in range(3):
            made += [str(clock.new_uuid()), str(clock.new_uuid())]
            clock.advance(1)
        return made

    assert run() == run() == sorted(set(run()))
    assert FrozenClock().new_uuid().version == 7


def test_threads_get_different_identifiers() -> None:
    clock = FrozenClock()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: clock.new_uuid(), range(400)))
    assert len(set(made)) == 400


def test_a_day_passes_for_service_worker_provider_and_webhooks(tmp_path: Path) -> None:
    clock = FrozenClock()
    provider = SimulatedProvider(clock)
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    create_all(engine)
    psp = SimulatedPsp(provider)
    service = PaymentService(engine, psp=psp, policy=Policy(sends=1), world=clock)
    worker = Worker(service)
    held = authorized_payment(service)
    webhook = signed_webhook(
        event("payment_intent.created", payment_intent()),
        secret=provider.webhook_secret,
        clock=clock,
    )
    first = _create(provider)
    provider.faults.add(Fault.LOSE_ANSWER, verb="capture_payment")
    provider.faults.add(Fault.LOSE_REQUEST, verb="read_payment", times=None)
    with pytest.raises(OutcomeUnknown):
        service.capture_payment(held.id, idempotency_key="capture")
    provider.faults.clear()
    worker.run_once()
    assert service.get_payment(held.id).state == "authorized"  # it is not due yet
    assert _create(provider) == first

    clock.advance(timedelta(hours=25))

    worker.run_once()
    assert service.get_payment(held.id).state == "succeeded"
    assert _create(provider) != first  # the provider has forgotten the key
    receiver = WebhookReceiver(service)
    assert receiver.receive(*webhook).status == 400  # signed a day ago
    engine.dispose()


def _create(provider: SimulatedProvider) -> object:
    """Open a payment under one key, and return its id."""
    request = ApiRequest(
        verb="create_payment", params={"amount": 500, "currency": "eur"}, key="k"
    )
    return provider.handle(request).body["id"]
