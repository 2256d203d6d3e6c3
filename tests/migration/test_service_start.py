"""A service compares versions once, before its first transaction; it changes none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from paykit import (
    AsyncPaymentService,
    AsyncWorker,
    CreatePayment,
    Money,
    PaymentService,
    SchemaOutOfDate,
    WebhookReceiver,
    Worker,
)
from paykit.clock import SYSTEM
from paykit.store.migrations import migrate
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider, SimulatedPsp
from tests.databases import Database

COMMAND: Final = CreatePayment(amount=1000, currency="eur")


def _service(engine: Engine) -> PaymentService:
    return PaymentService(engine, psp=SimulatedPsp(SimulatedProvider(SYSTEM)))


def _create(service: PaymentService) -> object:
    return service.create_payment(amount=Money(1000, "eur"), idempotency_key="k")


def _begin(service: PaymentService) -> object:
    with Session(service.driver.database) as session:
        return service.begin(COMMAND, session=session, idempotency_key="k")


USES: Final[dict[str, Callable[[PaymentService], object]]] = {
    "write": _create,
    "read": lambda service: service.get_payment("pay_1"),
    "health": lambda service: service.health(),
    "worker": lambda service: Worker(service).run_once(),
    "begin": _begin,
}


@pytest.mark.parametrize("use", USES)
def test_a_service_without_tables_names_the_command_to_run(
    database: Database, use: str
) -> None:
    service = _service(database.engine())
    with pytest.raises(SchemaOutOfDate, match="run `paykit migrate`"):
        USES[use](service)


def test_an_asyncio_service_without_tables_names_the_command_to_run(
    database: Database,
) -> None:
    engine = database.async_engine()
    psp = AsyncSimulatedPsp(SimulatedProvider(SYSTEM))
    service = AsyncPaymentService(engine, psp=psp)

    async def begin() -> None:
        async with AsyncSession(engine) as session:
            await service.begin(COMMAND, session=session, idempotency_key="k")

    for use in (service.health, AsyncWorker(service).run_once, begin):
        with pytest.raises(SchemaOutOfDate, match="run `paykit migrate`"):
            asyncio.run(use())


def test_a_webhook_that_finds_no_tables_is_sent_again(database: Database) -> None:
    service = _service(database.engine())
    psp = service.engine.env.psps.for_merchant("default")
    assert isinstance(psp, SimulatedPsp)
    body = b'{"id": "evt_1", "type": "payment_intent.succeeded", "object": "event"}'
    headers = psp.sign(body, SYSTEM.now())
    assert WebhookReceiver(service).receive(body, headers).status == 503


def test_tables_of_another_version_are_not_touched(installed: Database) -> None:
    engine = installed.engine()
    with engine.begin() as connection:
        connection.execute(text("UPDATE paykit_schema_version SET version = 0"))
    with pytest.raises(SchemaOutOfDate, match="version 0"):
        _create(_service(engine))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM paykit_operation")) == 0


def test_a_service_goes_on_when_the_migration_has_run(database: Database) -> None:
    engine = database.engine()
    service = _service(engine)
    with pytest.raises(SchemaOutOfDate):
        _create(service)
    migrate(engine)
    assert _create(service)


def test_the_version_is_asked_for_once(installed: Database) -> None:
    engine = installed.engine()
    service = _service(engine)
    asked: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    for _ in range(3):
        _create(service)
        Worker(service).run_once()
    about_version = [text for text in asked if "schema_version.version" in text]
    assert len(about_version) == 1
    assert asked.index(about_version[0]) == min(
        number for number, text in enumerate(asked) if "paykit_" in text
    )
