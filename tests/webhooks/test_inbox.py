"""What a worker makes of the webhooks: by fact, in any order, and never lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any, Final

import pytest

from paykit import Money, NotAllowed, OutcomeUnknown
from paykit.lifecycle import PaymentState, RefundState
from paykit.testing.simulated import Fault, SimEvent
from paykit.testing.simulated.webhooks import sign
from paykit.workers.inbox import DEFERRALS, READS, RETRIES, process_next
from tests.support import PATIENCE, VISA, Shop

IDLE: Final[dict[str, int]] = {}


def _events(shop: Shop, *types: str) -> list[SimEvent]:
    return [event for event in shop.sim.events() if event.type in types]


def _push_raw(shop: Shop, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    headers = sign(raw, shop.sim.webhook_secret, shop.world.now())
    assert shop.receive(raw, headers).status == 200


def _body(shop: Shop, event: SimEvent) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(shop.sim.webhook(event)[0])
    return body


def _status(shop: Shop, event_id: str) -> tuple[str, str | None]:
    (row,) = shop.query(
        "SELECT status, reason FROM paykit_inbox WHERE event_id = :id", id=event_id
    )
    return row["status"], row["reason"]


def _outside(shop: Shop, payment: str, **params: object) -> str:
    """Confirm a payment behind paykit's back; return the PSP's id."""
    reference = shop.reference(payment)
    shop.sim.call("confirm_payment", reference, payment_method=VISA, **params)
    return reference


def test_a_payment_that_the_payer_confirmed_is_paid_by_its_event(shop: Shop) -> None:
    payment = shop.create_payment().id
    _outside(shop, payment)
    assert not shop.get(payment).paid
    assert set(shop.deliver()) == {200}
    assert shop.work().done["inbox"].keys() == {"applied"}
    paid = shop.get(payment)
    assert paid.paid
    assert shop.balances()["sales:eur"] == -1000
    assert shop.event_types(payment)[2:] == ["payment.captured", "payment.succeeded"]


def test_what_an_event_proves_is_not_read_again(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.deliver()
    shop.settle()
    _outside(shop, payment)
    (succeeded,) = _events(shop, "payment_intent.succeeded")
    shop.push(succeeded)
    shop.watch.sent.clear()
    shop.work()
    assert shop.get(payment).paid
    # what follows is for the fees
    assert shop.watch.verbs()[0] == "read_payment"
    assert shop.watch.verbs().count("read_payment") == 1
    assert "list_balance_transactions" in shop.watch.verbs()


def test_two_events_of_one_fact_are_posted_once(shop: Shop) -> None:
    """Failure 15: twins, and events of different types for one fact."""
    payment = shop.create_payment().id
    _outside(shop, payment)
    for event in _events(shop, "charge.succeeded", "payment_intent.succeeded"):
        shop.push(event)
    twin = _body(shop, _events(shop, "payment_intent.succeeded")[0])
    _push_raw(shop, {**twin, "id": "evt_twin"})
    shop.work()
    assert _status(shop, "evt_twin")[0] == "applied"
    assert shop.balances()["sales:eur"] == -1000
    assert shop.event_types(payment).count("payment.captured") == 1


def _events_come_first(shop: Shop) -> Any:
    """Receive and apply what has happened, while an answer is still on its way."""
    pushed = [shop.sim.webhook(e) for e in shop.sim.events()]
    if shop.is_async:
        return _receive_and_work(shop, pushed)
    for body, headers in pushed:
        shop.receiver.receive(body, headers)
    return shop.worker.run_once()


def test_an_answer_that_was_overtaken_does_not_lead_back(shop: Shop) -> None:
    payment = shop.create_payment().id
    reference = shop.reference(payment)

    def payer_fails_first() -> Any:
        shop.sim.complete_authentication(reference, success=False)
        return _events_come_first(shop)

    meanwhile = shop.meanwhile(payer_fails_first, executed=True)
    result = shop.confirm_payment(
        payment, payment_method="pm_card_threeDSecure2Required"
    )
    assert meanwhile
    assert result.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert result.decline is not None
    assert shop.claims() == {}
    shop.settle()
    assert shop.get(payment).state is PaymentState.REQUIRES_PAYMENT_METHOD


def test_an_event_before_the_answer_is_recorded(shop: Shop) -> None:
    payment = shop.create_payment().id
    meanwhile = shop.meanwhile(lambda: _events_come_first(shop), executed=True)
    result = shop.confirm_payment(payment)
    assert meanwhile
    assert result.paid
    assert shop.claims() == {}
    assert shop.balances()["sales:eur"] == -1000
    assert shop.event_types(payment).count("payment.succeeded") == 1
    shop.settle()
    assert shop.get(payment).paid


async def _receive_and_work(shop: Shop, pushed: list[Any]) -> Any:
    receiver: Any = shop.receiver
    worker: Any = shop.worker
    for body, headers in pushed:
        await receiver.receive(body, headers)
    return await worker.run_once()


def test_an_event_of_a_payment_whose_creation_is_in_doubt(shop: Shop) -> None:
    """Failure 12: it is found by our id in the metadata; the answer never came."""
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="create_payment", times=3)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_payment")
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    shop.deliver()
    assert shop.work().done["inbox"] == {"applied": 1}
    payment = shop.scalar("SELECT id FROM paykit_payment")
    view = shop.get(payment)
    assert view.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert view.psp_reference is not None
    result = shop.create_payment(idempotency_key="k")
    assert result.id == payment
    assert shop.claims() == {}
    assert len(shop.sim.effects().charges) == 1


def test_an_unknown_type_is_ignored(shop: Shop) -> None:
    payment = shop.create_payment().id
    event = _body(shop, shop.sim.events()[0])
    for name, thing in {
        "evt_a": {"id": "cus_1", "object": "customer"},
        "evt_b": {"id": "x_1", "object": "hologram", "status": "shining"},
        "evt_c": {},
    }.items():
        _push_raw(shop, {**event, "id": name, "type": "a.b", "data": {"object": thing}})
    before = shop.get(payment)
    assert shop.work().done["inbox"] == {"ignored": 3}
    assert _status(shop, "evt_b") == ("ignored", "a.b has no effect here")
    assert shop.get(payment) == before


def test_an_unknown_status_is_kept_and_changes_nothing(shop: Shop) -> None:
    payment = shop.create_payment().id
    event = _body(shop, shop.sim.events()[0])
    event["data"]["object"]["status"] = "appeal_needs_response"
    _push_raw(shop, {**event, "id": "evt_new"})
    shop.work()
    assert _status(shop, "evt_new")[0] == "applied"
    assert shop.get(payment).state is PaymentState.REQUIRES_PAYMENT_METHOD


POISON: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "no object": lambda event: event.pop("data"),
    "no amount": lambda event: event["data"]["object"].pop("amount"),
    "amount that is a text": lambda e: e["data"]["object"].update(amount="10"),
    "amount that is a fraction": lambda e: e["data"]["object"].update(amount=10.5),
    "no id": lambda event: event["data"]["object"].pop("id"),
    "no status": lambda event: event["data"]["object"].pop("status"),
}


def test_a_poisoned_event_is_parked_and_the_others_go_on(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Failure 19: garbage ends `dead`, is shown, and blocks nobody."""
    caplog.set_level(logging.CRITICAL, "paykit")
    payment = shop.create_payment().id
    event = _body(shop, shop.sim.events()[0])
    for number, spoil in enumerate(POISON.values()):
        spoiled = json.loads(json.dumps(event))
        spoil(spoiled)
        _push_raw(shop, {**spoiled, "id": f"evt_{number}"})
    _outside(shop, payment)
    shop.deliver()
    ends = shop.work().done["inbox"]
    assert ends["retried"] == len(POISON)
    assert shop.get(payment).paid
    for delay in RETRIES:
        assert shop.wait_and_work(_too_early(delay)).done["inbox"] == IDLE
        shop.wait_and_work(delay - _too_early(delay))
    for number, name in enumerate(POISON):
        status, reason = _status(shop, f"evt_{number}")
        assert (status, bool(reason)) == ("dead", True), name
    assert shop.wait(shop.service.health()).inbox.dead == len(POISON)
    assert shop.wait_and_work(timedelta(days=40)).done["inbox"] == IDLE
    kept = shop.scalar("SELECT count(*) FROM paykit_inbox WHERE status = 'dead'")
    assert kept == len(POISON)


def _too_early(delay: timedelta) -> timedelta:
    """Return how long after a look nothing is due yet, whatever the jitter."""
    return delay * 0.75 - timedelta(milliseconds=1)


def test_an_outage_that_passes_is_survived(shop: Shop) -> None:
    """Failure 16: only `applied` is the end of an event."""
    payment = shop.create_payment().id
    shop.settle()
    _outside(shop, payment)
    (event,) = _events(shop, "payment_intent.succeeded")
    drifted = {**_body(shop, event), "api_version": "2019-01-01"}
    _push_raw(shop, drifted)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment", times=1)
    assert shop.work().done["inbox"] == {"unread": 1}
    assert not shop.get(payment).paid
    assert shop.wait_and_work(READS[0]).done["inbox"] == {"applied": 1}
    assert shop.get(payment).paid


def test_a_payload_of_another_api_version_is_read_and_not_believed(
    shop: Shop,
) -> None:
    payment = shop.create_payment().id
    shop.settle()
    event = _body(shop, shop.sim.events()[0])
    lie = {**event["data"]["object"], "status": "succeeded", "amount_received": 1000}
    _push_raw(
        shop,
        {
            **event,
            "id": "evt_old",
            "type": "payment_intent.succeeded",
            "api_version": "2019-01-01",
            "data": {"object": lie},
        },
    )
    shop.watch.sent.clear()
    shop.work()
    assert shop.watch.verbs() == ["read_payment"]
    assert _status(shop, "evt_old")[0] == "applied"
    assert not shop.get(payment).paid
    assert shop.balances() == {}


def test_a_status_that_can_come_and_go_is_read(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.confirm_payment(payment, payment_method="pm_card_visa_chargeDeclined")
    _outside(shop, payment)
    (failed,) = _events(shop, "payment_intent.payment_failed")
    shop.push(failed)
    shop.work()
    assert shop.get(payment).paid, "the read shows what came after the event"


def test_an_old_failure_does_not_undo_a_success(shop: Shop) -> None:
    """Failures 17 and 18: what comes late leads nowhere back."""
    payment = shop.create_payment().id
    shop.confirm_payment(payment, payment_method="pm_card_visa_chargeDeclined")
    shop.confirm_payment(payment)
    before = shop.balances()
    shop.watch.sent.clear()
    for event in shop.sim.events():
        shop.push(event)
    inbox = shop.run(_inbox_only(shop))
    assert inbox
    assert shop.get(payment).paid
    assert shop.get(payment).decline is None
    assert shop.balances() == before


def _inbox_only(shop: Shop) -> Any:
    ends = []
    while (end := (yield from process_next(shop.service.engine.env))) is not None:
        ends.append(end)
    return ends


# -- foreign and early -----------------------------------------------------------------


def test_an_event_waits_for_its_payment(shop: Shop) -> None:
    """The shop's rows come later: here another process is about to commit them."""
    payment = shop.create_payment().id
    reference = shop.reference(payment)
    stranger = shop.sim.call("create_payment", amount=500, currency="eur")
    shop.deliver()
    assert shop.work().done["inbox"] == {"applied": 1, "deferred": 1}
    shop.execute(
        "UPDATE paykit_payment SET psp_reference = :theirs WHERE id = :id",
        theirs=stranger["id"],
        id=payment,
    )
    assert shop.wait_and_work(DEFERRALS[0]).done["inbox"] == {"applied": 1}
    assert reference != stranger["id"]


def test_an_event_of_somebody_else_is_ignored_in_the_end(shop: Shop) -> None:
    shop.sim.call("create_payment", amount=500, currency="eur")
    shop.deliver()
    assert shop.work().done["inbox"] == {"deferred": 1}
    for delay in DEFERRALS:
        assert shop.wait_and_work(_too_early(delay)).done["inbox"] == IDLE
        shop.wait_and_work(delay - _too_early(delay))
    (row,) = shop.query("SELECT status, reason FROM paykit_inbox")
    assert row["status"] == "ignored"
    assert row["reason"].startswith("foreign")
    assert shop.counts()["paykit_payment"] == 0


def test_our_id_in_another_accounts_metadata_is_not_ours(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.settle()
    event = _body(shop, shop.sim.events()[0])
    shop.execute(
        "INSERT INTO paykit_inbox (id, binding, event_id, event_type, body, status, "
        "received_at) SELECT 'x', 'simulated:other:test', 'evt_x', event_type, body, "
        "'received', received_at FROM paykit_inbox LIMIT 1"
    )
    before = shop.get(payment)
    shop.work()
    status = shop.scalar("SELECT status FROM paykit_inbox WHERE id = 'x'")
    assert status == "received", "nobody speaks for that account here; it is retried"
    assert event["id"] != "evt_x"
    assert shop.get(payment) == before


# -- refunds ---------------------------------------------------------------------------


def test_a_refund_that_began_at_the_psp_is_adopted(shop: Shop) -> None:
    payment = shop.paid()
    shop.settle()
    reference = shop.reference(payment)
    made = shop.sim.call("create_refund", payment_intent=reference, amount=400)
    shop.settle()
    (refund,) = shop.refunds(payment)
    assert (refund.origin, refund.amount) == ("external", 400)
    assert refund.state is RefundState.SUCCEEDED
    assert refund.psp_reference == made["id"]
    view = shop.get(payment)
    assert (view.refunded, view.refundable) == (400, 600)
    assert shop.balances()["refunds:eur"] == 400
    assert "refund.adopted" in shop.event_types(payment)
    assert shop.breaks() == set()
    assert shop.refund_payment(payment).amount == 600


@pytest.mark.parametrize("older", ["charge.refund.updated", "charge.refunded"])
def test_a_refund_that_is_told_by_two_types_is_one(quick: Shop, older: str) -> None:
    """Failures 13 and 15: also before the charge, and after a capture in part."""
    for order in permutations(range(4)):
        payment = quick.create_payment(capture="manual").id
        reference = quick.reference(payment)
        _outside(quick, payment)
        quick.sim.call("capture_payment", reference, amount_to_capture=700)
        quick.sim.call("create_refund", payment_intent=reference, amount=400)
        charge = _events(quick, "charge.succeeded")[-1]
        refund = _events(quick, "refund.created")[-1]
        told = [_body(quick, charge), _body(quick, refund), _body(quick, refund)]
        told[2]["type"] = "refund.updated"
        if older == "charge.refunded":
            told.append(_body(quick, _events(quick, older)[-1]))
        else:
            told.append({**_body(quick, refund), "type": older})
        for number in order:
            _push_raw(quick, {**told[number], "id": quick.key()})
        quick.settle()
        (adopted,) = quick.refunds(payment)
        assert (adopted.origin, adopted.amount) == ("external", 400)
        view = quick.get(payment)
        assert (view.captured, view.refunded, view.refundable) == (700, 400, 300)
        assert quick.event_types(payment).count("refund.succeeded") == 1
        balance = quick.sim.effects().balance["eur"]
        assert quick.balances()["psp_balance:eur"] == balance


def test_a_refund_of_ours_in_doubt_hides_none_that_began_there(shop: Shop) -> None:
    payment = shop.authorized(1000)
    shop.capture_payment(payment, amount=Money(700, "eur"))
    shop.settle()
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_refund", times=3)
    with pytest.raises(OutcomeUnknown):
        shop.refund_payment(payment, amount=Money(300, "eur"))
    reference = shop.reference(payment)
    shop.sim.call("create_refund", payment_intent=reference, amount=200)
    shop.settle(within=timedelta(hours=2))
    assert sorted((r.origin, r.amount) for r in shop.refunds(payment)) == [
        ("external", 200),
        ("paykit", 300),
    ]
    assert shop.get(payment).refunded == 500
    assert shop.at_psp() == {"captured": 700, "refunded": 500}


def test_where_all_was_captured_every_refund_is_a_customers(shop: Shop) -> None:
    payment = shop.paid(1000)
    shop.settle()
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_refund", times=3)
    with pytest.raises(OutcomeUnknown):
        shop.refund_payment(payment, amount=Money(600, "eur"))
    reference = shop.reference(payment)
    shop.sim.call("create_refund", payment_intent=reference, amount=200)
    shop.deliver()
    assert shop.work().done["inbox"].keys() == {"applied"}
    assert shop.get(payment).refunded == 200
    assert shop.get(payment).refundable == 200


def test_a_release_is_not_taken_for_a_refund(shop: Shop) -> None:
    """Stripe shows what was not captured as a refund; no payer got it."""
    payment = shop.authorized(1000)
    shop.capture_payment(payment, amount=Money(700, "eur"))
    shop.settle()
    found: Any = shop.sim.call("find_refund", payment_intent=shop.reference(payment))
    (release,) = found["data"]
    event = _body(shop, shop.sim.events()[0])
    told = {"id": "evt_r", "type": "refund.created", "data": {"object": release}}
    _push_raw(shop, {**event, **told})
    assert shop.work().done["inbox"] == {"deferred": 1}
    for delay in DEFERRALS:
        shop.wait_and_work(delay)
    assert _status(shop, "evt_r")[0] == "ignored"
    assert shop.refunds(payment) == ()
    assert shop.get(payment).refundable == 700
    assert shop.breaks() == set()


@pytest.mark.parametrize("final", [False, True])
def test_a_refund_between_two_parts_of_a_capture_is_adopted(
    shop: Shop, final: bool
) -> None:
    """What is captured in parts releases nothing that looks like a refund."""
    payment = shop.authorized(multicapture=True)
    shop.capture_payment(payment, amount=Money(600, "eur"), final=final)
    reference = shop.reference(payment)
    shop.sim.call("create_refund", payment_intent=reference, amount=200)
    shop.settle()
    (refund,) = shop.wait(shop.service.list_refunds(payment))
    assert (refund.origin, refund.amount) == ("external", 200)
    assert shop.get(payment).refundable == 400


def test_our_own_refund_is_not_adopted(shop: Shop) -> None:
    payment = shop.paid()
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="create_refund", times=3)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="find_refund")
    with pytest.raises(OutcomeUnknown):
        shop.refund_payment(payment, idempotency_key="r", amount=Money(400, "eur"))
    shop.deliver()
    shop.work()
    (refund,) = shop.refunds(payment)
    assert (refund.origin, refund.state) == ("paykit", RefundState.SUCCEEDED)
    assert shop.get(payment).refunded == 400
    shop.wait_and_work(PATIENCE.schedule[0])
    repeated = shop.refund_payment(
        payment, idempotency_key="r", amount=Money(400, "eur")
    )
    assert repeated == refund
    assert shop.balances()["refunds:eur"] == 400
    assert shop.at_psp()["refunded"] == 400


def test_a_second_object_for_one_refund_of_ours_is_not_overlooked(shop: Shop) -> None:
    """Two refunds at the PSP carry the id of one of ours: both are money."""
    payment = shop.paid()
    shop.refund_payment(payment, amount=Money(400, "eur"))
    (ours,) = shop.refunds(payment)
    shop.settle()
    tags = json.loads(shop.sim.webhook(_events(shop, "refund.created")[0])[0])
    shop.sim.call(
        "create_refund",
        payment_intent=shop.reference(payment),
        amount=400,
        metadata=tags["data"]["object"]["metadata"],
    )
    shop.settle()
    assert shop.at_psp()["refunded"] == 800
    assert shop.get(payment).refunded == 800
    assert [refund.origin for refund in shop.refunds(payment)] == [
        "paykit",
        "external",
    ]
    assert shop.refunds(payment)[0] == ours
    assert "second_object" in shop.breaks()
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]


def test_an_external_refund_that_fails_gives_its_part_back(shop: Shop) -> None:
    """Failure 25: the customer has nothing, and the refund can be made again."""
    payment = shop.paid(payment_method="pm_card_refundFail")
    shop.settle()
    shop.sim.call("create_refund", payment_intent=shop.reference(payment))
    shop.settle()
    assert shop.get(payment).refundable == 0
    shop.sim.settle_refunds()
    shop.settle()
    (refund,) = shop.refunds(payment)
    assert refund.state is RefundState.FAILED
    assert shop.get(payment).refundable == 1000
    assert shop.get(payment).refunded == 0
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]


# -- what does not fit -----------------------------------------------------------------


def test_money_on_a_canceled_payment_is_booked_and_shown(shop: Shop) -> None:
    payment = shop.create_payment().id
    _outside(shop, payment)
    succeeded = _events(shop, "payment_intent.succeeded", "charge.succeeded")
    other = shop.create_payment(reference="order").id
    shop.cancel_payment(other)
    reference = shop.reference(other)
    for event in succeeded:
        body = _body(shop, event)
        text = json.dumps(body).replace(shop.reference(payment), reference)
        text = text.replace(payment, other).replace("ch_", "ch_x")
        _push_raw(shop, {**json.loads(text), "id": f"{event.id}_x"})
    shop.run(_inbox_only(shop))
    view = shop.get(other)
    assert view.state is PaymentState.SUCCEEDED
    assert view.captured == 1000
    assert "succeeded_after_end" in shop.breaks()
    types = shop.event_types(other)
    assert "payment.mismatched" in types
    assert "payment.succeeded" not in types, "nobody shall ship for it"


def test_another_amount_than_was_asked_is_booked_and_shown(shop: Shop) -> None:
    payment = shop.create_payment().id
    reference = shop.reference(payment)
    shop.sim.call("update_payment", reference, amount=1500)
    _outside(shop, payment)
    shop.settle()
    view = shop.get(payment)
    assert (view.amount, view.captured) == (1000, 1500)
    assert {"amount_mismatch", "captured_too_much"} <= shop.breaks()
    assert "payment.mismatched" in shop.event_types(payment)
    assert shop.balances()["sales:eur"] == -1500


def _debited(shop: Shop, **fields: Any) -> str:
    payment = shop.create_payment(amount=Money(1000, "usd"), **fields).id
    shop.confirm_payment(payment, payment_method="pm_usBankAccount_success")
    shop.sim.settle_charges()
    return payment


def test_a_debit_that_the_bank_takes_back_is_booked(shop: Shop) -> None:
    """Failures, further to cover: a `succeeded` bank debit that later fails."""
    payment = _debited(shop)
    shop.settle()
    assert shop.get(payment).paid
    shop.sim.return_debit(shop.reference(payment))
    shop.settle()
    assert shop.balances()["psp_balance:usd"] == shop.sim.effects().balance["usd"]
    view = shop.get(payment)
    assert (view.state, view.paid) == (PaymentState.FAILED, False)
    assert (view.captured, view.returned) == (1000, 1000)
    events = shop.wait(shop.service.payment_events(payment))
    (failed,) = [event for event in events if event.type == "payment.failed"]
    assert (failed.from_state, failed.data["code"]) == (
        "succeeded",
        "debit_not_authorized",
    )
    assert shop.breaks() == set()


def test_the_order_of_a_returned_debit_can_be_paid_again(shop: Shop) -> None:
    payment = _debited(shop, reference="order-1")
    shop.settle()
    with pytest.raises(NotAllowed):
        shop.create_payment(reference="order-1")
    shop.sim.return_debit(shop.reference(payment))
    shop.settle()
    with pytest.raises(NotAllowed):
        shop.refund_payment(payment)
    second = shop.create_payment(reference="order-1")
    shop.confirm_payment(second.id)
    assert shop.get(second.id).paid
    assert not shop.get(payment).paid


def test_a_returned_debit_is_one_failure_in_any_order(quick: Shop) -> None:
    """Also where the return is the first that anybody hears of the charge."""
    for order in permutations(range(4)):
        payment = quick.create_payment(amount=Money(1000, "usd")).id
        reference = quick.reference(payment)
        quick.sim.call(
            "confirm_payment", reference, payment_method="pm_usBankAccount_success"
        )
        quick.sim.settle_charges()
        quick.sim.return_debit(reference)
        happened = [e for e in quick.sim.events() if _is_about(e, reference)][-4:]
        for number in (*order, order[0]):
            twin = {**_body(quick, happened[number]), "id": quick.key()}
            _push_raw(quick, twin)
        quick.settle()
        view = quick.get(payment)
        assert (view.state, view.captured, view.returned) == ("failed", 1000, 1000)
        assert quick.event_types(payment).count("payment.failed") == 1
        balance = quick.sim.effects().balance["usd"]
        assert quick.balances().get("psp_balance:usd", 0) == balance
        assert quick.breaks() == set()


def _is_about(event: SimEvent, reference: str) -> bool:
    return reference in (event.object.get("id"), event.object.get("payment_intent"))
