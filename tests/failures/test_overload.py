"""Too many requests, and a PSP that answers nobody: who goes first, and who is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paykit import Money, OutcomeUnknown, PspUnavailable
from paykit.engine import Environment, Flow, Priority, Sleep, ask
from paykit.operations import CONFIRM_PAYMENT, CREATE_PAYMENT, calls
from paykit.psp import NotExecuted, ReadPayment, binding_of
from paykit.testing.simulated import Fault
from paykit.testing.simulated.limits import Limits
from tests.engine.timeline import Timeline
from tests.failures.stories import FIRST_LOOK
from tests.support import VISA, Shop, open_shop

BINDING = "simulated:default:test"


def _pay(shop: Shop, number: int) -> Flow[Any]:
    """Create a payment and confirm it, as one payer's request does."""
    engine = shop.service.engine
    fields: dict[str, object] = {"money": Money(1000, "eur")}
    made = yield from calls.call(
        engine, CREATE_PAYMENT, f"create-{number}", "default", fields
    )
    fields = {"payment_id": made.id, "payment_method": VISA}
    key = f"confirm-{number}"
    return (yield from calls.call(engine, CONFIRM_PAYMENT, key, "default", fields))


def _read_for_ever(shop: Shop, payment: str, priority: Priority) -> Flow[None]:
    """Read a payment again and again, as a worker with a long queue does."""
    env: Environment = replace(shop.service.engine.env, priority=priority)
    binding = binding_of(shop.psp)
    call = shop.psp.prepare(ReadPayment(payment=payment), None)
    while True:
        yield from ask(env, binding, call)
        yield Sleep(0.01)


def _turned_away(line: Timeline) -> int:
    return sum(isinstance(answer, NotExecuted) for _, _, answer in line.asked)


def test_37_payers_go_before_workers_and_nobody_is_turned_away(shop: Shop) -> None:
    reference = shop.reference(shop.create_payment().id)
    shop.sim.limits = Limits(25, 25)
    line = Timeline(shop)
    for _ in range(60):
        line.enter(0.0, _read_for_ever(shop, reference, Priority.WORKER))
    for number in range(20):
        line.enter(5.0 + number / 4, line.call(_pay(shop, number)))
    line.run(until=15)
    assert [call.outcome.paid for call in line.calls] == [True] * 20
    # Two requests take 0.4 seconds; the queue of the workers is four seconds long.
    assert max(call.seconds for call in line.calls) < 1
    reads = [one for one in line.asked if one[1].call.verb == "read_payment"]
    assert len(reads) > 60, "workers get what payers leave"
    assert _turned_away(line) == 0


def test_37_processes_share_what_the_psp_allows(shop: Shop) -> None:
    reference = shop.reference(shop.create_payment().id)
    shop.sim.limits = Limits(25, 25)
    line = Timeline(shop)
    servers = [
        open_shop(shop.database, "threads", world=shop.world, sim=shop.sim)
        for _ in range(3)
    ]
    for server in servers:
        line.enter(0.0, _read_for_ever(server, reference, Priority.PAYER))
    line.run(until=12)  # by now each has counted the others
    line.asked.clear()
    for server in servers:
        for _ in range(20):
            line.enter(12.0, _read_for_ever(server, reference, Priority.PAYER))
    line.run(until=16)
    assert _turned_away(line) == 0
    assert len(line.asked) > 4 * 25 * 0.6


def _fall_silent(shop: Shop) -> None:
    """Let the PSP answer nobody any more, and callers find out."""
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None)
    for number in range(5):
        with pytest.raises((OutcomeUnknown, PspUnavailable)):
            shop.create_payment(idempotency_key=f"lost-{number}")
    assert (BINDING, "write") in shop.service.engine.env.gate.open_circuits()


def test_38_what_is_new_is_refused_at_once_and_later_done(shop: Shop) -> None:
    _fall_silent(shop)
    sent = len(shop.watch.sent)
    with pytest.raises(PspUnavailable, match="nothing was executed") as told:
        shop.create_payment(idempotency_key="new")
    assert len(shop.watch.sent) == sent
    assert 0 < told.value.retry_after_seconds <= 60
    shop.sim.faults.clear()
    shop.world.advance(timedelta(seconds=told.value.retry_after_seconds))
    assert shop.create_payment(idempotency_key="new").psp_reference


def test_38_whoever_resolves_goes_on_while_what_is_new_is_refused(shop: Shop) -> None:
    payment, other = shop.create_payment().id, shop.create_payment().id
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="confirm_payment")
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="confirm_payment", times=2)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment")
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, idempotency_key="c")
    shop.world.advance(FIRST_LOOK)
    _fall_silent(shop)
    for _ in range(5):
        shop.refresh(other)
    shop.sim.faults.clear()
    circuits = set(shop.service.engine.env.gate.open_circuits())
    assert circuits == {(BINDING, "read"), (BINDING, "write")}
    shop.work()
    assert shop.get(payment).paid
    assert shop.charged() == 1
