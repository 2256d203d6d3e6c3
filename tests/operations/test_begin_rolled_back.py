"""A begun operation is part of the host's transaction, also if nothing stood in it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from paykit import AsyncPaymentService, CreatePayment, NotFound, PaymentService
from paykit.testing.simulated import (
    AsyncSimulatedPsp,
    SimulatedProvider,
    SimulatedPsp,
)
from tests.databases import Database

_COMMAND = CreatePayment(amount=1000, currency="eur", reference="order-1")


def test_a_rollback_takes_back_what_was_begun_first(installed: Database) -> None:
    engine, sim = installed.engine(), SimulatedProvider()
    service = PaymentService(engine, psp=SimulatedPsp(sim))
    with Session(engine) as session:
        # The host has written nothing yet: on SQLite its transaction is not open.
        begun = service.begin(_COMMAND, session=session, idempotency_key="key-1")
        session.rollback()
    with pytest.raises(NotFound):
        service.finish(begun)
    assert not service.list_payments().items
    assert not service.health().pending["operation"]


def test_a_rollback_takes_it_back_under_asyncio_too(installed: Database) -> None:
    async def story() -> None:
        engine = installed.async_engine()
        service = AsyncPaymentService(
            engine, psp=AsyncSimulatedPsp(SimulatedProvider())
        )
        async with AsyncSession(engine) as session:
            await service.begin(_COMMAND, session=session, idempotency_key="key-1")
            await session.rollback()
        assert not (await service.list_payments()).items

    asyncio.run(story())
