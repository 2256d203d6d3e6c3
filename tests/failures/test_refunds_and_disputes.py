"""Money that goes back: refunds, disputes, and debits that a bank takes back."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paykit import (
    DisputeState,
    InvalidMoney,
    Money,
    OutcomeUnknown,
    PaykitError,
    PaymentDisputed,
    PaymentService,
    PaymentState,
    RefundExceedsCaptured,
    RefundPayment,
    RefundState,
    RefundView,
)
from paykit.testing.simulated import Fault
from tests.barriers.crowd import crowd
from tests.databases import Database
from tests.failures.stories import SENDS, arrive
from tests.support import VISA, Shop
from tests.sweep.verdict import Told


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def test_23_refunds_at_the_same_time_stay_within_what_was_captured(
    installed: Database,
) -> None:
    with crowd(installed, 8) as servers:
        payment = servers.charged("order", 100).id

        def refund(number: int, service: PaymentService) -> Told:
            key = f"refund-{number}"
            call = partial(
                service.refund_payment,
                payment,
                idempotency_key=key,
                amount=Money(30, "usd"),
            )
            return servers.tell("payment.refund", key, call)

        told = servers.at_once(refund)
        assert sum(isinstance(one, RefundView) for one in told) == 3
        refused = [one for one in told if isinstance(one, PaykitError)]
        assert {type(error) for error in refused} == {RefundExceedsCaptured}
        assert sum(servers.sim.effects().refunded.values()) == 90
        servers.settle()
        assert servers.service.get_payment(payment).refundable == 10
        assert servers.violations() == []


def test_23_a_refund_in_doubt_keeps_its_place(shop: Shop) -> None:
    payment = shop.paid()
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_refund", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.refund_payment(payment, amount=eur(600), idempotency_key="first")
    with pytest.raises(RefundExceedsCaptured):
        shop.refund_payment(payment, amount=eur(600), idempotency_key="second")
    shop.refund_payment(payment, amount=eur(600), idempotency_key="first")
    assert shop.at_psp()["refunded"] == 600


def _captured_in_part(shop: Shop) -> str:
    payment = shop.authorized(1000)
    shop.capture_payment(payment, amount=eur(700))
    return payment


@pytest.mark.parametrize("minor", [-1, 0])
def test_24_a_refund_of_nothing_or_less_creates_no_credit(
    quick: Shop, minor: int
) -> None:
    payment = _captured_in_part(quick)
    before, sent = quick.balances(), len(quick.watch.sent)
    with pytest.raises(InvalidMoney):
        quick.refund_payment(payment, amount=Money(minor, "eur"))
    command = RefundPayment(payment_id=payment, amount=minor)
    with pytest.raises(InvalidMoney):
        quick.begin(command, idempotency_key="by-hand")
    assert quick.balances() == before
    assert len(quick.watch.sent) == sent
    assert quick.get(payment).refundable == 700


@given(minor=st.integers(1, 2000))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_24_what_was_captured_is_the_ceiling_and_not_what_was_asked_for(
    quick: Shop, minor: int
) -> None:
    payment = _captured_in_part(quick)
    refunded = quick.at_psp()["refunded"]
    if minor > 700:
        with pytest.raises(RefundExceedsCaptured):
            quick.refund_payment(payment, amount=eur(minor))
        minor = 0
    else:
        quick.refund_payment(payment, amount=eur(minor))
    assert quick.at_psp()["refunded"] == refunded + minor
    assert quick.get(payment).refundable == 700 - minor


def test_25_a_refund_that_fails_weeks_later_is_taken_out_of_the_books(
    shop: Shop,
) -> None:
    payment = shop.paid(payment_method="pm_card_refundFail")
    refund = shop.refund_payment(payment)
    shop.settle()
    assert refund.state is RefundState.SUCCEEDED
    assert shop.balances()["refunds:eur"] == 1000
    shop.world.advance(timedelta(days=30))
    shop.sim.settle_refunds()
    shop.settle()
    (after,) = shop.refunds(payment)
    assert after.state is RefundState.FAILED
    assert after.failure_reason
    view = shop.get(payment)
    assert (view.refunded, view.refundable) == (0, 1000)
    assert "refunds:eur" not in shop.balances()
    assert shop.event_types(payment).count("refund.failed") == 1
    assert shop.refund_payment(payment).state is RefundState.SUCCEEDED


# -- disputes --------------------------------------------------------------------------


def test_26_a_dispute_of_more_than_was_captured_is_booked_and_shown(
    shop: Shop,
) -> None:
    payment = _captured_in_part(shop)
    shop.settle()
    shop.sim.controls.open_dispute(shop.reference(payment), amount=1000)
    shop.settle()
    (dispute,) = shop.wait(shop.service.list_disputes(payment))
    assert (dispute.amount, dispute.state) == (1000, DisputeState.NEEDS_RESPONSE)
    assert dispute.evidence_due_by is not None
    view = shop.get(payment)
    assert (view.captured, view.disputed) == (700, 1000)
    assert shop.balances()["disputes:eur"] == 1000
    assert shop.breaks() == {"disputed_too_much"}
    assert set(_inbox(shop)) == {"applied"}
    assert "dispute.opened" in shop.event_types(payment)


def test_26_a_dispute_that_is_heard_of_before_its_capture_is_no_break_in_the_end(
    shop: Shop,
) -> None:
    payment = shop.create_payment().id
    shop.settle()
    shop.sim.call("confirm_payment", shop.reference(payment), payment_method=VISA)
    shop.sim.controls.open_dispute(shop.reference(payment))
    events = shop.sim.events(undelivered=True)
    arrive(shop, [event for event in events if "dispute" in event.type])
    assert _open_breaks(shop) == ["disputed_too_much"]
    arrive(shop, events)
    shop.settle()
    view = shop.get(payment)
    assert (view.captured, view.disputed) == (1000, 1000)
    assert _open_breaks(shop) == []


def _open_breaks(shop: Shop) -> list[str]:
    rows = shop.query("SELECT kind FROM paykit_break WHERE resolved_at IS NULL")
    return [row["kind"] for row in rows]


def _inbox(shop: Shop) -> list[str]:
    return [row["status"] for row in shop.query("SELECT status FROM paykit_inbox")]


def test_27_while_a_dispute_has_the_money_nothing_is_refunded(shop: Shop) -> None:
    payment = shop.paid()
    shop.settle()
    dispute = shop.sim.controls.open_dispute(shop.reference(payment))
    shop.settle()
    sent = len(shop.watch.sent)
    with pytest.raises(PaymentDisputed):
        shop.refund_payment(payment)
    assert len(shop.watch.sent) == sent
    assert shop.at_psp()["refunded"] == 0
    assert shop.refunds(payment) == ()
    shop.sim.controls.resolve_dispute(dispute, "won")
    shop.settle()
    assert shop.refund_payment(payment).state is RefundState.SUCCEEDED


def test_27_an_inquiry_can_be_settled_by_a_refund(shop: Shop) -> None:
    payment = shop.paid()
    shop.settle()
    shop.sim.controls.open_dispute(shop.reference(payment), kind="inquiry")
    shop.settle()
    assert shop.refund_payment(payment).state is RefundState.SUCCEEDED
    shop.settle()
    (dispute,) = shop.wait(shop.service.list_disputes(payment))
    assert dispute.state is DisputeState.WARNING_CLOSED
    assert shop.at_psp()["refunded"] == 1000
    assert shop.balances().get("disputes:eur", 0) == 0


def test_27_a_dispute_that_overtakes_a_refund_gives_the_money_back_once(
    shop: Shop,
) -> None:
    payment = shop.paid(payment_method="pm_card_pendingRefund")
    assert shop.refund_payment(payment).state is RefundState.PENDING
    shop.settle()
    shop.sim.controls.open_dispute(shop.reference(payment))
    shop.settle()
    (refund,) = shop.refunds(payment)
    assert refund.state is RefundState.FAILED
    assert refund.failure_reason == "charge_for_pending_refund_disputed"
    view = shop.get(payment)
    assert (view.refunded, view.disputed) == (0, 1000)
    balances = shop.balances()
    assert balances["disputes:eur"] == 1000
    assert "refunds:eur" not in balances


def _ended_won(shop: Shop, payment: str) -> None:
    (known,) = shop.wait(shop.service.list_disputes(payment))
    assert known.state is DisputeState.WON
    assert shop.get(payment).disputed == 0
    assert shop.balances().get("disputes:eur", 0) == 0
    assert shop.balances()["sales:eur"] == -1000
    types = shop.event_types(payment)
    assert types.count("dispute.opened") == 1
    assert types.count("dispute.funds_withdrawn") == 1
    assert types.count("dispute.funds_reinstated") == 1


def test_28_a_lost_dispute_that_is_won_weeks_later_is_corrected(shop: Shop) -> None:
    payment = shop.paid()
    shop.settle()
    dispute = shop.sim.controls.open_dispute(shop.reference(payment))
    shop.sim.controls.resolve_dispute(dispute, "lost")
    shop.settle()
    (lost,) = shop.wait(shop.service.list_disputes(payment))
    assert lost.state is DisputeState.LOST
    assert shop.balances()["disputes:eur"] == 1000
    shop.world.advance(timedelta(days=60))
    shop.sim.controls.resolve_dispute(dispute, "won")
    shop.settle()
    _ended_won(shop, payment)


def test_28_the_events_of_a_dispute_may_come_backwards(shop: Shop) -> None:
    payment = shop.paid()
    shop.settle()
    dispute = shop.sim.controls.open_dispute(shop.reference(payment))
    shop.sim.controls.resolve_dispute(dispute, "lost")
    shop.sim.controls.resolve_dispute(dispute, "won")
    events = shop.sim.events(undelivered=True)
    assert {event.type for event in events} >= {
        "charge.dispute.created",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    }
    arrive(shop, [*reversed(events), *events])
    shop.settle()
    _ended_won(shop, payment)


# -- debits ----------------------------------------------------------------------------


def test_46_a_debit_that_the_bank_takes_back_is_taken_out_of_the_books(
    shop: Shop,
) -> None:
    payment = shop.create_payment(amount=Money(1000, "usd")).id
    shop.confirm_payment(payment, payment_method="pm_usBankAccount_success")
    shop.sim.settle_charges()
    shop.settle()
    assert shop.get(payment).paid
    assert shop.balances()["sales:usd"] == -1000
    shop.world.advance(timedelta(days=30))
    shop.sim.return_debit(shop.reference(payment))
    shop.settle()
    view = shop.get(payment)
    assert view.state is PaymentState.FAILED
    assert (view.captured, view.returned) == (1000, 1000)
    assert "sales:usd" not in shop.balances()
    assert shop.event_types(payment).count("payment.failed") == 1
    with pytest.raises(PaykitError):
        shop.refund_payment(payment)
    assert shop.at_psp()["refunded"] == 0
