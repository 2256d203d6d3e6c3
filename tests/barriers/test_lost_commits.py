"""
A COMMIT that never arrives, and one whose reply never comes back (failures, number 32).

To the client both look the same. The driver runs the phase again, and the phase must
recognise its own commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from paykit import AsyncPaymentService, EventView, Worker
from paykit.operations import CREATE_PAYMENT
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.barriers.proxy import Lost, Proxy, proxied
from tests.databases import Database
from tests.sweep.child import INSTALLATION, PATIENCE, Ahead
from tests.sweep.paths import BOUNDARIES, Boundary
from tests.sweep.shop import DAY, Shop, bare, opened, reopened

pytestmark = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)

COMMITS = [one for one in BOUNDARIES if (one.kind, one.when) == ("commit", "before")]
LOST: list[Lost] = ["request", "reply"]


@pytest.fixture
def shop(installed: Database) -> Iterator[Shop]:
    world = Ahead()
    with (
        StripeServer(SimulatedProvider(world)) as server,
        opened(installed, server, world) as shop,
    ):
        yield shop


@pytest.fixture
def cut(installed: Database) -> Iterator[tuple[Proxy, Database]]:
    with proxied(installed) as cut:
        yield cut


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("boundary", COMMITS, ids=str)
def test_a_lost_commit_is_not_heard_of(
    boundary: Boundary, lost: Lost, shop: Shop, cut: tuple[Proxy, Database]
) -> None:
    proxy, database = cut
    path = boundary.path
    arguments = path.prepare(shop)
    number = 1 + path.effects[: boundary.number - 1].count("commit")
    with reopened(shop, database) as other:
        proxy.lose(number, lost)
        results = [other.call(path.method, arguments)]
        assert proxy.cut == 1
        proxy.lose(0, lost)
    results.append(shop.call(path.method, arguments))
    shop.settle()
    results.append(shop.call(path.method, arguments))
    assert len({bare(one) for one in results}) == 1
    assert shop.replays() == 0, "the PSP was asked twice"
    assert shop.moved() == path.moved
    assert shop.violations() == []


@pytest.mark.parametrize("lost", LOST)
def test_asyncio_does_not_hear_of_a_lost_commit_either(
    lost: Lost, shop: Shop, cut: tuple[Proxy, Database]
) -> None:
    proxy, database = cut
    (_, create, *_) = [one.path for one in COMMITS]
    arguments = {"idempotency_key": "swept"}
    service = AsyncPaymentService(
        database.async_engine(),
        psp=AsyncSimulatedPsp(shop.sim),
        policy=PATIENCE,
        installation=INSTALLATION,
    )
