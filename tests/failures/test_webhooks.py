"""What comes in: late, early, twice, forged, broken, or for somebody else."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import (
    Money,
    PaymentService,
    PaymentState,
    WebhookReceiver,
    Worker,
    WorkReport,
)
from paykit.testing.simulated import Fault
from paykit.workers.inbox import DEFERRALS, LEASE, READS, RETRIES
from paykit.workers.inbox_batch import process_batch
from tests.barriers.crowd import crowd
from tests.databases import Database
from tests.failures.stories import (
    Crash,
    arrive,
    body_of,
    die,
    events_of,
    inbox_ends,
    pay_elsewhere,
    push_raw,
)
from tests.support import VISA, Shop, open_shop

DECLINED: Final = "pm_card_visa_chargeDeclined"
SCA: Final = "pm_card_threeDSecure2Required"
EUR: Final = Money(1000, "eur")


# -- early and out of order ------------------------------------------------------------


def test_12_a_webhook_before_the_answer_is_recorded_finds_its_payment(
    shop: Shop,
) -> None:
    def events_come_first() -> Any:
        for event in shop.sim.events():
            assert shop.push(event).status == 200
        return shop.worker.run_once()

    meanwhile = shop.meanwhile(events_come_first, executed=True)
    made = shop.create_payment(idempotency_key="k")
    assert meanwhile
    assert set(inbox_ends(shop).values()) == {"applied"}
    assert made.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert list(shop.sim.effects().charges) == [made.psp_reference]
    assert shop.claims() == {}


def test_12_a_webhook_before_the_payment_is_here_waits_for_it(
    quick: Shop, installed: Database
) -> None:
    """A replica without the last commits has taken over; `quick` is what was lost."""
    quick.watch.after = die
    with pytest.raises(Crash):
        quick.create_payment(idempotency_key="k")
    (event,) = quick.sim.events()
    reference = str(event.object["id"])
    quick.sim.call("confirm_payment", reference, payment_method=VISA)
    replica = open_shop(installed, "threads", world=quick.world, sim=quick.sim)
    assert set(replica.deliver()) == {200}
    assert set(replica.work().done["inbox"]) == {"deferred"}
    made = replica.create_payment(idempotency_key="k")
    replica.wait_and_work(DEFERRALS[0])
    assert set(inbox_ends(replica).values()) == {"applied"}
    assert replica.get(made.id).paid
    assert replica.balances()["sales:eur"] == -1000
    assert replica.charged() == 1


def test_12_a_webhook_that_was_given_up_comes_back_with_its_payment(
    quick: Shop, installed: Database
) -> None:
    """As above, and nobody repeats the call for longer than webhooks wait."""
    quick.watch.after = die
    with pytest.raises(Crash):
        quick.create_payment(idempotency_key="k")
    (event,) = quick.sim.events()
    reference = str(event.object["id"])
    quick.sim.call("confirm_payment", reference, payment_method=VISA)
    replica = open_shop(installed, "threads", world=quick.world, sim=quick.sim)
    assert set(replica.deliver()) == {200}
    for delay in (timedelta(0), *DEFERRALS):
        replica.wait_and_work(delay)
    assert set(inbox_ends(replica).values()) == {"ignored"}
    made = replica.create_payment(idempotency_key="k")
    replica.work()
    assert set(inbox_ends(replica).values()) == {"applied"}
    assert replica.get(made.id).paid
    assert replica.charged() == 1


@pytest.mark.parametrize("refund_first", [True, False])
def test_13_a_refund_that_is_told_before_its_charge_makes_no_hole(
    shop: Shop, refund_first: bool
) -> None:
    payment = shop.create_payment().id
    shop.sim.pending_webhooks()
    reference = pay_elsewhere(shop, payment)
    shop.sim.call("create_refund", payment_intent=reference, amount=400)
    events = list(reversed(shop.sim.events(undelivered=True)))
    if refund_first:
        events.sort(key=lambda event: not event.type.startswith("refund."))
    assert "refund" in events[0].type
    for event in events:
        arrive(shop, [event])
        view = shop.get(payment)
        assert view.refunded <= view.captured
    shop.settle()
    view = shop.get(payment)
    assert (view.captured, view.refunded, view.refundable) == (1000, 400, 600)
    balances = shop.balances()
    assert (balances["sales:eur"], balances["refunds:eur"]) == (-1000, 400)
    assert shop.breaks() == set()


def test_17_updates_of_one_second_that_swap_leave_the_newer_state(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.sim.pending_webhooks()
    reference = pay_elsewhere(shop, payment, payment_method=SCA)
    shop.sim.complete_authentication(reference, success=False)
    first = shop.sim.events(undelivered=True)
    assert len({event.created for event in first}) == 1
    arrive(shop, [*reversed(first), first[0]])
    assert shop.get(payment).state is PaymentState.REQUIRES_PAYMENT_METHOD
    pay_elsewhere(shop, payment, payment_method=SCA)
    arrive(shop, [*reversed(shop.sim.events(undelivered=True)), *first])
    assert shop.get(payment).state is PaymentState.REQUIRES_ACTION
    shop.sim.complete_authentication(reference)
    arrive(shop, [*reversed(shop.sim.events(undelivered=True)), *first])
    assert shop.get(payment).paid
    assert shop.charged() == 1


def test_18_a_failure_that_is_told_after_the_success_cancels_nothing(
    shop: Shop,
) -> None:
    payment = shop.create_payment(reference="order").id
    shop.sim.pending_webhooks()
    reference = shop.reference(payment)
    with pytest.raises(Exception, match="declined"):
        shop.sim.call("confirm_payment", reference, payment_method=DECLINED)
    failures = shop.sim.events(undelivered=True)
    shop.sim.pending_webhooks()
    pay_elsewhere(shop, payment)
    arrive(shop, shop.sim.events(undelivered=True))
    assert shop.get(payment).paid
    assert "payment_intent.payment_failed" in {event.type for event in failures}
    arrive(shop, failures)
    view = shop.get(payment)
    assert view.paid
    assert view.decline is None
    types = shop.event_types(payment)
    assert types.count("payment.succeeded") == 1
    assert types.index("payment.succeeded") == len(types) - 1
    assert shop.balances()["sales:eur"] == -1000


# -- twice -----------------------------------------------------------------------------


def test_14_an_event_that_comes_to_eight_servers_at_once_is_applied_once(
    installed: Database,
) -> None:
    with crowd(installed, 8) as servers:
        payment = servers.created("order")
        servers.sim.pending_webhooks()
        servers.sim.call("confirm_payment", str(payment.psp_reference))
        webhooks = servers.sim.pending_webhooks()

        def receive_and_work(_: int, service: PaymentService) -> WorkReport:
            receiver = WebhookReceiver(service)
            told = {receiver.receive(*webhook).status for webhook in webhooks}
            assert told == {200}
            return Worker(service, only=["inbox"]).run_once()

        reports = servers.at_once(receive_and_work)
        while servers.service.health().pending["inbox"]:
            reports.append(Worker(servers.service, only=["inbox"]).run_once())
        ends = sum((Counter(one.done["inbox"]) for one in reports), Counter())
        assert ends["applied"] == len(webhooks)
        servers.settle()
        types = [one.type for one in servers.service.payment_events(payment.id)]
        assert types.count("payment.captured") == 1
        assert servers.violations() == []


def test_15_two_events_of_one_fact_are_one_posting(shop: Shop) -> None:
    payment = shop.create_payment().id
    pay_elsewhere(shop, payment)
    shop.sim.call("create_refund", payment_intent=shop.reference(payment), amount=400)
    paid = events_of(shop, "charge.succeeded", "payment_intent.succeeded")
    back = events_of(shop, "charge.refunded", "refund.created", "charge.refund.updated")
    assert len(paid) == 2
    assert len(back) >= 2
    arrive(shop, [*paid, *back])
    for event in [*paid, *back]:
        push_raw(shop, {**body_of(shop, event), "id": f"{event.id}_twin"})
    shop.settle()
    assert shop.get(payment).captured == 1000
    assert shop.get(payment).refunded == 400
    balances = shop.balances()
    assert (balances["sales:eur"], balances["refunds:eur"]) == (-1000, 400)
    types = shop.event_types(payment)
    assert types.count("payment.captured") == 1
    assert types.count("refund.succeeded") == 1


# -- broken ----------------------------------------------------------------------------


def test_16_an_event_whose_handling_fails_is_tried_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")
    payment = shop.create_payment().id
    shop.settle()
    pay_elsewhere(shop, payment)
    (event,) = events_of(shop, "payment_intent.succeeded")
    shop.push(event)
    with monkeypatch.context() as broken:
        broken.setattr(shop.psp, "read_event", _divide_by_zero)
        assert shop.work().done["inbox"] == {"retried": 1}
    assert not shop.get(payment).paid
    assert inbox_ends(shop)[event.id] == "received"
    # The PSP's own repetition is answered, and takes nothing out of the queue.
    assert shop.push(event).reason == "received before"
    assert shop.wait_and_work(RETRIES[0]).done["inbox"] == {"applied": 1}
    assert shop.get(payment).paid


def test_16_an_event_that_waits_for_the_psp_outlives_an_outage(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.settle()
    pay_elsewhere(shop, payment)
    (event,) = events_of(shop, "payment_intent.succeeded")
    # In another version it proves nothing, and the payment has to be read.
    push_raw(shop, {**body_of(shop, event), "api_version": "2019-01-01"})
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=10_000)
    for _ in range(20):
        shop.wait_and_work(timedelta(hours=6))
    assert inbox_ends(shop)[event.id] == "received"
    shop.sim.faults.clear()
    shop.wait_and_work(READS[-1])
    assert inbox_ends(shop)[event.id] == "applied"
    assert shop.get(payment).paid


def _divide_by_zero(_: bytes) -> Any:
    raise ZeroDivisionError("a bug of ours")


POISON: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "no object": lambda event: event.pop("data"),
    "no amount": lambda event: event["data"]["object"].pop("amount"),
    "an amount that is a text": lambda e: e["data"]["object"].update(amount="10"),
    "no status": lambda event: event["data"]["object"].pop("status"),
}


def test_19_a_poisoned_event_is_parked_and_the_others_go_on(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")
    payment = shop.create_payment().id
    created = body_of(shop, shop.sim.events()[0])
    for name, spoil in POISON.items():
        event = json.loads(json.dumps({**created, "id": f"evt_{name.split()[-1]}"}))
        spoil(event)
        push_raw(shop, event)
    new_word = json.loads(json.dumps({**created, "id": "evt_new_word"}))
    new_word["data"]["object"]["status"] = "appeal_needs_response"
    push_raw(shop, new_word)
    push_raw(shop, {**created, "id": "evt_new_type", "type": "hologram.lit"})
    pay_elsewhere(shop, payment)
    shop.deliver()
    assert shop.work().done["inbox"]["retried"] == len(POISON)
    assert shop.get(payment).paid
    for delay in RETRIES:
        shop.wait_and_work(delay)
    ends = inbox_ends(shop)
    assert Counter(ends.values())["dead"] == len(POISON)
    assert ends["evt_new_word"] == "applied"
    assert shop.wait(shop.service.health()).inbox.dead == len(POISON)
    assert shop.wait(shop.service.health()).pending["inbox"] == 0


def test_19_an_event_that_kills_its_workers_is_parked_and_the_others_go_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "paykit")
    payments = [shop.create_payment().id for _ in range(2)]
    for payment in payments:
        pay_elsewhere(shop, payment)
    shop.deliver()
    read, deadly = shop.psp.read_event, events_of(shop, "payment_intent.created")[0].id

    def kill(body: bytes) -> Any:
        if deadly.encode() in body:
            raise Crash
        return read(body)

    monkeypatch.setattr(shop.psp, "read_event", kill)
    deaths = 0
    for _ in range(3 * len(RETRIES)):
        try:
            while shop.run(process_batch(shop.service.engine.env, 100)):
                pass
        except Crash:
            deaths += 1
            shop.world.advance(LEASE)
    assert deaths == len(RETRIES) + 1
    assert [id_ for id_, end in inbox_ends(shop).items() if end == "dead"] == [deadly]
    assert Counter(inbox_ends(shop).values()).keys() == {"applied", "dead"}
    assert all(shop.get(payment).paid for payment in payments)
