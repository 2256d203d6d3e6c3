"""A helper that makes processes to be killed, a Stripe, and a shop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paykit.testing.simulated import SimulatedProvider
from tests.databases import Database
from tests.sweep.child import Ahead
from tests.sweep.late import LateServer
from tests.sweep.processes import Processes
from tests.sweep.shop import Shop, opened


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    with Processes() as processes:
        yield processes


@pytest.fixture
def shop(installed: Database) -> Iterator[Shop]:
    world = Ahead()
    with (
        LateServer(SimulatedProvider(world)) as server,
        opened(installed, server, world) as shop,
    ):
        yield shop
