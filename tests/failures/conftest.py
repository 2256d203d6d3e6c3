"""The shops that these tests share: one driver, since the faults are no driver's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.databases import Database
from tests.support import Shop, open_shop, quick
from tests.sweep.child import Ahead
from tests.sweep.shop import Shop as WireShop
from tests.sweep.shop import opened

__all__ = ["quick", "shop", "wire"]


@pytest.fixture
def shop(installed: Database) -> Shop:
    """A shop with the blocking service, on a database of each kind."""
    return open_shop(installed, "threads")


@pytest.fixture
def wire(installed: Database) -> Iterator[WireShop]:
    """A shop with the real adapter, and a local Stripe at the other end of the wire."""
    world = Ahead()
    with (
        StripeServer(SimulatedProvider(world)) as server,
        opened(installed, server, world) as shop,
    ):
        yield shop
