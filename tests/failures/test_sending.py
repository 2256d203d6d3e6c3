"""What was sent, and what nobody heard of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from typing_extensions import override

from paykit import (
    AsyncPaymentService,
    Executed,
    InProgress,
    Money,
    NotAllowed,
    NotExecuted,
    OutcomeUnknown,
    PaymentService,
    PaymentState,
    PspUnavailable,
)
from paykit.psp import Call, Request
from paykit.stripe import StripePsp
from paykit.testing.simulated import Fault
from tests.databases import Database
from tests.failures.stories import FIRST_LOOK, SENDS, Crash, die, pay_elsewhere
from tests.support import PATIENCE, Shop, WatchedPsp, open_shop
from tests.sweep.child import PATIENCE as WIRE_PATIENCE
from tests.sweep.child import SECRET_KEY
from tests.sweep.shop import Shop as WireShop

USD = Money(1000, "usd")
FAILURES = {PaymentState.FAILED, PaymentState.CANCELED}


@pytest.mark.parametrize("method", ["create_payment", "refund_payment"])
def test_01_a_crash_after_the_psp_has_acted_acts_once(shop: Shop, method: str) -> None:
    refund = method == "refund_payment"
    subject = (shop.paid(),) if refund else ()
    fields = {"amount": Money(400, "eur"), "idempotency_key": "k"}
    shop.watch.sent.clear()
    shop.watch.after = die
    with pytest.raises(Crash):
        getattr(shop, method)(*subject, **fields)
    shop.watch.after = None
    with pytest.raises(InProgress):
        getattr(shop, method)(*subject, **fields)
    # What could be read would be enough: let it be sent again.
    for verb in ("find_payment", "find_refund"):
        shop.sim.faults.add(Fault.LOSE_REQUEST, verb=verb)
    assert shop.wait_and_work(PATIENCE.lease).done["resume"] == {"done": 1}
    writes = [call for call in shop.watch.sent if call.idempotency_key]
    assert len(writes) == 2
    assert len(set(writes)) == 1
    assert getattr(shop, method)(*subject, **fields).amount == 400
    effects = shop.sim.effects()
    assert len(effects.charges) == 1
    assert sum(effects.refunds.values()) == refund
    assert shop.balances().get("refunds:eur", 0) == 400 * refund


def test_02_a_read_timeout_is_never_a_failure(shop: Shop) -> None:
    payment = shop.create_payment(reference="order").id
    shop.sim.faults.add(Fault.HANG, verb="confirm_payment", times=None)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment", times=None)
    with pytest.raises(OutcomeUnknown) as told:
        shop.confirm_payment(payment, idempotency_key="k")
    assert told.value.http_status == 202
    view = shop.get(payment)
    assert view.state not in FAILURES
    assert view.decline is None
    assert view.pending_command == "start_confirm"
    with pytest.raises(NotAllowed):
        shop.create_payment(reference="order")
    shop.sim.faults.clear()
    assert shop.wait_and_work(FIRST_LOOK).done["resume"] == {"done": 1}
    assert shop.confirm_payment(payment, idempotency_key="k").paid
    assert shop.charged() == 1
    assert shop.balances()["sales:eur"] == -1000
    assert "payment.failed" not in shop.event_types(payment)


def test_03_a_refused_connection_sent_nothing_and_may_be_repeated_at_once(
    wire: WireShop,
) -> None:
    def create() -> Any:
        return wire.service.create_payment(amount=USD, idempotency_key="k")

    wire.server.stop()
    with pytest.raises(PspUnavailable, match="nothing was executed") as told:
        create()
    assert told.value.retry_after_seconds > 0
    assert wire.sim.effects().charges == {}
    (before,) = wire.rows("SELECT psp_key, outcome FROM paykit_attempt")
    assert before["outcome"] == "NotSent"
    wire.server.start()
    assert create().psp_reference
    (after,) = wire.rows("SELECT psp_key, outcome FROM paykit_attempt")
    assert after == {"psp_key": before["psp_key"], "outcome": "Succeeded"}
    assert len(wire.sim.effects().charges) == 1


def test_04_a_500_that_hides_a_payment_makes_no_second_one(wire: WireShop) -> None:
    def create() -> Any:
        return wire.service.create_payment(
            amount=USD, idempotency_key="k", reference="order"
        )

    # The 500 is what the key remembers, for ever.
    wire.sim.faults.add(Fault.ERROR_AFTER, verb="create_payment")
    wire.sim.faults.add(Fault.LOSE_REQUEST, verb="find_payment")
    with pytest.raises(OutcomeUnknown):
        create()
    assert wire.payment().state is PaymentState.CREATING
    with pytest.raises(NotAllowed):
        wire.service.create_payment(
            amount=USD, idempotency_key="another", reference="order"
        )
    wire.deliver()
    wire.work_once()
    assert wire.payment().state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert create().psp_reference == wire.payment().psp_reference
    assert list(wire.sim.effects().charges) == [wire.payment().psp_reference]
    wire.settle()
    assert wire.violations() == []


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.EMPTY, Fault.BAD_GATEWAY])
def test_05_an_answer_that_cannot_be_read_is_not_a_failure(
    wire: WireShop, fault: Fault
) -> None:
    payment = wire.service.create_payment(
        amount=USD, idempotency_key="c", payment_method="pm_card_visa"
    )
    wire.sim.faults.add(fault, verb="confirm_payment", times=None)
    wire.sim.faults.add(fault, verb="read_payment", times=None)
    with pytest.raises(OutcomeUnknown):
        wire.service.confirm_payment(payment.id, idempotency_key="k")
    assert wire.payment().state not in FAILURES
    wire.sim.faults.clear()
    assert wire.service.confirm_payment(payment.id, idempotency_key="k").paid
    assert list(wire.sim.effects().attempts.values()) == [1]
    wire.settle()
    assert wire.violations() == []


def test_05_the_page_of_a_captive_portal_is_not_a_refusal(wire: WireShop) -> None:
    def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, html="<html>Welcome to our hotel</html>")

    with httpx.Client(transport=httpx.MockTransport(page)) as client:
        portal = StripePsp(SECRET_KEY, http_client=client)
        hotel = PaymentService(
            wire.engine,
            psp=portal,
            policy=WIRE_PATIENCE,
            world=wire.world,
            installation="sweep",
        )
        with pytest.raises(OutcomeUnknown):
            hotel.create_payment(amount=USD, idempotency_key="k")
    assert wire.payment().state is PaymentState.CREATING
    wire.service.create_payment(amount=USD, idempotency_key="k")
    assert len(wire.sim.effects().charges) == 1
    wire.settle()
    assert wire.violations() == []


def test_06_a_key_that_the_psp_may_have_forgotten_is_only_read_about(
    shop: Shop,
) -> None:
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="create_payment", times=SENDS)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_payment")
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    shop.watch.sent.clear()
    shop.world.advance(timedelta(hours=25))
    for verb in ("find_payment", "search_payments"):
        shop.sim.faults.add(Fault.LOSE_REQUEST, verb=verb)
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    assert shop.create_payment(idempotency_key="k").psp_reference
    assert "create_payment" not in shop.watch.verbs()
    assert len(shop.sim.effects().charges) == 1


def test_06_what_no_read_can_settle_goes_to_a_person(shop: Shop) -> None:
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None)
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    for delay in PATIENCE.schedule:
        shop.wait_and_work(delay)
    assert shop.wait(shop.service.health()).attention["cases"] == 1
    with pytest.raises(OutcomeUnknown, match="a person"):
        shop.create_payment(idempotency_key="k")
    assert shop.sim.effects().charges == {}


@pytest.mark.parametrize("executed", [True, False])
def test_06_what_a_person_decides_is_recorded(shop: Shop, executed: bool) -> None:
    """Not on a word alone, not too early, and with a name in the payment's history."""
    payment = shop.paid()
    shop.settle()
    lost = Fault.LOSE_ANSWER if executed else Fault.LOSE_REQUEST
    shop.sim.faults.add(lost, verb="create_refund", times=SENDS)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_refund", times=None)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_refund", times=None)
    with pytest.raises(OutcomeUnknown) as unknown:
        shop.refund_payment(payment, idempotency_key="k")
    says = {"actor": "kim", "reason": "asked the support", "evidence": "ticket 4711"}
    operator = cast("PaymentService", shop.service).operator

    def decide(verdict: Executed | NotExecuted) -> None:
        operator.resolve_case(unknown.value.operation_id, verdict=verdict, **says)

    for delay in PATIENCE.schedule:
        with pytest.raises(NotAllowed):
            decide(NotExecuted())
        assert shop.column(payment, "refund_reserved") == 1000
        shop.wait_and_work(delay)
    (case,) = operator.cases().items
    assert case.operation_id == unknown.value.operation_id
    shop.sim.faults.clear()
    shop.world.advance(timedelta(minutes=5))
    if executed:
        found: Any = shop.sim.call(
            "find_refund", payment_intent=shop.reference(payment)
        )
        reference = found["data"][0]["id"]
        with pytest.raises(NotAllowed):
            decide(NotExecuted())
        decide(Executed(reference))
    else:
        with pytest.raises(NotAllowed):
            decide(Executed("re_invented"))
        decide(NotExecuted())
    assert operator.cases().items == ()
    assert shop.balances().get("refunds:eur", 0) == 1000 * executed
    assert shop.column(payment, "refund_reserved") == 1000 * executed
    told = [
        event.data
        for event in cast("PaymentService", shop.service).payment_events(payment)
        if event.type == "operation.case_resolved"
    ]
    assert [{name: one[name] for name in says} for one in told] == [says]


class NextRelease(WatchedPsp):
    """The adapter of a deploy that writes every creation in another way."""

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        call = super().prepare(request, idempotency_key)
        asked = json.loads(call.parameters)
        if call.verb == "create_payment":
            asked["params"]["description"] = "by the next release"
        return replace(call, parameters=json.dumps(asked))


def test_09_a_deploy_between_two_sends_changes_no_byte(shop: Shop) -> None:
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="create_payment", times=SENDS)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_payment", times=None)
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    psp = NextRelease(shop.sim)
    deployed = PaymentService(shop.engine, psp=psp, policy=PATIENCE, world=shop.world)
    made = deployed.create_payment(amount=Money(1000, "eur"), idempotency_key="k")
    assert made.description is None
    assert list(shop.sim.effects().charges) == [made.psp_reference]
    sent = [*shop.watch.sent, *psp.watch.sent]
    assert len({call for call in sent if call.verb == "create_payment"}) == 1


def test_37_a_storm_of_rate_limits_executes_nothing_and_loses_nothing(
    shop: Shop,
) -> None:
    elsewhere = shop.create_payment().id
    shop.sim.pending_webhooks()
    pay_elsewhere(shop, elsewhere)
    keys = [f"order-{number}" for number in range(5)]
    until = shop.world.now() + timedelta(seconds=60)
    shop.sim.faults.add(Fault.RATE_LIMIT, times=None, until=until)
    for key in keys:
        with pytest.raises(PspUnavailable, match="nothing was executed") as told:
            shop.create_payment(idempotency_key=key)
        assert told.value.retry_after_seconds > 0
    assert len(shop.sim.effects().charges) == 1
    # What an event proves by itself needs no request, and is not held up.
    assert set(shop.deliver()) == {200}
    shop.work()
    assert shop.get(elsewhere).paid
    shop.settle()
    for key in keys:
        assert shop.create_payment(idempotency_key=key).psp_reference
    assert len(shop.sim.effects().charges) == 1 + len(keys)


def test_38_an_outage_fails_nothing_that_is_in_flight(shop: Shop) -> None:
    opened, held, paid = shop.create_payment().id, shop.authorized(), shop.paid()
    shop.settle()
    faults = shop.sim.faults
    faults.add(Fault.LOSE_ANSWER, verb="confirm_payment")
    faults.add(Fault.LOSE_REQUEST, verb="capture_payment")
    faults.add(Fault.LOSE_ANSWER, verb="create_refund")
    end = shop.world.now() + timedelta(minutes=10)
    faults.add(Fault.LOSE_REQUEST_UNSENT, times=None, until=end)
    for method, payment in (("confirm_payment", opened), ("capture_payment", held)):
        with pytest.raises(OutcomeUnknown):
            getattr(shop, method)(payment, idempotency_key=method)
    # By now it is known that nobody answers.
    with pytest.raises(PspUnavailable, match="nothing was executed"):
        shop.refund_payment(paid, idempotency_key="refund_payment")
    with pytest.raises(PspUnavailable, match="nothing was executed"):
        shop.create_payment(idempotency_key="new")
    while shop.world.now() < end - timedelta(minutes=1):
        shop.wait_and_work(timedelta(minutes=1))
        rows = shop.query(
            "SELECT status FROM paykit_operation WHERE finished_at IS NULL"
        )
        assert {row["status"] for row in rows} == {"open"}
        assert len(rows) == 4
    for _ in range(3):
        shop.wait_and_work(timedelta(hours=1))
    assert shop.confirm_payment(opened, idempotency_key="confirm_payment").paid
    assert shop.capture_payment(held, idempotency_key="capture_payment").paid
    assert shop.refund_payment(paid, idempotency_key="refund_payment").amount == 1000
    assert shop.charged() == 3
    assert shop.at_psp() == {"captured": 3000, "refunded": 1000}


def test_39_a_canceled_task_loses_no_answer(installed: Database) -> None:
    shop = open_shop(installed, "asyncio")
    service = shop.service
    assert isinstance(service, AsyncPaymentService)
    assert shop.runner is not None

    async def story() -> str:
        created = await service.create_payment(
            amount=Money(1000, "eur"), idempotency_key="c"
        )
        asked, answer = asyncio.Event(), asyncio.Event()

        async def stall(_: Call) -> None:
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
        assert (await service.get_payment(created.id)).state not in FAILURES
        answer.set()
        await asyncio.gather(*service.driver._running)
        shop.watch.after = None
        return created.id

    with shop.runner:
        told: Any = story()
        payment = shop.wait(told)
        assert shop.get(payment).paid
        assert shop.confirm_payment(payment, idempotency_key="k").paid
        assert shop.watch.verbs() == ["create_payment", "confirm_payment"]
        assert shop.charged() == 1
        assert shop.claims() == {}
