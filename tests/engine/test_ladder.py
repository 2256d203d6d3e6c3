"""The order in which a doubt is settled: read, send again, search, balances."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from paykit import Money, OutcomeUnknown, PspRejected
from paykit.operations.capture_payment import CAPTURE_PAYMENT
from paykit.psp import BalanceTransaction, PaymentSnapshot, PaymentStatus, Succeeded
from paykit.testing.simulated import Fault
from paykit.testing.simulated.webhooks import sign
from tests.support import PATIENCE, Shop

LOST: Final = Fault.LOSE_REQUEST
FIRST_LOOK: Final = PATIENCE.schedule[0]
WINDOW: Final = timedelta(hours=23)
LAG: Final = timedelta(hours=1)
READS: Final = ("read_payment", "find_payment", "find_refund", "search_payments")

Method = Callable[[Shop], Callable[[], Any]]
"""Prepares a payment, and returns the call whose answer is going to be lost."""


def _create(shop: Shop) -> Callable[[], Any]:
    return lambda: shop.create_payment(idempotency_key="k")


def _confirm(shop: Shop) -> Callable[[], Any]:
    payment = shop.create_payment().id
    return lambda: shop.confirm_payment(payment, idempotency_key="k")


def _capture(shop: Shop) -> Callable[[], Any]:
    payment = shop.authorized()
    return lambda: shop.capture_payment(payment, idempotency_key="k")


def _part(shop: Shop) -> Callable[[], Any]:
    payment = shop.authorized(multicapture=True)
    return lambda: shop.capture_part(payment, idempotency_key="k")


def _cancel(shop: Shop) -> Callable[[], Any]:
    payment = shop.authorized()
    return lambda: shop.cancel_payment(payment, idempotency_key="k")


def _increment(shop: Shop) -> Callable[[], Any]:
    payment = shop.authorized(incremental_authorization=True)
    return lambda: shop.increment_authorization(payment, idempotency_key="k")


def _update(shop: Shop) -> Callable[[], Any]:
    payment = shop.create_payment().id
    return lambda: shop.update_payment(payment, idempotency_key="k")


def _refund(shop: Shop) -> Callable[[], Any]:
    payment = shop.paid()
    return lambda: shop.refund_payment(payment, idempotency_key="k")


METHODS: Final[dict[str, tuple[str, str, Method]]] = {
    "create": ("create_payment", "find_payment", _create),
    "confirm": ("confirm_payment", "read_payment", _confirm),
    "capture": ("capture_payment", "read_payment", _capture),
    "part": ("capture_payment", "read_payment", _part),
    "cancel": ("cancel_payment", "read_payment", _cancel),
    "increment": ("increment_authorization", "read_payment", _increment),
    "update": ("update_payment", "read_payment", _update),
    "refund": ("create_refund", "find_refund", _refund),
}
"""By name: what is sent, what is read first, and how to get there."""

each = pytest.mark.parametrize("name", METHODS)
with_a_deadline = pytest.mark.parametrize(
    "name", [name for name in METHODS if name != "confirm"]
)


def _in_doubt(shop: Shop, name: str, fault: Fault = LOST) -> Callable[[], Any]:
    """Lose every send of a call, and the read after it; return the call."""
    verb, read, prepare = METHODS[name]
    call = prepare(shop)
    shop.settle()
    shop.sim.faults.add(fault, verb=verb, times=PATIENCE.sends)
    shop.sim.faults.add(LOST, verb=read)
    with pytest.raises(OutcomeUnknown):
        call()
    shop.sim.faults.clear()
    shop.watch.sent.clear()
    return call


def _attempts(shop: Shop) -> int:
    return int(shop.scalar("SELECT count(*) FROM paykit_attempt"))


# -- reading comes first ---------------------------------------------------------------


@each
def test_what_was_executed_is_found_without_sending_again(
    quick: Shop, name: str
) -> None:
    call = _in_doubt(quick, name, Fault.LOSE_ANSWER)
    assert quick.wait_and_work(FIRST_LOOK).done["resume"] == {"done": 1}
    assert quick.watch.writes() == []
    assert quick.watch.verbs()[0] == METHODS[name][1]
    call()


def test_an_unknown_outcome_is_read_before_it_is_sent_again(shop: Shop) -> None:
    call = _in_doubt(shop, "create")
    assert shop.wait_and_work(FIRST_LOOK).done["resume"] == {"done": 1}
    assert shop.watch.verbs()[:2] == ["find_payment", "create_payment"]
    assert call().psp_reference


@each
def test_a_first_call_reads_nothing(quick: Shop, name: str) -> None:
    call = METHODS[name][2](quick)
    quick.watch.sent.clear()
    call()
    assert quick.watch.verbs() == [METHODS[name][0]]


@each
def test_a_negative_read_rotates_no_key(quick: Shop, name: str) -> None:
    call = _in_doubt(quick, name)
    before = _attempts(quick)
    verb = METHODS[name][0]
    quick.sim.faults.add(LOST, verb=verb, times=None)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            call()
    keys = {one.idempotency_key for one in quick.watch.sent if one.verb == verb}
    assert len(keys) == 1
    assert _attempts(quick) == before


# -- when nothing is sent any more -----------------------------------------------------


@with_a_deadline
def test_what_nobody_finds_counts_only_after_the_lag(quick: Shop, name: str) -> None:
    call = _in_doubt(quick, name)
    quick.world.advance(WINDOW + LAG - timedelta(milliseconds=1))
    with pytest.raises(OutcomeUnknown):
        call()
    assert quick.watch.writes() == []
    quick.world.advance(timedelta(milliseconds=1))
    with pytest.raises(PspRejected) as refusal:
        call()
    assert refusal.value.code == "not_executed"
    assert quick.watch.writes() == []
    assert quick.claims() == {}
    assert quick.scalar("SELECT sum(refund_reserved) FROM paykit_payment") == 0


@with_a_deadline
@pytest.mark.parametrize("unread", READS)
def test_nothing_counts_as_absent_that_could_not_be_read(
    quick: Shop, name: str, unread: str
) -> None:
    call = _in_doubt(quick, name)
    quick.world.advance(WINDOW + LAG)
    needed = {METHODS[name][1]} | ({"search_payments"} if name == "create" else set())
    quick.sim.faults.add(LOST, verb=unread, times=None)
    with pytest.raises(OutcomeUnknown if unread in needed else PspRejected):
        call()


def test_a_payment_is_searched_for_where_the_list_cannot_tell(shop: Shop) -> None:
    call = _in_doubt(shop, "create", Fault.LOSE_ANSWER)
    shop.sim.faults.add(LOST, verb="find_payment", times=None)
    shop.world.advance(WINDOW - timedelta(seconds=1))
    shop.sim.faults.add(LOST, verb="create_payment", times=None)
    with pytest.raises(OutcomeUnknown):
        call()
    assert "search_payments" not in shop.watch.verbs()
    shop.world.advance(timedelta(seconds=1))
    assert call().psp_reference
    assert "search_payments" in shop.watch.verbs()
    assert len(shop.sim.effects().charges) == 1


def test_a_part_among_other_parts_is_found_in_the_balance(shop: Shop) -> None:
    """The total alone cannot tell: somebody took another part in the Dashboard."""
    payment = shop.authorized(multicapture=True)
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="capture_payment", times=3)
    shop.sim.faults.add(LOST, verb="read_payment")
    with pytest.raises(OutcomeUnknown):
        shop.capture_part(payment, idempotency_key="k")
    shop.sim.faults.clear()
    by_hand = {"amount_to_capture": 150, "final_capture": False}
    shop.sim.call("capture_payment", shop.reference(payment), **by_hand)
    shop.sim.faults.add(LOST, verb="capture_payment", times=None)
    with pytest.raises(OutcomeUnknown):
        shop.capture_part(payment, idempotency_key="k")
    shop.world.advance(WINDOW)
    assert shop.capture_part(payment, idempotency_key="k").captured == 550
    assert shop.balances()["sales:eur"] == -550


def _movement(number: int, amount: int) -> BalanceTransaction:
    created = datetime(2030, 1, 1, 12, number, tzinfo=UTC)
    return BalanceTransaction(
        reference=f"txn_{number}",
        source="ch_1",
        category="charge",
        amount=amount,
        fee=0,
        currency="eur",
        created=created,
    )


@pytest.mark.parametrize(
    ("before", "parts", "taken"),
    [
        (0, (400,), True),
        (0, (150, 400), True),
        (400, (400,), False),
        (400, (400, 400), True),
        (400, (400, 150), False),
        (0, (), False),
        (0, (800,), False),
    ],
)
def test_only_movements_after_those_we_knew_count(
    before: int, parts: tuple[int, ...], taken: bool
) -> None:
    (leg,) = CAPTURE_PAYMENT.legs
    state = leg.at.knows.model_validate(
        {
            "payment_id": "pay_1",
            "reference": "pi_1",
            "amount": 400,
            "currency": "eur",
            "version": 1,
            "captured_before": before,
            "final": False,
        }
    )
    shown = PaymentSnapshot(
        reference="pi_1",
        status=PaymentStatus.AUTHORIZED,
        raw_status="requires_capture",
        amount=1000,
        currency="eur",
        capturable=0,
        captured=sum(parts),
    )
    found = tuple(_movement(number, amount) for number, amount in enumerate(parts))
    (evidence,) = leg.more
    judged = evidence.judge(state, shown, found[::-1])
    assert judged == (Succeeded(snapshot=shown) if taken else None)


# -- events that carry our key ---------------------------------------------------------

TOLD: Final = {
    "create": "payment_intent.created",
    "confirm": "payment_intent.succeeded",
    "capture": "payment_intent.succeeded",
    "part": "payment_intent.amount_capturable_updated",
    "cancel": "payment_intent.canceled",
    "increment": "payment_intent.amount_capturable_updated",
    "refund": "refund.created",
}
"""The event whose payload proves the command, by itself."""


def _tell(shop: Shop, event_type: str) -> None:
    """Push the newest event of this type, and apply it."""
    told = [event for event in shop.sim.events() if event.type == event_type][-1]
    assert shop.push(told).status == 200
    shop.work()


@pytest.mark.parametrize("name", TOLD)
def test_an_event_with_our_key_settles_a_doubt_without_a_read(
    quick: Shop, name: str
) -> None:
    call = _in_doubt(quick, name, Fault.LOSE_ANSWER)
    for verb in (*READS, METHODS[name][0]):
        quick.sim.faults.add(LOST, verb=verb, times=None)
    _tell(quick, TOLD[name])
    quick.watch.sent.clear()
    quick.sim.faults.add(LOST, verb="list_balance_transactions", times=None)
    assert quick.work().done["resume"] == {"done": 1}, "it was woken up"
    assert not [verb for verb in quick.watch.verbs() if verb == METHODS[name][0]]
    quick.sim.faults.clear()
    call()


def test_an_event_with_our_key_reopens_a_case(shop: Shop) -> None:
    _in_doubt(shop, "refund", Fault.LOSE_ANSWER)
    shop.sim.faults.add(LOST, times=None)
    for delay in PATIENCE.schedule:
        shop.wait_and_work(delay)
    assert shop.wait(shop.service.health()).attention["cases"] == 1
    shop.sim.faults.clear()
    _tell(shop, "refund.created")
    shop.work()
    assert shop.wait(shop.service.health()).attention["cases"] == 0
    payment = shop.scalar("SELECT id FROM paykit_payment")
    assert "operation.case_reopened" in shop.event_types(payment)
    assert shop.refunds(payment)[0].state == "succeeded"
    assert shop.balances()["refunds:eur"] == 1000


def test_an_event_is_matched_by_our_key_alone(shop: Shop) -> None:
    """Its payload has lost our metadata, and its id is one that we never heard."""
    _in_doubt(shop, "create", Fault.LOSE_ANSWER)
    (event,) = shop.sim.events()
    body, _ = shop.sim.webhook(event)
    told = json.loads(body)
    told["data"]["object"]["metadata"] = {}
    raw = json.dumps(told).encode()
    headers = sign(raw, shop.sim.webhook_secret, shop.world.now())
    assert shop.receive(raw, headers).status == 200
    shop.sim.faults.add(LOST, verb="find_payment", times=None)
    shop.work()
    (payment,) = shop.query("SELECT psp_reference FROM paykit_payment")
    assert payment["psp_reference"] == told["data"]["object"]["id"]
    (attempt,) = shop.query("SELECT proved_by FROM paykit_attempt")
    assert attempt["proved_by"] == event.id


def test_nothing_is_absent_that_an_event_has_proved(quick: Shop) -> None:
    call = _in_doubt(quick, "refund")
    quick.execute("UPDATE paykit_attempt SET proved_by = 'evt' WHERE outcome IS NULL")
    quick.world.advance(WINDOW + LAG)
    with pytest.raises(OutcomeUnknown):
        call()


def test_an_event_of_another_account_proves_nothing(quick: Shop) -> None:
    _in_doubt(quick, "capture", Fault.LOSE_ANSWER)
    quick.execute("UPDATE paykit_attempt SET binding = 'simulated:other:test'")
    _tell(quick, "payment_intent.succeeded")
    assert quick.scalar("SELECT count(proved_by) FROM paykit_attempt") == 0


@pytest.mark.parametrize("amount", [Money(400, "eur")])
def test_the_answer_to_a_settled_attempt_is_not_looked_for_again(
    quick: Shop, amount: Money
) -> None:
    payment = quick.paid()
    quick.refund_payment(payment, amount=amount)
    quick.settle()
    assert quick.scalar("SELECT count(proved_by) FROM paykit_attempt") == 0
