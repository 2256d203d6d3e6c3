"""What the gate holds back was neither sent nor looked at, and counts as neither."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import Money, OutcomeUnknown, Policy, PspUnavailable
from paykit.engine import BreakerPolicy, Flow, Priority
from paykit.engine.gate import Admitted, Asking
from paykit.operations import CREATE_PAYMENT, calls
from paykit.psp import Call, Unknown
from paykit.testing.simulated import Fault
from paykit.testing.simulated.limits import Limits
from tests.engine.timeline import Timeline
from tests.support import PATIENCE, Shop, open_shop

BINDING: Final = "simulated:default:test"
PAUSE: Final = timedelta(days=30)
"""For how long a circuit that has opened stays so: longer than any schedule."""


def _open(quick: Shop, **policy: Any) -> Shop:
    fields: dict[str, Any] = {
        "backoff": PATIENCE.backoff,
        "object_wait": timedelta(0),
        "breaker": BreakerPolicy(pause=PAUSE, longest_pause=PAUSE),
    }
    return open_shop(quick.database, "threads", policy=Policy(**{**fields, **policy}))


def _close_the_gate(shop: Shop, priority: Priority) -> None:
    """Let nobody through who asks with this priority, for as long as `PAUSE`."""
    gate, now = shop.service.engine.env.gate, shop.world.now()
    for key in ("k", None):
        call = Call(verb="any", parameters="", idempotency_key=key)
        asking = Asking(
            binding=BINDING, call=call, priority=priority, thing=None, limits=None
        )
        while asking.circuit not in gate.open_circuits():
            admitted = gate.enter(asking, now, timedelta(seconds=1))
            assert isinstance(admitted, Admitted)
            gate.leave(admitted, Unknown(reason="timed out"), now)


def _doubt(shop: Shop) -> Callable[[], Any]:
    """Refund a payment without hearing of it; return the call."""
    payment = shop.paid()
    shop.settle()
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="create_refund", times=PATIENCE.sends)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_refund")

    def refund() -> Any:
        return shop.refund_payment(payment, idempotency_key="r")

    with pytest.raises(OutcomeUnknown):
        refund()
    shop.sim.faults.clear()
    shop.watch.sent.clear()
    return refund


def _looks(shop: Shop) -> int:
    statement = "SELECT attempts FROM paykit_work WHERE queue = 'operation'"
    return int(shop.scalar(statement))


def _cases(shop: Shop) -> int:
    return int(shop.scalar("SELECT count(*) FROM paykit_case"))


# -- the schedule of what is in doubt --------------------------------------------------


def test_looks_that_were_held_back_bring_no_case_to_a_person(quick: Shop) -> None:
    shop = _open(quick)
    _doubt(shop)
    _close_the_gate(shop, Priority.RESOLVE)
    for delay in PATIENCE.schedule:
        shop.wait_and_work(delay)
    assert shop.watch.sent == []
    assert (_looks(shop), _cases(shop)) == (0, 0)


def test_a_look_that_was_held_back_is_made_up_for_soon(quick: Shop) -> None:
    """Also late in the schedule, when the next step is a day away."""
    shop = _open(quick, breaker=BreakerPolicy(pause=timedelta(minutes=1)))
    call = _doubt(shop)
    shop.sim.faults.add(Fault.RATE_LIMIT, times=None)
    for delay in PATIENCE.schedule[:6]:
        shop.wait_and_work(delay)
    looks = _looks(shop)
    assert looks == 6
    shop.sim.faults.clear()
    shop.watch.sent.clear()
    shop.world.advance(PATIENCE.schedule[6])
    _close_the_gate(shop, Priority.RESOLVE)
    shop.work()
    assert (_looks(shop), shop.watch.sent) == (looks, [])
    shop.wait_and_work(timedelta(minutes=5))
    assert call().state.value == "succeeded"


def test_a_look_of_which_a_part_was_made_counts(quick: Shop) -> None:
    """The read was lost, which opens the circuit, and the send was held back."""
    shop = _open(quick, breaker=BreakerPolicy(failures=1, pause=PAUSE))
    gate = shop.service.engine.env.gate
    payment = shop.paid()
    shop.settle()
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None)
    with pytest.raises(OutcomeUnknown):
        shop.refund_payment(payment, idempotency_key="r")
    shop.watch.sent.clear()
    shop.wait_and_work(PATIENCE.schedule[0])
    assert shop.watch.verbs() == ["find_refund"]
    assert (BINDING, "resolve") in gate.open_circuits()
    assert _looks(shop) == 1


def test_a_caller_who_is_held_back_takes_no_look_back(quick: Shop) -> None:
    shop = _open(quick)
    call = _doubt(shop)
    shop.sim.faults.add(Fault.RATE_LIMIT, times=None)
    shop.wait_and_work(PATIENCE.schedule[0])
    _close_the_gate(shop, Priority.PAYER)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            call()
    assert _looks(shop) == 1


def test_a_caller_who_is_held_back_makes_no_case_of_it(quick: Shop) -> None:
    shop = _open(quick, schedule=())
    _close_the_gate(shop, Priority.PAYER)
    with pytest.raises(PspUnavailable, match="nothing was executed"):
        shop.create_payment(idempotency_key="k")
    assert _cases(shop) == 0


# -- waiting for a turn ----------------------------------------------------------------


def _create(line: Timeline, key: str) -> Flow[Any]:
    fields = {"money": Money(1000, "eur")}
    return calls.call(line.shop.service.engine, CREATE_PAYMENT, key, "default", fields)


def test_nobody_waits_for_a_turn_beyond_the_time_in_which_it_may_be_sent(
    quick: Shop,
) -> None:
    shop = _open(quick, write_window=timedelta(seconds=1))
    shop.sim.limits = Limits(1, 1)
    line = Timeline(shop)
    for number in range(3):
        line.enter(0.0, line.call(_create(line, f"order-{number}")))
    line.run(until=30)
    sent = [at for at, effect, _ in line.asked if effect.call.verb == "create_payment"]
    assert len(sent) == 1, "the second turn comes after one and a half seconds"
    refused = [call for call in line.calls if isinstance(call.outcome, PspUnavailable)]
    assert len(refused) == 2
    assert max(call.seconds for call in refused) < 1


def test_who_waits_for_a_turn_is_not_sent_into_a_circuit_that_has_opened(
    quick: Shop,
) -> None:
    shop = _open(quick, breaker=BreakerPolicy())
    shop.sim.limits = Limits(5, 5)
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None)
    line = Timeline(shop)
    for number in range(80):
        line.enter(0.0, line.call(_create(line, f"order-{number}")))
    line.run(until=60)
    # Two seconds after the fifth timeout; until then nobody could know.
    late = [at for at, _, _ in line.asked if at > 13]
    assert len(late) < 20, "those who probe, and their second and third sends"
    held = [call for call in line.calls if isinstance(call.outcome, PspUnavailable)]
    assert len(held) > 20
    assert all(call.outcome.retry_after_seconds > 0 for call in held)
