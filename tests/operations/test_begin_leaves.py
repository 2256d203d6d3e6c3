"""What a begun operation leaves behind in the host's transaction."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from paykit import (
    AsyncPaymentService,
    Begun,
    CreatePayment,
    NotFound,
    OutcomeUnknown,
    PaymentService,
    PaymentState,
    PaymentView,
    PspUnavailable,
)
from paykit.testing.simulated import (
    AsyncSimulatedPsp,
    Fault,
    SimulatedProvider,
    SimulatedPsp,
)
from tests.databases import Database
from tests.support import PATIENCE

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


def _begin(service: PaymentService, installed: Database) -> Begun:
    with Session(installed.engine()) as session, session.begin():
        return service.begin(_COMMAND, session=session, idempotency_key="key-1")


def test_what_was_begun_and_never_sent_is_not_in_doubt(installed: Database) -> None:
    sim = SimulatedProvider()
    service = PaymentService(installed.engine(), psp=SimulatedPsp(sim), policy=PATIENCE)
    begun = _begin(service, installed)
    for _ in range(PATIENCE.sends):
        sim.faults.add(Fault.LOSE_REQUEST_UNSENT)
    with pytest.raises(PspUnavailable):
        service.finish(begun)
    # The host repeats its request: the same operation, and still no doubt.
    assert _begin(service, installed) == begun
    view = service.finish(begun)
    assert isinstance(view, PaymentView)
    assert view.state is PaymentState.REQUIRES_PAYMENT_METHOD


def test_beginning_again_does_not_take_a_doubt_away(installed: Database) -> None:
    sim = SimulatedProvider()
    service = PaymentService(installed.engine(), psp=SimulatedPsp(sim), policy=PATIENCE)
    begun = _begin(service, installed)
    sim.faults.add(Fault.LOSE_REQUEST)
    for _ in range(PATIENCE.sends):
        sim.faults.add(Fault.LOSE_REQUEST_UNSENT)
    with pytest.raises(OutcomeUnknown):
        service.finish(begun)
    assert _begin(service, installed) == begun
    for _ in range(PATIENCE.sends + 1):
        sim.faults.add(Fault.LOSE_REQUEST_UNSENT)
    with pytest.raises(OutcomeUnknown):
        service.finish(begun)
