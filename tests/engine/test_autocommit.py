"""An engine that commits every statement cannot keep a phase atomic."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from paykit import Money, PaymentService, UsageError
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from tests.databases import Database


@pytest.mark.parametrize("where", ["engine", "option"])
def test_an_engine_in_autocommit_is_refused(installed: Database, where: str) -> None:
    if installed.kind == "sqlite":
        pytest.skip("every phase begins with BEGIN IMMEDIATE there")
    engine = create_engine(installed.url)
    if where == "engine":
        engine = create_engine(installed.url, isolation_level="AUTOCOMMIT")
    else:
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    service = PaymentService(engine, psp=SimulatedPsp(SimulatedProvider()))
    with pytest.raises(UsageError, match="AUTOCOMMIT"):
        service.create_payment(amount=Money(1000, "eur"), idempotency_key="k")
    engine.dispose()
