"""What the drivers promise: no connection while asking, and nothing left half-way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from typing_extensions import override

from paykit import (
    AsyncPaymentService,
    AsyncWorker,
    Money,
    OutcomeUnknown,
    PaymentService,
    TransactionOpen,
    UsageError,
    Worker,
)
from paykit.clock import SYSTEM
from paykit.engine import commit
from paykit.psp import Answer, Call
from paykit.store import work
from paykit.testing.simulated import (
    AsyncSimulatedPsp,
    Fault,
    SimulatedProvider,
    SimulatedPsp,
)
from tests.databases import Database
from tests.support import PATIENCE, Shop, open_shop

EUR = Money(1000, "eur")


@pytest.fixture
def async_shop(installed: Database) -> Iterator[Shop]:
    shop = open_shop(installed, "asyncio")
    assert shop.runner is not None
    with shop.runner:
        yield shop


def _checked_out(shop: Shop) -> list[int]:
    """Count the connections that are out of the pool, as they come and go."""
    out = [0]
    pool = shop.service.driver.database
    sync = getattr(pool, "sync_engine", pool)
    event.listen(sync, "checkout", lambda *_: out.__setitem__(0, out[0] + 1))
    event.listen(sync, "checkin", lambda *_: out.__setitem__(0, out[0] - 1))
    return out


def test_no_connection_is_held_while_the_psp_is_asked(shop: Shop) -> None:
    out = _checked_out(shop)
    seen: list[int] = []
    commits: list[int] = []
    shop.watch.before = lambda call: seen.append(out[0])
    pool = shop.service.driver.database
    sync = getattr(pool, "sync_engine", pool)
    event.listen(sync, "commit", lambda connection: commits.append(out[0]))
    payment = shop.paid()
    shop.refund_payment(payment)
    shop.create_payment(idempotency_key="replayed")
    shop.create_payment(idempotency_key="replayed")
    shop.refresh(payment)
    shop.settle()
    shop.cancel_payment(shop.authorized())
    assert len(seen) == len(shop.watch.sent) > 8
    assert set(seen) == {0}
    assert set(commits) == {1}, "or else this test would count nothing"


def test_no_connection_is_held_between_two_sends(shop: Shop) -> None:
    out = _checked_out(shop)
    seen: list[int] = []
    shop.watch.after = lambda call: seen.append(out[0])
    shop.sim.faults.add(Fault.RATE_LIMIT, verb="create_payment", times=2)
    shop.create_payment()
    assert seen == [0, 0, 0]


# -- what nobody foresaw ---------------------------------------------------------------


class _Explodes(SimulatedPsp):
    @override
    def send(self, call: Call, /) -> Answer:
        super().send(call)
        raise ZeroDivisionError("sk_live_secret")


class _ExplodesLater(AsyncSimulatedPsp):
    @override
    async def send(self, call: Call, /) -> Answer:
        await super().send(call)
        raise ZeroDivisionError("sk_live_secret")


def test_an_adapter_that_raises_leaves_the_outcome_unknown(
    installed: Database, caplog: pytest.LogCaptureFixture
) -> None:
    sim = SimulatedProvider(SYSTEM)
    service = PaymentService(installed.engine(), psp=_Explodes(sim), policy=PATIENCE)
    with pytest.raises(OutcomeUnknown) as unknown:
        service.create_payment(amount=EUR, idempotency_key="k")
    assert "sk_live" not in str(unknown.value) + caplog.text
    assert "ZeroDivisionError" in caplog.text
    repaired = PaymentService(
        installed.engine(), psp=SimulatedPsp(sim), policy=PATIENCE
    )
    payment = repaired.create_payment(amount=EUR, idempotency_key="k")
    assert list(sim.effects().charges) == [payment.psp_reference]


def test_an_async_adapter_that_raises_leaves_the_outcome_unknown(
    installed: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        psp = _ExplodesLater(SimulatedProvider(SYSTEM))
        engine = installed.async_engine()
        service = AsyncPaymentService(engine, psp=psp, policy=PATIENCE)
        with pytest.raises(OutcomeUnknown) as unknown:
            await service.create_payment(amount=EUR, idempotency_key="k")
        assert "sk_live" not in str(unknown.value) + caplog.text

    asyncio.run(story())


# -- the wrong colour ------------------------------------------------------------------


def test_adapters_and_engines_of_the_other_colour_are_refused(
    installed: Database,
) -> None:
    sim = SimulatedProvider(SYSTEM)
    blocking, waiting = SimulatedPsp(sim), AsyncSimulatedPsp(sim)
    engine, async_engine = installed.engine(), installed.async_engine()
    with pytest.raises(UsageError):
        PaymentService(async_engine, psp=blocking)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        AsyncPaymentService(engine, psp=waiting)  # type: ignore[arg-type]
    wrong: Any = waiting
    with pytest.raises(UsageError, match="blocking"):
        PaymentService(engine, psp=wrong).create_payment(
            amount=EUR, idempotency_key="k"
        )
    other: Any = blocking
    with pytest.raises(UsageError, match="asyncio"):
        asyncio.run(
            AsyncPaymentService(async_engine, psp=other).create_payment(
                amount=EUR, idempotency_key="other"
            )
        )


# -- inside a transaction --------------------------------------------------------------


def test_a_handler_may_not_ask_the_psp(shop: Shop) -> None:
    payment = shop.create_payment().id
    errors: list[BaseException] = []

    @shop.service.on("payment.created")
    def ask(event: Any, session: Any) -> None:
        assert isinstance(shop.service, PaymentService)
        try:
            shop.service.confirm_payment(payment, idempotency_key="inside")
        except TransactionOpen as error:
            errors.append(error)

    async def ask_async(event: Any, session: Any) -> None:
        assert isinstance(shop.service, AsyncPaymentService)
        try:
            await shop.service.confirm_payment(payment, idempotency_key="inside")
        except TransactionOpen as error:
            errors.append(error)

    if shop.is_async:
        shop.service.handlers._by_type.clear()
        shop.service.on("payment.created")(ask_async)
    shop.watch.sent.clear()
    shop.work()
    assert len(errors) == 1
    assert "begin(session=...)" in str(errors[0])
    assert "confirm_payment" not in shop.watch.verbs()
    assert shop.confirm_payment(payment).paid, "outside it is allowed again"


# -- cancellation of a caller (asyncio) ------------------------------------------------


def test_a_caller_who_goes_away_loses_no_answer(async_shop: Shop) -> None:
    shop = async_shop
    service = shop.service
    assert isinstance(service, AsyncPaymentService)

    async def story() -> str:
        created = await service.create_payment(amount=EUR, idempotency_key="c")
        asked, answer = asyncio.Event(), asyncio.Event()

        async def stall(call: Call) -> None:
            asked.set()
            await answer.wait()

        shop.watch.after = stall
        caller = asyncio.create_task(
            service.confirm_payment(
                created.id, idempotency_key="k", payment_method="pm_card_visa"
            )
        )
        await asked.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert (await service.get_payment(created.id)).captured == 0
        answer.set()
        await asyncio.gather(*service.driver._running)
        return created.id

    told: Any = story()
    payment = shop.wait(told)
    assert shop.get(payment).paid
    assert shop.claims() == {}
    assert shop.scalar("SELECT count(*) FROM paykit_psp_answer") == 2
    assert shop.watch.verbs() == ["create_payment", "confirm_payment"]


def test_a_loop_that_ends_meanwhile_leaves_the_rest_to_a_worker(
    installed: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "paykit")
    shop = open_shop(installed, "asyncio")
    service = shop.service
    assert isinstance(service, AsyncPaymentService)

    async def killed() -> None:
        asked = asyncio.Event()

        async def stall(call: Call) -> None:
            asked.set()
            await asyncio.Event().wait()

        shop.watch.after = stall
        caller = asyncio.create_task(
            service.create_payment(amount=EUR, idempotency_key="k")
        )
        await asked.wait()
        assert not caller.done()

    asyncio.run(killed())
    shop.watch.after = None
    assert shop.scalar("SELECT status FROM paykit_operation") == "open"
    shop.world.advance(PATIENCE.lease)
    assert shop.runner is not None
    with shop.runner:
        assert shop.work().done["resume"] == {"done": 1}
        payment = shop.create_payment(amount=EUR, idempotency_key="k")
    assert list(shop.sim.effects().charges) == [payment.psp_reference]


# -- the database's own clock ----------------------------------------------------------


def test_leases_run_by_the_databases_clock(installed: Database) -> None:
    """A real one: no simulated world stands in for it."""
    psp = SimulatedPsp(SimulatedProvider(SYSTEM))
    service = PaymentService(installed.engine(), psp=psp)
    service.create_payment(amount=EUR, idempotency_key="k")
    done = Worker(service).run_once().done
    assert done["deliver"] == {"delivered": 2}
    assert Worker(service).run_once().total == 0


def test_workers_stop_when_they_are_told_to(installed: Database) -> None:
    async def story() -> int:
        psp = AsyncSimulatedPsp(SimulatedProvider(SYSTEM))
        service = AsyncPaymentService(installed.async_engine(), psp=psp)
        stop, seen = asyncio.Event(), []

        @service.on("*")
        async def note(event: Any, session: Any) -> None:
            seen.append(event.type)
            if len(seen) == 2:
                stop.set()

        await service.create_payment(amount=EUR, idempotency_key="k")
        worker = AsyncWorker(service)
        await asyncio.wait_for(worker.run(stop, idle_seconds=0.01), timeout=60)
        return len(seen)

    assert asyncio.run(story()) == 2


def test_a_lease_in_real_time(installed: Database) -> None:
    """The database says when it is over; a machine's own clock does not matter."""
    service = PaymentService(
        installed.engine(), psp=SimulatedPsp(SimulatedProvider(SYSTEM))
    )

    def claim(lease_for: timedelta) -> Any:
        return service.run(
            commit(lambda tx: work.claim_next(tx, "refresh", lease_for=lease_for))
        )

    service.run(commit(lambda tx: work.put(tx, "refresh", "pay_1")))
    assert claim(timedelta(0)) is not None, "a lease that is over at once"
    assert claim(timedelta(hours=1)) is not None
    assert claim(timedelta(hours=1)) is None
