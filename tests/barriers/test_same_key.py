"""Many callers with one idempotency key, all from the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from tenacity import wait_none

from paykit import (
    AsyncPaymentService,
    InProgress,
    Money,
    PaykitError,
    PaymentService,
    PaymentView,
    Policy,
    RefundView,
)
from paykit.testing.simulated import AsyncSimulatedPsp, SimulatedProvider
from tests.barriers.crowd import Crowd, crowd
from tests.databases import Database
from tests.sweep.verdict import Told, bare


def create(crowd: Crowd, order: str, _: int, service: PaymentService) -> Told:
    key = f"{order}-create"
    call = partial(
        service.create_payment,
        amount=Money(100, "usd"),
        idempotency_key=key,
        reference=order,
        payment_method="pm_card_visa",
    )
    return crowd.tell("payment.create", key, call)


def confirm(crowd: Crowd, payment: str, _: int, service: PaymentService) -> Told:
    key = f"{payment}-confirm"
    call = partial(service.confirm_payment, payment, idempotency_key=key)
    return crowd.tell("payment.confirm", key, call)


def refund(crowd: Crowd, payment: str, _: int, service: PaymentService) -> Told:
    key = f"{payment}-refund"
    call = partial(
        service.refund_payment,
        payment,
        amount=Money(60, "usd"),
        idempotency_key=key,
    )
    return crowd.tell("payment.refund", key, call)


def the_one(told: Sequence[Told]) -> PaymentView | RefundView:
    """Return the one result; the others heard it too, or that somebody works on it."""
    results = [one for one in told if not isinstance(one, PaykitError)]
    assert len({bare(result) for result in results}) == 1, told
    others = [one for one in told if isinstance(one, PaykitError)]
    assert all(isinstance(one, InProgress) for one in others), others
    return results[0]


def test_sixteen_callers_with_one_key_act_once(installed: Database) -> None:
    rounds = 20 if installed.kind == "postgresql" else 4
    with crowd(installed, 16) as callers:
        for number in range(rounds):
            told = callers.at_once(partial(create, callers, f"order-{number}"))
            payment = the_one(told).id
            the_one(callers.at_once(partial(confirm, callers, payment)))
            the_one(callers.at_once(partial(refund, callers, payment)))
            for call in (confirm, refund):
                bare(call(callers, payment, 0, callers.service))
        effects = callers.sim.effects()
        assert list(effects.attempts.values()) == [1] * rounds
        assert list(effects.refunds.values()) == [1] * rounds
        callers.settle()
        assert callers.violations() == []


def test_eight_asyncio_callers_with_one_key_act_once(
    installed: Database, rounds: int
) -> None:
    sim = SimulatedProvider()
    engine = installed.async_engine()
    service = AsyncPaymentService(
        engine, psp=AsyncSimulatedPsp(sim), policy=Policy(backoff=wait_none)
    )

    async def all_rounds() -> None:
        for number in range(rounds):
            created = the_one(await _at_once(service, f"order-{number}", None))
            confirmed = the_one(await _at_once(service, created.id, created.id))
            assert isinstance(confirmed, PaymentView)
            assert confirmed.paid

    asyncio.run(all_rounds())
    assert list(sim.effects().attempts.values()) == [1] * rounds


async def _at_once(
    service: AsyncPaymentService, key: str, payment: str | None
) -> list[Told]:
    """Create or confirm, eight times under one key."""
    return await asyncio.gather(*(_tell(service, key, payment) for _ in range(8)))


async def _tell(service: AsyncPaymentService, key: str, payment: str | None) -> Told:
    try:
        if payment is not None:
            return await service.confirm_payment(payment, idempotency_key=key)
        return await service.create_payment(
            amount=Money(100, "usd"),
            idempotency_key=key,
            payment_method="pm_card_visa",
        )
    except PaykitError as error:
        return error
