"""
paykit's fixtures for pytest, which finds this module by its entry point.

It stands beside the package and imports nothing of it before a fixture is used: pytest
loads the plugins of everything that is installed, and importing `paykit` would make
each run of somebody else's tests pay for SQLAlchemy.

A fixture of the same name in a host's own ``conftest.py`` takes the place of one here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from paykit.clock import World
    from paykit.testing.clock import FrozenClock
    from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
    from paykit.testing.stripe_server import StripeServer

__all__ = [
    "paykit_clock",
    "paykit_engine",
    "simulated_provider",
    "simulated_psp",
    "stripe_server",
]


@pytest.fixture
def paykit_clock() -> FrozenClock:
    """The time of this test, for the service and every provider below; it moves it."""
    from paykit.testing.clock import FrozenClock

    return FrozenClock()


@pytest.fixture
def simulated_provider(paykit_clock: FrozenClock) -> SimulatedProvider:
    """A payment provider in memory, without a history."""
    from paykit.testing.simulated import SimulatedProvider

    return SimulatedProvider(paykit_clock)


@pytest.fixture
def simulated_psp(simulated_provider: SimulatedProvider) -> SimulatedPsp:
    """The adapter in front of `simulated_provider`, for a `PaymentService`."""
    from paykit.testing.simulated import SimulatedPsp

    return SimulatedPsp(simulated_provider)


@pytest.fixture
def stripe_server(
    _paykit_stripe: tuple[StripeServer, _Borrowed], paykit_clock: FrozenClock
) -> StripeServer:
    """
    The local Stripe, without a history: ``.url`` for the SDK, ``.sim`` for the test.

    One server listens for the whole session; each test begins with an empty provider.
    """
    server, borrowed = _paykit_stripe
    borrowed.world = paykit_clock
    server.sim.reset()
    return server


@pytest.fixture
def paykit_engine(_paykit_tables: Path, tmp_path: Path) -> Iterator[Engine]:
    """A SQLite database in a file of its own, with paykit's tables."""
    from sqlalchemy import create_engine

    path = tmp_path / "paykit.db"
    shutil.copy(_paykit_tables, path)
    engine = create_engine(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def _paykit_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with empty tables, to make copies of: copying is quicker."""
    from sqlalchemy import create_engine

    from paykit.store import create_all

    path = tmp_path_factory.mktemp("paykit") / "empty.db"
    engine = create_engine(f"sqlite:///{path}")
    create_all(engine)
    engine.dispose()  # the last connection to close leaves everything in the one file
    return path


@pytest.fixture(scope="session")
def _paykit_stripe() -> Iterator[tuple[StripeServer, _Borrowed]]:
    """The server of the session, and the clock that it goes by."""
    from paykit.clock import SYSTEM
    from paykit.testing.simulated import SimulatedProvider
    from paykit.testing.stripe_server import StripeServer

    borrowed = _Borrowed(SYSTEM)
    with StripeServer(SimulatedProvider(borrowed)) as server:
        yield server, borrowed


class _Borrowed:
    """A `World` that is the one of whichever test runs now."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def simulated(self) -> bool:
        return self.world.simulated

    def now(self) -> datetime:
        return self.world.now()

    def new_uuid(self) -> UUID:
        return self.world.new_uuid()
