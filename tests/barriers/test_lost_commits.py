"""
A COMMIT that never arrives, one whose reply never comes back, and one that arrives when
its client has already tried again (failures, number 32).

To the client all look the same. The driver runs the phase again, and the phase must
recognise its own commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from paykit import AsyncPaymentService, EventView, Money, PaymentView
from paykit.testing.proxy import Lost, Proxy
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from tests.barriers.proxy import proxied
from tests.databases import Database
from tests.sweep.child import PATIENCE, Ahead
from tests.sweep.paths import BOUNDARIES, Boundary
from tests.sweep.shop import Shop, opened, reopened
from tests.sweep.verdict import DAY, bare

pytestmark = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)

COMMITS = [one for one in BOUNDARIES if (one.kind, one.when) == ("commit", "before")]
LOST: list[Lost] = ["request", "reply", "late"]

COMMITS_MAX = 60
"""More than a worker makes for one payment."""


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
    with (
        proxied(installed) as (proxy, database),
        installed.engine().connect() as connection,
    ):
        # What a transaction has seen of the others' activity, it sees to its end.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        proxy.is_awaited = lambda: bool(connection.scalar(_WAITING))
        yield proxy, database


_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


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
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_asyncio_does_not_hear_of_a_lost_commit_either(
    number: int, lost: Lost, cut: tuple[Proxy, Database]
) -> None:
    proxy, database = cut
    sim = SimulatedProvider()
    service = AsyncPaymentService(
        database.async_engine(), psp=AsyncSimulatedPsp(sim), policy=PATIENCE
    )

    async def pay() -> PaymentView:
        created = await service.create_payment(
            amount=Money(1000, "eur"),
            idempotency_key="create",
            payment_method="pm_card_visa",
        )
        return await service.confirm_payment(created.id, idempotency_key="confirm")

    proxy.lose(number, lost)
    first = asyncio.run(pay())
    assert proxy.cut == 1
    assert bare(first) == bare(asyncio.run(pay()))
    assert list(sim.effects().attempts.values()) == [1]


def _note(event: EventView, session: Session) -> None:
    session.execute(
        text("INSERT INTO heard (payment, sequence) VALUES (:payment, :sequence)"),
        {"payment": event.payment_id, "sequence": event.sequence},
    )


def _busy(shop: Shop, number: int) -> str:
    """Leave webhooks, a fee and events to a worker; return the id of the payment."""
    payment = shop.service.create_payment(
        amount=Money(1000, "eur"),
        idempotency_key=f"create-{number}",
        payment_method="pm_card_visa",
    )
    shop.service.confirm_payment(payment.id, idempotency_key=f"confirm-{number}")
    shop.deliver()
    shop.pass_time(DAY)
    return payment.id


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_worker_loses_no_work_with_any_commit(
    lost: Lost, shop: Shop, cut: tuple[Proxy, Database]
) -> None:
    proxy, database = cut
    shop.execute("CREATE TABLE heard (payment TEXT, sequence INTEGER)")
    seen: list[str] = []
    with reopened(shop, database) as other:
        other.service.on("*")(_note)
        for number in range(1, COMMITS_MAX):
            seen.append(_busy(shop, number))
            proxy.lose(number, lost)
            other.work_once()
            if not proxy.cut:
                break
            proxy.lose(0, lost)
            other.settle()
    assert 10 < len(seen) < COMMITS_MAX - 1
    for payment in seen:
        heard = shop.rows(
            "SELECT sequence FROM heard WHERE payment = :id ORDER BY 1", id=payment
        )
        written = len(shop.service.payment_events(payment))
        assert [row["sequence"] for row in heard] == list(range(1, written + 1))
    assert shop.violations() == []
