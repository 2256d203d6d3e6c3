"""Nobody is charged hours after they left: `execute_before`, fences and cancels."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit import InProgress, OutcomeUnknown, PaymentView, PspRejected, PspUnavailable
from paykit.lifecycle import PaymentState
from paykit.psp import Call
from paykit.testing.simulated import Fault
from tests.support import PATIENCE, Shop

SENDS = PATIENCE.sends
A_DAY = timedelta(days=1)
BROKE = "pm_card_visa_chargeDeclined"
CHALLENGED = "pm_card_threeDSecure2Required"
TOO_LATE = timedelta(minutes=10)
LOST = Fault.LOSE_REQUEST


def _confirm_into_the_void(shop: Shop) -> str:
    """Confirm a payment, and lose every request; nobody knows whether it arrives."""
    payment = shop.create_payment(reference="order").id
    shop.sim.faults.add(LOST, verb="confirm_payment", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, idempotency_key="k")
    return payment


def _arrive_late(shop: Shop) -> None:
    """Let the confirmation that was thought lost reach the PSP after all."""
    call: Call = next(c for c in shop.watch.sent if c.verb == "confirm_payment")
    shop.wait(shop.psp.send(call))


def test_a_confirmation_that_is_too_late_is_fenced_by_a_cancel(shop: Shop) -> None:
    payment = _confirm_into_the_void(shop)
    assert shop.wait_and_work(TOO_LATE).done["resume"] == {"done": 1}
    assert shop.watch.writes()[-1] == "cancel_payment"
    assert shop.watch.writes().count("confirm_payment") == SENDS
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.claims() == {}
    _arrive_late(shop)
    shop.settle()
    assert shop.charged() == 0
    assert shop.get(payment).state is PaymentState.CANCELED
    view = shop.confirm_payment(payment, idempotency_key="k")
    assert view.state is PaymentState.CANCELED
    assert shop.create_payment(reference="order")


def test_just_in_time_it_is_still_sent(shop: Shop) -> None:
    payment = _confirm_into_the_void(shop)
    in_time = TOO_LATE - timedelta(milliseconds=1)
    assert shop.wait_and_work(in_time).done["resume"] == {"done": 1}
    assert shop.get(payment).paid
    assert "cancel_payment" not in shop.watch.verbs()


def test_a_charge_that_had_happened_is_found_and_not_fenced(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="confirm_payment", times=SENDS)
    shop.sim.faults.add(LOST, verb="read_payment")
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, idempotency_key="k")
    assert shop.wait_and_work(TOO_LATE).done["resume"] == {"done": 1}
    assert shop.get(payment).paid
    assert "cancel_payment" not in shop.watch.verbs()
    assert shop.charged() == 1


def test_a_charge_that_was_faster_than_the_fence_stands(shop: Shop) -> None:
    payment = _confirm_into_the_void(shop)
    shop.sim.faults.add(LOST, verb="read_payment")
    shop.world.advance(TOO_LATE)
    shop.meanwhile(lambda: _arrive_late_before_cancel(shop))
    assert shop.work().done["resume"] == {"done": 1}
    assert shop.get(payment).paid
    assert shop.confirm_payment(payment, idempotency_key="k").paid
    assert shop.charged() == 1


def _arrive_late_before_cancel(shop: Shop) -> object:
    call: Call = next(c for c in shop.watch.sent if c.verb == "confirm_payment")
    return shop.psp.send(call)


@pytest.mark.parametrize(
    "fault", [Fault.LOSE_REQUEST_UNSENT, Fault.RATE_LIMIT, LOST], ids=str
)
def test_a_fence_that_was_not_made_fences_nothing(shop: Shop, fault: Fault) -> None:
    payment = _confirm_into_the_void(shop)
    shop.sim.faults.add(fault, verb="cancel_payment", times=SENDS)
    assert shop.wait_and_work(TOO_LATE).done["resume"] == {"OutcomeUnknown": 1}
    assert shop.claims() == {payment: "start_confirm"}
    shop.settle(within=timedelta(hours=2))
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.claims() == {}
    _arrive_late(shop)
    assert shop.charged() == 0


@pytest.mark.parametrize(
    ("method", "state"),
    [
        (CHALLENGED, PaymentState.REQUIRES_ACTION),
        (BROKE, PaymentState.REQUIRES_PAYMENT_METHOD),
    ],
    ids=["challenged", "declined"],
)
def test_a_fence_that_comes_too_late_itself_leaves_what_had_happened(
    shop: Shop, method: str, state: PaymentState
) -> None:
    """For a day nobody worked: past the write deadline there is nothing but reads."""
    payment = shop.create_payment().id
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="confirm_payment", times=SENDS)
    shop.sim.faults.add(LOST, verb="read_payment", times=2)
    shop.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb="cancel_payment", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, payment_method=method, idempotency_key="k")
    assert shop.wait_and_work(TOO_LATE).done["resume"] == {"OutcomeUnknown": 1}
    shop.sim.faults.clear()
    assert shop.wait_and_work(A_DAY).done["resume"] == {"done": 1}
    assert shop.confirm_payment(payment, payment_method=method, idempotency_key="k")
    assert shop.get(payment).state is state
    assert shop.claims() == {}


def test_what_was_surely_not_sent_needs_no_fence(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.sim.faults.add(Fault.RATE_LIMIT, verb="confirm_payment", times=SENDS)
    with pytest.raises(PspUnavailable):
        shop.confirm_payment(payment, idempotency_key="k")
    assert shop.wait_and_work(TOO_LATE).done["resume"] == {"PspRejected": 1}
    with pytest.raises(PspRejected) as refusal:
        shop.confirm_payment(payment, idempotency_key="k")
    assert refusal.value.code == "execute_before_passed"
    assert shop.watch.writes().count("confirm_payment") == SENDS
    assert "cancel_payment" not in shop.watch.verbs()
    assert shop.claims() == {}
    assert shop.confirm_payment(payment, idempotency_key="again").paid


def test_a_cancel_takes_over_from_a_confirmation_in_doubt(shop: Shop) -> None:
    payment = _confirm_into_the_void(shop)
    canceled = shop.cancel_payment(payment)
    assert canceled.state is PaymentState.CANCELED
    _arrive_late(shop)
    assert shop.charged() == 0
    ends = shop.wait_and_work(PATIENCE.schedule[0]).done["resume"]
    assert ends == {"PspRejected": 1}
    with pytest.raises(PspRejected) as refusal:
        shop.confirm_payment(payment, idempotency_key="k")
    assert refusal.value.code == "payment_canceled"
    assert shop.charged() == 0
    shop.settle()
    assert shop.get(payment).state is PaymentState.CANCELED


@pytest.mark.parametrize("fault", [LOST, Fault.LOSE_REQUEST_UNSENT], ids=str)
def test_what_a_cancel_has_taken_over_is_not_sent_any_more(
    quick: Shop, fault: Fault
) -> None:
    """Also while the cancel cannot be sent, and its turn comes after the other's."""
    payment = quick.create_payment().id
    quick.sim.faults.add(fault, verb="confirm_payment", times=SENDS)
    with pytest.raises((OutcomeUnknown, PspUnavailable)):
        quick.confirm_payment(payment, idempotency_key="k")
    quick.world.advance(timedelta(seconds=5))
    quick.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb="cancel_payment", times=SENDS)
    with pytest.raises(PspUnavailable):
        quick.cancel_payment(payment, idempotency_key="x")
    quick.sim.faults.clear()
    sent = quick.watch.writes().count("confirm_payment")
    quick.wait_and_work(PATIENCE.schedule[0] - timedelta(seconds=5))
    quick.settle()
    assert quick.watch.writes().count("confirm_payment") == sent
    assert quick.charged() == 0
    assert quick.cancel_payment(payment, idempotency_key="x").state is (
        PaymentState.CANCELED
    )
    assert quick.claims() == {}


def test_a_cancel_that_was_too_slow_says_that_the_payment_is_paid(shop: Shop) -> None:
    payment = _confirm_into_the_void(shop)
    _arrive_late(shop)
    assert shop.cancel_payment(payment).paid
    shop.settle()
    assert shop.confirm_payment(payment, idempotency_key="k").paid
    assert shop.charged() == 1
    assert shop.balances()["sales:eur"] == -1000
    assert shop.claims() == {}


def test_a_cancel_while_the_confirmation_is_on_its_way(shop: Shop) -> None:
    payment = shop.create_payment().id
    cancel = shop.service.cancel_payment
    meanwhile = shop.meanwhile(lambda: cancel(payment, idempotency_key="x"))
    with pytest.raises(PspRejected):
        shop.confirm_payment(payment)
    (canceled,) = meanwhile
    assert isinstance(canceled, PaymentView)
    assert canceled.state is PaymentState.CANCELED
    assert shop.charged() == 0
    assert shop.claims() == {}


def test_a_capture_is_not_taken_over_by_a_cancel(shop: Shop) -> None:
    payment = shop.authorized()
    shop.sim.faults.add(LOST, verb="capture_payment", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.capture_payment(payment)
    with pytest.raises(InProgress, match="start_capture"):
        shop.cancel_payment(payment)


def test_only_a_confirmation_has_somebody_waiting(shop: Shop) -> None:
    """The others may be executed for as long as the PSP remembers the key."""
    payment = shop.authorized()
    shop.sim.faults.add(LOST, verb="capture_payment", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.capture_payment(payment)
    shop.wait_and_work(timedelta(hours=22))
    assert shop.get(payment).paid
