"""Operations that our own code cannot go on with: nothing is lost, a person sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from typing_extensions import override

from paykit import Money, OutcomeUnknown, PaymentService, Worker
from paykit.lifecycle import RefundState
from paykit.operations import refund_payment
from paykit.psp import Answer, AnyPsp, Call, Pending, RefundSnapshot, Succeeded
from paykit.testing.simulated import Fault, SimulatedPsp
from tests.databases import Database
from tests.support import PATIENCE, Shop, WatchedPsp, open_shop

SCHEDULE: Final = PATIENCE.schedule


@dataclass(frozen=True)
class _Moved:
    """A directory of a host that has another account now, and no old adapter."""

    psp: AnyPsp

    def for_merchant(self, merchant: str) -> AnyPsp:
        return self.psp

    def for_binding(self, binding: str) -> AnyPsp:
        if ":moved:" not in binding:
            raise LookupError(binding)
        return self.psp

    def owner(self, binding: str) -> str:
        return "default"


def _moved(shop: Shop) -> PaymentService:
    """The same host after it has moved to another account of the PSP."""
    psps = _Moved(WatchedPsp(shop.sim, "moved"))
    return PaymentService(shop.engine, psp=psps, policy=PATIENCE, world=shop.world)


def _fails(*_: object, **__: object) -> Any:
    raise RuntimeError("a bug, with the name of the payer in it: Ada")


def test_an_operation_of_a_former_account_becomes_a_case(quick: Shop) -> None:
    payment = quick.paid()
    quick.sim.faults.add(Fault.LOSE_REQUEST, times=None)
    with pytest.raises(OutcomeUnknown) as unknown:
        quick.refund_payment(payment)
    service = _moved(quick)
    worker = Worker(service, only="resume")
    for delay in SCHEDULE:
        quick.world.advance(delay)
        assert worker.run_once().done["resume"] == {"LookupError": 1}
    (case,) = service.operator.cases().items
    assert case.operation_id == unknown.value.operation_id
    assert case.why.startswith("Unknown: LookupError in for_binding")
    assert quick.column(payment, "refund_reserved") == 1000


def test_a_bug_keeps_no_other_operation_from_its_turn(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = quick.paid()
    quick.sim.faults.add(Fault.LOSE_REQUEST, times=2 * PATIENCE.sends + 1)
    with pytest.raises(OutcomeUnknown):
        quick.refund_payment(payment)
    with pytest.raises(OutcomeUnknown):
        quick.create_payment(idempotency_key="other")
    quick.sim.faults.clear()
    monkeypatch.setattr(refund_payment, "observe_refund", _fails)
    ends = quick.wait_and_work(SCHEDULE[0]).done["resume"]
    assert ends == {"RuntimeError": 1, "done": 1}
    assert quick.create_payment(idempotency_key="other").psp_reference


def test_an_answer_that_could_not_be_recorded_is_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = shop.paid()
    with monkeypatch.context() as broken:
        broken.setattr(refund_payment, "observe_refund", _fails)
        with pytest.raises(RuntimeError):
            shop.refund_payment(payment, idempotency_key="k")
    shop.watch.sent.clear()
    ends = shop.wait_and_work(PATIENCE.lease + timedelta(seconds=1)).done["resume"]
    assert ends == {"done": 1}
    assert "create_refund" not in shop.watch.verbs()
    assert "find_refund" not in shop.watch.verbs()
    refund: Any = shop.refund_payment(payment, idempotency_key="k")
    assert refund.state is RefundState.SUCCEEDED
    assert shop.at_psp()["refunded"] == 1000


class _Verbose(SimulatedPsp):
    """A PSP whose words for why, and whose ids of requests, have no end."""

    @override
    def send(self, call: Call, /) -> Answer:
        answer = super().send(call)
        if not isinstance(answer, Succeeded | Pending):
            return answer
        answer = replace(answer, request_id="r" * 1000)
        seen = answer.snapshot
        if not isinstance(seen, RefundSnapshot):
            return answer
        seen = replace(seen, reason="w" * 1000, failure_reason="f" * 1000)
        return replace(answer, snapshot=seen)


def test_words_without_an_end_are_cut_and_refuse_nothing(installed: Database) -> None:
    shop = open_shop(installed, "threads")
    psp = _Verbose(shop.sim)
    service = PaymentService(shop.engine, psp=psp, policy=PATIENCE, world=shop.world)
    payment = shop.paid()
    refund = service.refund_payment(payment, idempotency_key="k")
    assert refund.failure_reason == "f" * 64
    words = "SELECT max(length(request_id)) FROM "
    assert shop.scalar(words + "paykit_psp_answer") == 255
    assert shop.scalar(words + "paykit_attempt") == 255
    assert service.refund_payment(payment, idempotency_key="k") == refund


def test_a_stored_result_needs_no_adapter(quick: Shop) -> None:
    """Of an account that nobody speaks for any more; there is no secret to read."""
    payment = quick.create_payment(idempotency_key="k")
    amount = Money(1000, "eur")
    again = _moved(quick).create_payment(amount=amount, idempotency_key="k")
    assert (again.id, again.client_secret) == (payment.id, None)
