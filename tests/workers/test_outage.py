"""A database that is down ends no worker."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from sqlalchemy import StaticPool, create_engine
from sqlalchemy.exc import OperationalError

from paykit import AsyncWorker, Money, PaymentService, Worker, create_all
from paykit.engine import Flow
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp


class Failing:
    """A service whose database is down for the first rounds."""

    def __init__(self, service: PaymentService, stop: Any, rounds: int = 3) -> None:
        self._service = service
        self._stop = stop
        self.left = rounds
        self.engine = service.engine
        self.handlers = service.handlers

    def attempt(self, flow: Flow[tuple[str, ...]]) -> tuple[str, ...]:
        if self.left:
            self.left -= 1
            flow.close()
            raise OperationalError("SELECT", {}, Exception("the database is down"))
        end = self._service.run(flow)
        if self._service.health().pending["delivery"] == 0:
            self._stop.set()
        return end


class Blocking(Failing):
    def run(self, flow: Flow[tuple[str, ...]], /) -> tuple[str, ...]:
        return self.attempt(flow)


class Asynchronous(Failing):
    async def run(self, flow: Flow[tuple[str, ...]], /) -> tuple[str, ...]:
        return self.attempt(flow)


@pytest.fixture
def service() -> PaymentService:
    engine = create_engine(
        "sqlite://",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
    )
    create_all(engine)
    service = PaymentService(engine, psp=SimulatedPsp(SimulatedProvider()))
    service.create_payment(amount=Money(1000, "eur"), idempotency_key="k")
    return service


def test_a_worker_survives_an_outage_of_the_database(
    service: PaymentService, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    failing = Blocking(service, stop)
    with caplog.at_level(logging.ERROR, logger="paykit.workers"):
        Worker(failing).run(stop, idle_seconds=0.001)
    assert failing.left == 0
    assert service.health().pending["delivery"] == 0
    assert "OperationalError" in caplog.text


def test_an_asyncio_worker_survives_an_outage_of_the_database(
    service: PaymentService,
) -> None:
    async def story() -> None:
        stop = asyncio.Event()
        await AsyncWorker(Asynchronous(service, stop)).run(stop, idle_seconds=0.001)

    asyncio.run(story())
    assert service.health().pending["delivery"] == 0
