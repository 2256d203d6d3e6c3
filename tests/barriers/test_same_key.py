"""Many callers with one idempotency key, all from the same moment."""

from __future__ import annotations

import asyncio
from typing import cast

from tenacity import wait_none

from paykit import (
    AsyncPaymentService,
    InProgress,
    Money,
    PaykitError,
    PaymentService,
    PaymentView,
    Policy,
)
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider
from tests.barriers.crowd import Crowd, bare, crowd
from tests.databases import Database

def pay(
    crowd: Crowd, name: str, number: int, service: PaymentService
) -> list[object]:
    """Create and confirm under the keys that all callers share."""
    created = crowd.tell(
        "payment.create",
        f"{name}-create",
        lambda: service.create_payment(
            amount=Money(100, "usd"),
            idempotency_key=f"{name}-create",
            reference=name,
            payment_method="pm_card_visa",
        ),
        number,
    )
    if isinstance(created, PaykitError):
        return [created]
    confirmed = crowd.tell(
        "payment.confirm",
        f"{name}-confirm",
        lambda: service.confirm_payment(
            created.id, idempotency_key=f"{name}-confirm"
        ),
        number,
    )
    return [created, confirmed]


def check_told(told: list[list[object]]) -> None:
    """Each caller heard the one result, or that somebody works on it."""
    for calls in ([one[0] for one in told], [one[1] for one in told if one[1:]]):
        errors = [one for one in calls if isinstance(one, PaykitError)]
        assert all(isinstance(error, InProgress) for error in errors), errors
        results = [one for one in calls if not isinstance(one, PaykitError)]
        assert len({bare(result) for result in results}) == 1


def test_sixteen_callers_with_one_key_charge_once(
    installed: Database, rounds: int
) -> None:
    with crowd(installed, 16) as callers:
        for number in range(rounds):
            name = f"order-{number}"
            told = callers.at_once(
                lambda caller, service, name=name: pay(callers, name, caller, service)
            )
            check_told(told)
        effects = callers.sim.effects()
        assert sorted(effects.charges.values()) == [1] * rounds
        callers.settle()
        again = [pay(callers, f"order-{number}", 0, callers.service)
                 for number in range(rounds)]
        assert all(not isinstance(one, PaykitError) for told in again for one in told)
        assert callers.violations() == []


async def pay_async(service: AsyncPaymentService, name: str) -> list[object]:
    told: list[object] = []
    try:
        created = await service.create_payment(
            amount=Money(100, "usd"),
            idempotency_key=f"{name}-create",
            payment_method="pm_card_visa",
        )
        told.append(created)
        told.append(
            await service.confirm_payment(
                created.id, idempotency_key=f"{name}-confirm"
            )
        )
    except PaykitError as error:
        told.append(error)
    return told


def test_eight_asyncio_callers_with_one_key_charge_once(
    installed: Database, rounds: int
) -> None:
    sim = SimulatedProvider()
    engine = installed.async_engine()
    service = AsyncPaymentService(
        engine, psp=AsyncSimulatedPsp(sim), policy=Policy(backoff=wait_none)
    )

    async def one_round(name: str) -> list[list[object]]:
        return await asyncio.gather(*(pay_async(service, name) for _ in range(8)))

    async def all_rounds() -> None:
        for number in range(rounds):
            check_told(await one_round(f"order-{number}"))
            (last,) = (await pay_async(service, f"order-{number}"))[1:]
            assert cast("PaymentView", last).paid

    asyncio.run(all_rounds())
    assert sorted(sim.effects().charges.values()) == [1] * rounds
