"""An engine that commits every statement cannot keep a phase atomic."""

from __future__ import annotations

import pytest
from sqlalchemy import NullPool, create_engine

from paykit import Money, PaymentService, UsageError, create_all
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from tests.databases import PostgresServer


@pytest.mark.parametrize("where", ["engine", "option"])
def test_an_engine_in_autocommit_is_refused(
    postgres: PostgresServer, where: str
) -> None:
    database = postgres.create()
    create_all(create_engine(database.url, poolclass=NullPool))
    if where == "engine":
        engine = create_engine(database.url, isolation_level="AUTOCOMMIT")
    else:
        plain = create_engine(database.url)
        engine = plain.execution_options(isolation_level="AUTOCOMMIT")
    service = PaymentService(engine, psp=SimulatedPsp(SimulatedProvider()))
    try:
        with pytest.raises(UsageError, match="AUTOCOMMIT"):
            service.create_payment(amount=Money(1000, "eur"), idempotency_key="k")
    finally:
        engine.dispose()
