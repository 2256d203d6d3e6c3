"""The PSP is down for ten minutes of simulated time, and then it is back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from statistics import median
from typing import Any

import pytest
from tenacity import wait_fixed

from paykit import (
    InProgress,
    Money,
    OutcomeUnknown,
    PaykitError,
    PaymentView,
    Policy,
    PspUnavailable,
)
from paykit.engine import Flow, Priority, Sleep, ask
from paykit.operations import CREATE_PAYMENT, REFUND_PAYMENT, calls
from paykit.psp import ReadPayment, Rejected, binding_of
from paykit.testing.simulated import Fault
from paykit.testing.simulated.limits import Limits
from paykit.workers.resume import resume_next
from tests.engine.timeline import Timeline, repeating
from tests.support import Shop, open_shop

BEGINS, ENDS = 30.0, 630.0
CALLERS = 24
_TRY_LATER = (PspUnavailable, OutcomeUnknown, InProgress)


@pytest.fixture
def timeline(quick: Shop) -> Timeline:
    return Timeline(quick)


def _create(line: Timeline, key: str) -> Flow[Any]:
    fields = {"money": Money(1000, "eur")}
    return calls.call(line.shop.service.engine, CREATE_PAYMENT, key, "default", fields)


def _refund(line: Timeline, payment: str) -> Flow[Any]:
    fields = {"payment_id": payment}
    engine = line.shop.service.engine
    return calls.call(engine, REFUND_PAYMENT, f"r-{payment}", "default", fields)


def _until_it_works(line: Timeline, make: Callable[[], Flow[Any]]) -> Flow[None]:
    """A caller that repeats its call with the same key when it is told to."""
    while True:
        outcome = yield from line.call(make())
        if not isinstance(outcome, PaykitError):
            return
        yield Sleep(getattr(outcome, "retry_after_seconds", 15.0))


def _statuses(shop: Shop) -> set[str]:
    rows = shop.query("SELECT DISTINCT status FROM paykit_operation")
    return {row["status"] for row in rows}


def _cut_off(line: Timeline) -> None:
    """Nobody can reach the PSP from `BEGINS` to `ENDS`; some hear no answer before."""
    faults, start = line.shop.sim.faults, line.world.now()

    def outage() -> Flow[None]:
        yield Sleep(BEGINS)
        faults.add(Fault.LOSE_ANSWER, verb="create_refund", times=2)
        until = start + timedelta(seconds=ENDS)
        faults.add(Fault.LOSE_REQUEST, times=None, until=until)

    line.enter(0.0, outage())


def _callers(line: Timeline) -> None:
    for number in range(CALLERS):
        make = _maker(line, f"order-{number}")
        line.enter(BEGINS + 10 + 20 * number, _until_it_works(line, make))


def _maker(line: Timeline, key: str) -> Callable[[], Flow[Any]]:
    return lambda: _create(line, key)


def test_ten_minutes_without_the_psp_lose_nothing(timeline: Timeline) -> None:
    line, shop = timeline, timeline.shop
    in_doubt = [shop.paid() for _ in range(2)]
    shop.settle()
    line = Timeline(shop)
    _cut_off(line)
    for payment in in_doubt:
        line.enter(BEGINS + 1, line.call(_refund(line, payment)))
    _callers(line)
    engine = shop.service.engine
    line.enter(0.0, repeating(lambda: resume_next(engine), 1.0))

    line.run(until=ENDS - 1)
    # Fast and typed, with a hint: once it is known that nobody answers, only the few
    # who probe wait for a timeout.
    told = [call for call in line.calls if call.began > BEGINS + 60]
    assert len(told) > 50
    assert median(call.seconds for call in told) == 0
    slow = [call for call in told if call.seconds > 1]
    assert len(slow) < 20
    for call in told:
        assert isinstance(call.outcome, _TRY_LATER)
        if isinstance(call.outcome, PspUnavailable):
            assert 0 < call.outcome.retry_after_seconds <= 60
    assert max(call.seconds for call in line.calls) <= 25 + 2 * 10
    # Hardly anything is sent into the void, and nothing is given up.
    assert len([one for one in line.asked if one[0] > BEGINS]) < 80
    assert _statuses(shop) == {"done", "open"}

    line.run(until=ENDS + 90)
    created = [call for call in line.calls if isinstance(call.outcome, PaymentView)]
    assert len(created) == CALLERS
    line.run(until=ENDS + 2 * 3600)
    assert _statuses(shop) == {"done"}
    assert shop.at_psp() == {"captured": 2000, "refunded": 2000}
    assert len(shop.sim.effects().charges) == 2 + CALLERS
    assert not engine.env.gate.open_circuits()


def test_whoever_resolves_is_not_kept_out_by_the_calls_of_others(
    timeline: Timeline,
) -> None:
    """New calls go on failing, and still what is in doubt is looked at and found."""
    line, shop = timeline, timeline.shop
    payment = shop.paid()
    shop.settle()
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="create_refund")
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_refund", times=2)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_refund")
    with pytest.raises(OutcomeUnknown):
        shop.refund_payment(payment, idempotency_key="r")
    line = Timeline(shop)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_payment", times=None)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_payment", times=None)
    for number in range(12):
        line.enter(2.0 * number, _until_it_works(line, _maker(line, f"o-{number}")))
    line.run(until=60)
    open_now = shop.service.engine.env.gate.open_circuits()
    assert ("simulated:default:test", "write") in open_now
    line.enter(61.0, resume_next(shop.service.engine))
    line.run(until=75)
    assert shop.refunds(payment)[0].state == "succeeded"


def test_nobody_waits_for_a_send_that_would_come_too_late(quick: Shop) -> None:
    policy = Policy(deadline=timedelta(seconds=5), backoff=lambda: wait_fixed(6))
    shop = open_shop(quick.database, "threads", policy=policy)
    shop.sim.faults.add(Fault.RATE_LIMIT, times=None)
    line = Timeline(shop)
    line.enter(0.0, line.call(_create(line, "k")))
    line.run(until=60)
    (call,) = line.calls
    assert isinstance(call.outcome, PspUnavailable)
    assert call.seconds < 1


def test_payers_go_first_when_it_is_back(timeline: Timeline) -> None:
    """Everybody has something to ask then; what workers ask can wait."""
    line, shop = timeline, timeline.shop
    shop.sim.limits = Limits(20, 20)
    worker = Priority.WORKER
    reads = count()
    for _ in range(60):
        line.enter(0.0, _reads_for_ever(line, worker, reads))
    for number in range(20):
        line.enter(5.0 + number / 4, line.call(_create(line, f"order-{number}")))
    line.run(until=20)
    assert len(line.calls) == 20
    assert max(call.seconds for call in line.calls) < 1
    assert next(reads) > 30, "and workers get what is left"


def _reads_for_ever(line: Timeline, priority: Priority, reads: Any) -> Flow[None]:
    env = replace(line.shop.service.engine.env, priority=priority)
    psp = line.shop.psp
    call = psp.prepare(ReadPayment(payment="pi_none"), None)
    while True:
        answer = yield from ask(env, binding_of(psp), call)
        if isinstance(answer, Rejected):
            next(reads)
        yield Sleep(0.01)
