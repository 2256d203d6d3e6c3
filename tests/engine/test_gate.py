"""The gate as an object, and what calls that pass it see of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from paykit import OutcomeUnknown, Policy, PspUnavailable
from paykit.engine import BreakerPolicy, Priority
from paykit.engine.gate import Admitted, Asking, Gate, Later, Refused
from paykit.psp import Answer, Call, RequestLimits, Succeeded, Unknown
from paykit.testing.simulated import Fault
from tests.support import PATIENCE, Shop

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PATIENT = timedelta(seconds=25)
FINE = Succeeded(snapshot=None)
SILENCE = Unknown(reason="timed out")
FAILURES = BreakerPolicy().failures
BINDING = "simulated:default:test"


def _asking(
    thing: str | None = None,
    *,
    priority: Priority = Priority.PAYER,
    write: bool = True,
    limits: RequestLimits | None = None,
    binding: str = "psp:default:test",
) -> Asking:
    verb, key = ("confirm_payment", "k") if write else ("read_payment", None)
    call = Call(verb=verb, parameters="", idempotency_key=key)
    return Asking(
        binding=binding, call=call, priority=priority, thing=thing, limits=limits
    )


def _pass(
    gate: Gate, asking: Asking, answer: Answer | None, now: datetime = NOW
) -> None:
    admitted = gate.enter(asking, now, PATIENT)
    assert isinstance(admitted, Admitted)
    gate.leave(admitted, answer, now)


def _break(gate: Gate, asking: Asking) -> None:
    for _ in range(FAILURES):
        _pass(gate, asking, SILENCE)
    assert isinstance(gate.enter(asking, NOW, PATIENT), Refused)


# -- circuits --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        _asking(write=False),
        _asking(priority=Priority.RESOLVE),
        _asking(priority=Priority.RESOLVE, write=False),
        _asking(binding="psp:other:test"),
    ],
    ids=["read", "resolve", "resolve by reading", "other binding"],
)
def test_each_binding_and_kind_of_call_has_its_own_circuit(other: Asking) -> None:
    gate = Gate()
    _break(gate, _asking())
    assert isinstance(gate.enter(other, NOW, PATIENT), Admitted)


def test_all_who_resolve_share_one_circuit() -> None:
    gate = Gate()
    _break(gate, _asking(priority=Priority.RESOLVE))
    reading = _asking(priority=Priority.RESOLVE, write=False)
    assert isinstance(gate.enter(reading, NOW, PATIENT), Refused)
    assert gate.open_circuits() == [("psp:default:test", "resolve")]


def test_who_has_to_wait_is_no_probe() -> None:
    gate = Gate()
    held = gate.enter(_asking("pay_1"), NOW, PATIENT)
    assert isinstance(held, Admitted)
    _break(gate, _asking())
    later = NOW + timedelta(seconds=10)
    assert isinstance(gate.enter(_asking("pay_1"), later, PATIENT), Later)
    assert isinstance(gate.enter(_asking("pay_2"), later, PATIENT), Admitted)


def test_of_those_who_waited_for_their_turn_one_is_the_probe() -> None:
    gate = Gate()
    waiting = [gate.enter(_asking(), NOW, PATIENT) for _ in range(3)]
    _break(gate, _asking())
    later = NOW + BreakerPolicy().pause
    found = []
    for one in waiting:
        assert isinstance(one, Admitted)
        assert isinstance(gate.confirm(one, NOW), Refused)
    for one in waiting:
        assert isinstance(one, Admitted)
        found.append(gate.confirm(one, later))
    probe, *others = found
    assert isinstance(probe, Admitted)
    assert all(isinstance(one, Refused) for one in others)
    gate.leave(probe, FINE, later)
    assert gate.open_circuits() == []


# -- one write to an object at a time --------------------------------------------------


def test_one_object_is_written_by_one_call_at_a_time() -> None:
    gate = Gate()
    first = gate.enter(_asking("pay_1"), NOW, PATIENT)
    assert isinstance(first, Admitted)
    assert isinstance(gate.enter(_asking("pay_1"), NOW, PATIENT), Later)
    assert isinstance(gate.enter(_asking("pay_1", write=False), NOW, PATIENT), Admitted)
    assert isinstance(gate.enter(_asking("pay_2"), NOW, PATIENT), Admitted)
    assert isinstance(gate.enter(_asking(), NOW, PATIENT), Admitted)
    gate.leave(first, FINE, NOW)
    assert isinstance(gate.enter(_asking("pay_1"), NOW, PATIENT), Admitted)


def test_who_waits_for_an_object_uses_up_no_request() -> None:
    limits = RequestLimits(per_second=10, per_endpoint=10)
    gate = Gate()
    first = gate.enter(_asking("pay_1", limits=limits), NOW, PATIENT)
    assert isinstance(first, Admitted)
    for _ in range(50):
        busy = gate.enter(_asking("pay_1", limits=limits), NOW, PATIENT)
        assert isinstance(busy, Later)
    next_one = gate.enter(_asking("pay_2", limits=limits), NOW, PATIENT)
    assert isinstance(next_one, Admitted)
    assert next_one.wait_seconds < 1


def test_who_overtakes_does_not_free_the_object_for_others() -> None:
    gate = Gate()
    slow = gate.enter(_asking("pay_1"), NOW, PATIENT)
    fast = gate.enter(_asking("pay_1"), NOW, PATIENT, overtake=True)
    assert isinstance(slow, Admitted)
    assert isinstance(fast, Admitted)
    gate.leave(fast, FINE, NOW)
    assert isinstance(gate.enter(_asking("pay_1"), NOW, PATIENT), Later)
    gate.leave(slow, FINE, NOW)
    assert isinstance(gate.enter(_asking("pay_1"), NOW, PATIENT), Admitted)


# -- threads ---------------------------------------------------------------------------


def test_of_many_threads_one_is_the_probe() -> None:
    gate = Gate()
    _break(gate, _asking())
    later, start = NOW + timedelta(seconds=10), Barrier(16)
    found: list[Admitted | Later | Refused] = []

    def probe() -> None:
        start.wait()
        found.append(gate.enter(_asking(), later, PATIENT))

    threads = [Thread(target=probe) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, Admitted) for one in found) == 1


# -- as callers see it -----------------------------------------------------------------


def _outage(shop: Shop, **fields: Any) -> None:
    """Let the PSP answer nobody; callers find out."""
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None, **fields)
    for number in range(FAILURES):
        if shop.service.engine.env.gate.open_circuits():
            return
        with pytest.raises(OutcomeUnknown):
            shop.create_payment(idempotency_key=f"lost-{number}")


def test_an_open_breaker_refuses_what_is_new_at_once_and_says_when(shop: Shop) -> None:
    _outage(shop)
    asked, heard = len(shop.watch.sent), shop.counts()["paykit_psp_answer"]
    with pytest.raises(PspUnavailable, match="nothing was executed") as told:
        shop.create_payment(idempotency_key="new")
    assert 0 < told.value.retry_after_seconds <= 5
    assert len(shop.watch.sent) == asked
    # Once: what the gate holds back is not tried again within the call.
    assert shop.counts()["paykit_psp_answer"] == heard + 1


def test_what_was_refused_goes_on_under_its_key_when_the_psp_is_back(
    shop: Shop,
) -> None:
    _outage(shop)
    with pytest.raises(PspUnavailable) as told:
        shop.create_payment(idempotency_key="new")
    shop.sim.faults.clear()
    shop.world.advance(timedelta(seconds=told.value.retry_after_seconds))
    assert shop.create_payment(idempotency_key="new").psp_reference
    assert not shop.service.engine.env.gate.open_circuits()


def test_an_open_breaker_leaves_what_may_have_been_executed_unknown(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="confirm_payment")
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None)
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, idempotency_key="c")
    _outage(shop)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            shop.confirm_payment(payment, idempotency_key="c")
    shop.sim.faults.clear()
    shop.world.advance(timedelta(minutes=2))
    assert shop.confirm_payment(payment, idempotency_key="c").paid
    assert shop.charged() == 1


def test_a_crash_while_asking_frees_the_object(quick: Shop) -> None:
    class Crash(BaseException):
        pass

    def crash(_: Call) -> None:
        quick.watch.before = None
        raise Crash

    payment = quick.create_payment().id
    quick.watch.before = crash
    with pytest.raises(Crash):
        quick.confirm_payment(payment, idempotency_key="c")
    gate = quick.service.engine.env.gate
    found = gate.enter(_asking(payment, binding=BINDING), NOW, PATIENT)
    assert isinstance(found, Admitted)
    assert isinstance(gate.enter(found.asking, NOW, PATIENT), Later)


def test_nothing_is_sent_after_the_deadline_of_a_call(quick: Shop) -> None:
    def slow(_: Call) -> None:
        quick.world.advance(PATIENCE.deadline)

    quick.watch.before = slow
    quick.sim.faults.add(Fault.LOSE_REQUEST, times=None)
    with pytest.raises(OutcomeUnknown):
        quick.create_payment(idempotency_key="k")
    assert quick.watch.verbs() == ["create_payment"]


def test_a_deadline_before_the_first_send_sends_nothing(quick: Shop) -> None:
    policy = Policy(deadline=timedelta(0), backoff=PATIENCE.backoff)
    env = quick.service.engine.env
    object.__setattr__(env, "policy", policy)
    with pytest.raises(PspUnavailable, match="the time of this call is over"):
        quick.create_payment()
    assert not quick.watch.sent


def test_a_refresh_ends_in_time_however_much_there_is_to_read(quick: Shop) -> None:
    payment = quick.paid()
    quick.refund_payment(payment)

    def slow(_: Call) -> None:
        quick.world.advance(timedelta(seconds=10))

    quick.watch.sent.clear()
    quick.watch.before = slow
    quick.refresh(payment)
    assert len(quick.watch.sent) == 3
