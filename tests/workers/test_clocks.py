"""Payments whose time is up: told of, read, canceled, and each of it once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from paykit import (
    AuthorizationExpired,
    ClockPolicy,
    Expiry,
    Money,
    OutcomeUnknown,
    PaymentState,
    Policy,
)
from paykit.engine import commit
from paykit.store import clocks, payments
from paykit.store.tx import Tx
from paykit.testing.simulated import Fault
from tests.databases import Database
from tests.support import DRIVERS, PATIENCE, Shop, open_shop

DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)
MARGIN: Final = ClockPolicy().capture_margin
HELD: Final = PaymentState.AUTHORIZED
CHALLENGE: Final = "pm_card_threeDSecure2Required"


@pytest.fixture
def shop(installed: Database) -> Shop:
    """A shop with the blocking service: what falls due is no driver's concern."""
    return open_shop(installed, "threads")


class Crash(BaseException):
    """The process is gone."""


def _clocks(shop: Shop) -> list[str]:
    rows = shop.query("SELECT id FROM paykit_work WHERE queue = 'clock' ORDER BY id")
    return [row["id"] for row in rows]


def _challenged(shop: Shop, **fields: Any) -> str:
    return shop.paid(payment_method=CHALLENGE, **fields)


def _go_to(shop: Shop, moment: datetime) -> None:
    shop.world.advance(moment - shop.world.now())


def _looks(shop: Shop) -> dict[str, int]:
    return dict(shop.work().done["clock"])


def _with(database: Database, **policy: Any) -> Shop:
    clock = ClockPolicy(**policy)
    return open_shop(
        database, "threads", policy=Policy(backoff=PATIENCE.backoff, clocks=clock)
    )


# -- the clock itself ------------------------------------------------------------------


def test_a_payment_has_a_clock_while_something_is_still_to_come(shop: Shop) -> None:
    payment = shop.create_payment(capture="manual").id
    assert _clocks(shop) == [payment]
    shop.confirm_payment(payment)
    assert _clocks(shop) == [payment]
    shop.capture_payment(payment)
    assert _clocks(shop) == []


@pytest.mark.parametrize("end", ["cancel_payment", "capture_payment", "expire"])
def test_no_end_of_a_payment_leaves_a_clock(shop: Shop, end: str) -> None:
    payment = shop.authorized()
    if end == "expire":
        shop.sim.expire_authorization(shop.reference(payment))
    else:
        getattr(shop, end)(payment)
    shop.settle()
    assert _clocks(shop) == []


def test_a_payment_that_begins_and_ends_in_one_batch_leaves_no_clock(
    shop: Shop,
) -> None:
    payment = shop.create_payment(capture="manual").id
    reference = shop.reference(payment)
    shop.sim.call("confirm_payment", reference, payment_method="pm_card_visa")
    shop.sim.call("capture_payment", reference)
    shop.deliver()
    shop.work()
    assert shop.get(payment).paid
    assert _clocks(shop) == []


def test_the_last_word_of_a_phase_about_a_clock_counts(shop: Shop) -> None:
    action, held = PaymentState.REQUIRES_ACTION, PaymentState.AUTHORIZED

    def pass_through(tx: Tx) -> None:
        clocks.follow(tx, "pay_1", action, held)
        clocks.follow(tx, "pay_1", held, PaymentState.SUCCEEDED)
        clocks.follow(tx, "pay_2", held, PaymentState.EXPIRED)
        clocks.follow(tx, "pay_2", PaymentState.FAILED, held)

    shop.run(commit(pass_through))
    assert _clocks(shop) == ["pay_2"]


def test_a_look_at_which_nothing_is_due_asks_nobody(shop: Shop) -> None:
    shop.authorized()
    shop.settle()
    asked = len(shop.watch.sent)
    shop.world.advance(clocks.FIRST_LOOK)
    assert _looks(shop) == {"waiting": 1}
    assert _looks(shop) == {}
    assert len(shop.watch.sent) == asked


# -- authorizations that end -----------------------------------------------------------


def test_the_host_is_warned_once_before_an_authorization_ends(shop: Shop) -> None:
    payment = shop.authorized()
    end = shop.authorized_until(payment)
    for by in (DAY * 6, timedelta(hours=1), timedelta(hours=1), timedelta(hours=1)):
        shop.world.advance(by)
        shop.work()
    types = shop.event_types(payment)
    assert types.count("payment.authorization_expiring") == 1
    told = shop.wait(shop.service.payment_events(payment))[-1]
    assert told.data["capture_before"] == end.isoformat()
    assert told.data["capturable"] == 1000
    assert told.cause == "clock"
    assert shop.get(payment).state is PaymentState.AUTHORIZED


def test_until_the_margin_an_authorization_can_be_captured(shop: Shop) -> None:
    payment = shop.authorized()
    _go_to(shop, shop.authorized_until(payment) - MARGIN - SECOND)
    assert shop.capture_payment(payment).paid


@pytest.mark.parametrize("after", [timedelta(0), MARGIN - SECOND, MARGIN + SECOND])
def test_after_the_margin_a_capture_is_refused_and_nothing_is_sent(
    shop: Shop, after: timedelta
) -> None:
    payment = shop.authorized()
    _go_to(shop, shop.authorized_until(payment) - MARGIN + after)
    asked = len(shop.watch.sent)
    with pytest.raises(AuthorizationExpired):
        shop.capture_payment(payment, idempotency_key="late")
    assert len(shop.watch.sent) == asked
    assert shop.claims() == {}
    assert shop.query("SELECT id FROM paykit_operation WHERE status = 'open'") == []


def test_a_capture_that_was_begun_in_time_goes_on_after_the_end(shop: Shop) -> None:
    payment = shop.authorized()
    end = shop.authorized_until(payment)
    _go_to(shop, end - MARGIN - SECOND)
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="capture_payment", times=10)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment", times=10)
    with pytest.raises(OutcomeUnknown):
        shop.capture_payment(payment, idempotency_key="k")
    shop.sim.faults.clear()
    _go_to(shop, end + SECOND)
    shop.settle()
    assert shop.capture_payment(payment, idempotency_key="k").paid


def test_the_rest_of_a_payment_in_parts_can_be_released_also_late(
    installed: Database,
) -> None:
    shop = _with(installed, capture_margin=timedelta(hours=1))
    payment = shop.authorized(multicapture=True)
    shop.capture_part(payment)
    _go_to(shop, shop.authorized_until(payment) - timedelta(minutes=30))
    with pytest.raises(AuthorizationExpired):
        shop.capture_part(payment)
    view = shop.capture_payment(payment, amount=Money(0, "eur"), final=True)
    assert (view.paid, view.captured) == (True, 400)


def test_an_authorization_that_can_be_captured_no_more_is_voided(shop: Shop) -> None:
    payment = shop.authorized()
    _go_to(shop, shop.authorized_until(payment) - MARGIN - SECOND)
    shop.work()
    assert "cancel_payment" not in shop.watch.verbs()
    shop.world.advance(SECOND)
    assert _looks(shop) == {"canceled": 1}
    assert shop.watch.verbs().count("cancel_payment") == 1
    view = shop.get(payment)
    assert view.state is PaymentState.CANCELED
    assert shop.column(payment, "cancel_reason") == "authorization_not_captured"
    began = shop.event_types(payment).index("payment.authorized") + 1
    assert shop.scalar(
        "SELECT idempotency_key FROM paykit_operation WHERE name = 'payment.cancel'"
    ) == (f"clock:{payment}:{began}:6")
    assert _clocks(shop) == []


def test_what_was_captured_in_part_is_left_to_the_psp(shop: Shop) -> None:
    payment = shop.authorized(multicapture=True)
    shop.capture_part(payment)
    _go_to(shop, shop.authorized_until(payment) + SECOND)
    shop.work()
    assert "cancel_payment" not in shop.watch.verbs()
    shop.sim.expire_authorization(shop.reference(payment))
    shop.wait_and_work(ClockPolicy().look_again)
    view = shop.get(payment)
    assert (view.state, view.captured) == (PaymentState.SUCCEEDED, 400)
    assert _clocks(shop) == []


def test_an_authorization_that_is_kept_becomes_what_the_psp_shows(
    installed: Database,
) -> None:
    shop = _with(installed, expiry=Expiry.KEEP)
    payment = shop.authorized()
    _go_to(shop, shop.authorized_until(payment) + SECOND)
    assert _looks(shop) == {"waiting": 1}
    shop.sim.expire_authorization(shop.reference(payment))
    shop.world.advance(ClockPolicy().look_again)
    assert _looks(shop) == {"over": 1}
    assert shop.get(payment).state is PaymentState.EXPIRED
    assert "cancel_payment" not in shop.watch.verbs()
    assert _clocks(shop) == []


def test_a_host_that_wants_to_authorize_again_is_told_once(
    installed: Database,
) -> None:
    shop = _with(installed, expiry=Expiry.REAUTHORIZE)
    payment = shop.authorized()
    _go_to(shop, shop.authorized_until(payment) - MARGIN)
    for _ in range(3):
        shop.work()
        shop.world.advance(ClockPolicy().look_again)
    types = shop.event_types(payment)
    assert types.count("payment.reauthorization_required") == 1
    assert "cancel_payment" not in shop.watch.verbs()


def _learn(shop: Shop, payment: str, end: datetime | None) -> None:
    """Let the PSP show another end of the authorization, or none."""

    def save(tx: Tx) -> None:
        row = payments.load(tx, payment, merchant=None, lock=True)
        payments.save(tx, row, {"capture_before": end}, cause="webhook")

    shop.run(commit(save))


@pytest.mark.parametrize("shown", [None, timedelta(days=30)], ids=["none", "later"])
def test_an_end_that_is_shown_after_the_first_look_is_not_missed(
    shop: Shop, shown: timedelta | None
) -> None:
    payment = shop.authorized()
    shop.settle()
    end = shop.authorized_until(payment)
    _learn(shop, payment, None if shown is None else end + shown)
    shop.wait_and_work(timedelta(hours=1))
    _learn(shop, payment, end)
    _go_to(shop, end - timedelta(hours=12))
    shop.work()
    assert shop.event_types(payment)[-1] == "payment.authorization_expiring"
    _go_to(shop, end - MARGIN)
    shop.work()
    assert shop.get(payment).state is PaymentState.CANCELED


def test_the_host_is_warned_of_each_end_once(shop: Shop) -> None:
    """Such as when an authorization was extended after the host was warned."""
    payment = shop.authorized()
    first = shop.authorized_until(payment)
    _go_to(shop, first - DAY)
    shop.work()
    second = first + 3 * DAY
    _learn(shop, payment, second)
    # The simulated PSP extends none; and what is told needs no read.
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment", times=None)
    for _ in range(8):
        shop.wait_and_work(DAY / 2 - timedelta(minutes=1))
    told = [
        event.data["capture_before"]
        for event in shop.wait(shop.service.payment_events(payment))
        if event.type == "payment.authorization_expiring"
    ]
    assert told == [first.isoformat(), second.isoformat()]
    assert shop.get(payment).state is PaymentState.AUTHORIZED


def test_raising_an_authorization_does_not_repeat_the_warning(shop: Shop) -> None:
    payment = shop.authorized(incremental_authorization=True)
    end = shop.authorized_until(payment)
    _go_to(shop, end - DAY)
    shop.work()
    shop.increment_authorization(payment)
    shop.run(commit(lambda tx: clocks.follow(tx, payment, HELD, HELD, other_end=True)))
    _go_to(shop, end - timedelta(hours=1))
    shop.work()
    assert shop.event_types(payment).count("payment.authorization_expiring") == 1


def test_an_account_that_is_given_up_stops_no_worker(shop: Shop) -> None:
    former, current = shop.authorized(), shop.authorized()
    shop.settle()
    binding = "simulated:former:test"
    shop.execute(
        "UPDATE paykit_payment SET binding = :to WHERE id = :id", to=binding, id=former
    )
    _go_to(shop, shop.authorized_until(current) - MARGIN)
    shop.work()
    assert shop.get(former).state is PaymentState.AUTHORIZED
    assert shop.get(current).state is PaymentState.CANCELED


# -- payers who do not come back -------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_challenge_that_nobody_finishes_is_canceled_after_a_day(
    installed: Database, driver: str
) -> None:
    shop = open_shop(installed, driver)
    payment = _challenged(shop)
    shop.wait_and_work(DAY - SECOND)
    assert shop.get(payment).state is PaymentState.REQUIRES_ACTION
    shop.wait_and_work(SECOND)
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.column(payment, "cancel_reason") == "abandoned"
    shop.settle()
    assert _clocks(shop) == []
    assert shop.charged() == 0
    if shop.runner is not None:
        shop.runner.close()


def test_the_day_begins_again_with_every_attempt_of_the_payer(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.wait_and_work(6 * DAY)
    shop.confirm_payment(payment, payment_method="pm_card_visa_chargeDeclined")
    shop.wait_and_work(2 * DAY)
    assert shop.get(payment).state is PaymentState.REQUIRES_PAYMENT_METHOD
    shop.wait_and_work(5 * DAY)
    assert shop.get(payment).state is PaymentState.CANCELED


@pytest.mark.parametrize(
    ("capture", "state"),
    [("automatic", PaymentState.SUCCEEDED), ("manual", PaymentState.AUTHORIZED)],
)
def test_a_payer_who_came_back_unheard_is_not_canceled(
    shop: Shop, capture: str, state: PaymentState
) -> None:
    payment = _challenged(shop, capture=capture)
    shop.sim.complete_authentication(shop.reference(payment))
    shop.wait_and_work(DAY)
    assert shop.get(payment).state is state
    assert "cancel_payment" not in shop.watch.verbs()


def test_a_payer_who_has_failed_unheard_may_try_again(shop: Shop) -> None:
    payment = _challenged(shop)
    shop.sim.complete_authentication(shop.reference(payment), success=False)
    shop.wait_and_work(DAY)
    assert shop.get(payment).state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert "cancel_payment" not in shop.watch.verbs()


def test_a_payer_who_comes_back_at_the_last_moment_has_paid(shop: Shop) -> None:
    payment = _challenged(shop)
    reference = shop.reference(payment)

    def pay(call: Any) -> None:
        if call.verb == "cancel_payment":
            shop.watch.before = None
            shop.sim.complete_authentication(reference)

    shop.watch.before = pay
    shop.wait_and_work(DAY)
    shop.settle()
    view = shop.get(payment)
    assert (view.state, view.captured) == (PaymentState.SUCCEEDED, 1000)
    assert shop.breaks() == set()
    assert shop.claims() == {}
    assert _clocks(shop) == []


def test_nothing_is_canceled_that_the_psp_was_not_asked_about(shop: Shop) -> None:
    payment = _challenged(shop, capture="manual")
    shop.sim.complete_authentication(shop.reference(payment))
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment", times=100)
    shop.wait_and_work(DAY)
    assert "cancel_payment" not in shop.watch.verbs()
    shop.sim.faults.clear()
    shop.wait_and_work(ClockPolicy().look_again)
    assert shop.get(payment).state is PaymentState.AUTHORIZED


def test_nobody_is_interrupted_by_the_clock(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.world.advance(7 * DAY)
    meanwhile = shop.meanwhile(shop.worker.run_once)
    assert shop.confirm_payment(payment).paid
    assert len(meanwhile) == 1
    assert "cancel_payment" not in shop.watch.verbs()


@pytest.mark.parametrize("executed", [False, True])
def test_a_worker_that_dies_while_it_cancels_cancels_once(
    shop: Shop, executed: bool
) -> None:
    payment = _challenged(shop)

    def die(call: Any) -> None:
        if call.verb == "cancel_payment":
            shop.watch.before = shop.watch.after = None
            raise Crash

    setattr(shop.watch, "after" if executed else "before", die)
    shop.world.advance(DAY)
    with pytest.raises(Crash):
        shop.work()
    for _ in range(4):
        shop.wait_and_work(timedelta(minutes=2))
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.event_types(payment).count("payment.canceled") == 1
    names = "SELECT count(*) FROM paykit_operation WHERE name = 'payment.cancel'"
    assert shop.scalar(names) == 1
    assert _clocks(shop) == []


def test_a_cancellation_that_nobody_got_through_is_begun_again_another_day(
    shop: Shop,
) -> None:
    payment = _challenged(shop)
    down = [Fault.LOSE_REQUEST_UNSENT, Fault.RATE_LIMIT]
    for fault in down:
        shop.sim.faults.add(fault, verb="cancel_payment", times=100)
    for _ in range(4):
        shop.wait_and_work(DAY / 2)
    assert shop.get(payment).state is PaymentState.REQUIRES_ACTION
    shop.sim.faults.clear()
    for _ in range(4):
        shop.wait_and_work(DAY / 2)
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.claims() == {}
    assert _clocks(shop) == []


def test_two_workers_at_one_clock_act_once(installed: Database) -> None:
    shop = open_shop(installed, "threads")
    other = open_shop(installed, "threads", world=shop.world, sim=shop.sim)
    payment = _challenged(shop)

    def overtake(call: Any) -> None:
        shop.watch.before = None
        shop.world.advance(PATIENCE.lease + SECOND)
        other.work()

    shop.world.advance(2 * DAY)
    shop.watch.before = overtake
    shop.work()
    types = shop.event_types(payment)
    assert types.count("payment.canceled") == 1
    assert types.count("payment.stuck") == 1
    assert shop.get(payment).state is PaymentState.CANCELED
    assert _clocks(shop) == []


def test_a_worker_that_has_lost_its_lease_leaves_the_clock_to_the_other(
    installed: Database,
) -> None:
    shop = open_shop(installed, "threads")
    other = open_shop(installed, "threads", world=shop.world, sim=shop.sim)
    payment = _challenged(shop)

    def die(call: Any) -> None:
        other.watch.before = None
        raise Crash

    def overtake(call: Any) -> None:
        shop.watch.before = None
        shop.world.advance(PATIENCE.lease + SECOND)
        other.watch.before = die
        with pytest.raises(Crash):
            other.work()

    shop.world.advance(DAY)
    shop.watch.before = overtake
    assert _looks(shop) == {"again": 1}
    assert shop.get(payment).state is PaymentState.REQUIRES_ACTION
    shop.wait_and_work(PATIENCE.lease)
    assert shop.get(payment).state is PaymentState.CANCELED


# -- what does not move ----------------------------------------------------------------


def test_a_payment_that_does_not_move_is_told_of_once_and_counted(
    installed: Database,
) -> None:
    shop = _with(installed, expiry=Expiry.KEEP)
    payment = shop.authorized()
    since = shop.world.now()
    for by in (31 * DAY, DAY, DAY):
        shop.world.advance(by)
        shop.work()
    assert shop.event_types(payment).count("payment.stuck") == 1
    stuck = shop.run(commit(clocks.stuck))
    assert stuck == clocks.Stuck(1, since)
    shop.cancel_payment(payment)
    assert shop.run(commit(clocks.stuck)) == clocks.Stuck(0, None)


def test_what_does_not_move_is_told_of_also_while_the_psp_is_down(shop: Shop) -> None:
    payment = _challenged(shop)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment", times=100)
    shop.wait_and_work(2 * DAY)
    assert shop.event_types(payment)[-1] == "payment.stuck"


def test_each_stay_in_a_state_has_its_own_notice(installed: Database) -> None:
    shop = _with(installed, cancel_after={})
    payment = _challenged(shop)
    shop.wait_and_work(2 * DAY)
    shop.sim.complete_authentication(shop.reference(payment), success=False)
    shop.refresh(payment)
    assert shop.run(commit(clocks.stuck)).count == 0
    shop.confirm_payment(payment, payment_method=CHALLENGE)
    shop.wait_and_work(2 * DAY)
    assert shop.event_types(payment).count("payment.stuck") == 2
    assert shop.run(commit(clocks.stuck)).count == 1


def test_a_payer_who_tries_again_is_counted_as_moving(installed: Database) -> None:
    shop = _with(installed, cancel_after={})
    payment = shop.create_payment().id
    shop.wait_and_work(8 * DAY)
    assert shop.run(commit(clocks.stuck)).count == 1
    shop.confirm_payment(payment, payment_method="pm_card_visa_chargeDeclined")
    since = shop.world.now()
    assert shop.run(commit(clocks.stuck)).count == 0
    shop.wait_and_work(8 * DAY)
    assert shop.event_types(payment).count("payment.stuck") == 2
    assert shop.run(commit(clocks.stuck)) == clocks.Stuck(1, since)


def test_a_refund_that_does_not_move_is_told_of_once(shop: Shop) -> None:
    payment = shop.paid(payment_method="pm_card_pendingRefund")
    since = shop.world.now()
    refund = shop.refund_payment(payment, amount=Money(400, "eur"))
    assert _clocks(shop) == [refund.id]
    shop.world.advance(5 * DAY)
    shop.refund_payment(payment, amount=Money(100, "eur"))
    for by in (5 * DAY, DAY):
        shop.world.advance(by)
        shop.work()
    told = shop.wait(shop.service.payment_events(payment))[-1]
    assert shop.event_types(payment).count("refund.stuck") == 1
    assert told.data["refund_id"] == refund.id
    assert shop.run(commit(clocks.stuck)) == clocks.Stuck(1, since)
    shop.sim.settle_refunds()
    shop.wait_and_work(5 * DAY)
    assert shop.refunds(payment)[0].state.value == "succeeded"
    assert _clocks(shop) == []
