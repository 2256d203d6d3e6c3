"""When requests or answers are lost: nothing fails, and nothing happens twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import (
    InProgress,
    LeaseLost,
    Money,
    OutcomeUnknown,
    Policy,
    PspUnavailable,
)
from paykit.lifecycle import PaymentState, RefundState
from paykit.testing.simulated import Fault
from tests.databases import Database
from tests.support import DRIVERS, PATIENCE, Shop, open_shop

VERBS: Final[Mapping[str, str]] = {
    "create_payment": "create_payment",
    "confirm_payment": "confirm_payment",
    "capture_payment": "capture_payment",
    "capture_part": "capture_payment",
    "increment_authorization": "increment_authorization",
    "update_payment": "update_payment",
    "cancel_payment": "cancel_payment",
    "refund_payment": "create_refund",
}
"""The PSP's verb for each method."""

each_method = pytest.mark.parametrize("method", VERBS)

EXECUTED: Final = (Fault.LOSE_ANSWER, Fault.TRUNCATED, Fault.ERROR_AFTER, Fault.HANG)
NOT_EXECUTED: Final = (Fault.LOSE_REQUEST, Fault.ERROR_BEFORE, Fault.KEY_IN_USE)
TURNED_AWAY: Final = (Fault.LOSE_REQUEST_UNSENT, Fault.RATE_LIMIT, Fault.LOCK_TIMEOUT)

SENDS: Final = PATIENCE.sends
FIRST_LOOK: Final = PATIENCE.schedule[0]


def _subject(shop: Shop, method: str) -> tuple[str, ...]:
    match method:
        case "create_payment":
            return ()
        case "confirm_payment" | "update_payment":
            return (shop.create_payment().id,)
        case "capture_part":
            return (shop.authorized(multicapture=True),)
        case "increment_authorization":
            return (shop.authorized(incremental_authorization=True),)
        case "refund_payment":
            return (shop.paid(),)
        case _:
            return (shop.authorized(),)


def _call(shop: Shop, method: str, subject: tuple[str, ...]) -> Any:
    return getattr(shop, method)(*subject, idempotency_key="k")


def _assert_done(shop: Shop, method: str, result: Any) -> None:
    """Check that `method` came to its usual end, once, here and at the PSP."""
    effects = shop.sim.effects()
    match method:
        case "create_payment":
            assert result.state is PaymentState.REQUIRES_PAYMENT_METHOD
            assert len(effects.charges) == 1
        case "update_payment":
            assert (result.amount, len(effects.charges)) == (700, 1)
            assert shop.sim.intent(result.psp_reference).amount == 700
        case "increment_authorization":
            assert (result.amount, result.captured) == (1500, 0)
            assert shop.sim.intent(result.psp_reference).amount_capturable == 1500
        case "capture_part":
            assert result.state is PaymentState.AUTHORIZED
            assert (result.captured, result.capturable) == (400, 600)
            assert shop.at_psp()["captured"] == 400
            assert shop.balances()["sales:eur"] == -400
        case "cancel_payment":
            assert result.state is PaymentState.CANCELED
            assert shop.at_psp()["captured"] == 0
        case "refund_payment":
            assert result.state is RefundState.SUCCEEDED
            assert shop.at_psp() == {"captured": 1000, "refunded": 1000}
            assert shop.balances()["refunds:eur"] == 1000
        case _:
            assert result.paid
            assert shop.at_psp()["captured"] == 1000
            assert shop.balances()["sales:eur"] == -1000
    assert shop.charged() == (method not in {"create_payment", "update_payment"})
    assert shop.breaks() == set()
    assert shop.claims() == {}
    assert shop.scalar("SELECT count(*) FROM paykit_work WHERE queue='operation'") == 0


@each_method
@pytest.mark.parametrize("fault", [*EXECUTED, *NOT_EXECUTED, *TURNED_AWAY])
def test_one_fault_is_survived_within_the_call(
    quick: Shop, method: str, fault: Fault
) -> None:
    subject = _subject(quick, method)
    quick.sim.faults.add(fault, verb=VERBS[method])
    result = _call(quick, method, subject)
    _assert_done(quick, method, result)
    assert _call(quick, method, subject) == result


@each_method
def test_a_lost_answer_is_survived(shop: Shop, method: str) -> None:
    subject = _subject(shop, method)
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb=VERBS[method])
    _assert_done(shop, method, _call(shop, method, subject))


@each_method
@pytest.mark.parametrize("fault", EXECUTED)
def test_what_was_executed_is_found_by_reading(
    quick: Shop, method: str, fault: Fault
) -> None:
    subject = _subject(quick, method)
    quick.sim.faults.add(fault, verb=VERBS[method], times=None)
    result = _call(quick, method, subject)
    _assert_done(quick, method, result)


@each_method
@pytest.mark.parametrize("fault", NOT_EXECUTED)
def test_what_nobody_knows_is_resolved_by_a_worker(
    quick: Shop, method: str, fault: Fault
) -> None:
    subject = _subject(quick, method)
    quick.sim.faults.add(fault, verb=VERBS[method], times=SENDS)
    with pytest.raises(OutcomeUnknown) as unknown:
        _call(quick, method, subject)
    assert unknown.value.operation_id in str(unknown.value)
    assert quick.work().done["resume"] == {}, "it is not due yet"
    assert quick.wait_and_work(FIRST_LOOK).done["resume"] == {"done": 1}
    _assert_done(quick, method, _call(quick, method, subject))


@each_method
def test_a_lost_request_is_resolved_by_a_worker(shop: Shop, method: str) -> None:
    subject = _subject(shop, method)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb=VERBS[method], times=SENDS)
    with pytest.raises(OutcomeUnknown):
        _call(shop, method, subject)
    assert shop.wait_and_work(FIRST_LOOK).done["resume"] == {"done": 1}
    _assert_done(shop, method, _call(shop, method, subject))


@each_method
def test_a_caller_who_repeats_resolves_it_too(quick: Shop, method: str) -> None:
    subject = _subject(quick, method)
    quick.sim.faults.add(Fault.LOSE_REQUEST, verb=VERBS[method], times=SENDS)
    with pytest.raises(OutcomeUnknown):
        _call(quick, method, subject)
    _assert_done(quick, method, _call(quick, method, subject))


@each_method
def test_every_send_is_the_same_bytes_under_the_same_key(
    quick: Shop, method: str
) -> None:
    subject = _subject(quick, method)
    first = len(quick.watch.sent)
    quick.sim.faults.add(Fault.LOSE_REQUEST, verb=VERBS[method], times=SENDS)
    with pytest.raises(OutcomeUnknown):
        _call(quick, method, subject)
    quick.wait_and_work(FIRST_LOOK)
    sent = [call for call in quick.watch.sent[first:] if call.verb == VERBS[method]]
    assert len(sent) == SENDS + 1
    assert len(set(sent)) == 1
    stored = quick.query(
        "SELECT verb, parameters, psp_key FROM paykit_attempt WHERE psp_key = :key",
        key=sent[0].idempotency_key,
    )
    assert [tuple(row.values()) for row in stored] == [
        (sent[0].verb, sent[0].parameters, sent[0].idempotency_key)
    ]


@each_method
@pytest.mark.parametrize("fault", TURNED_AWAY)
def test_what_was_not_executed_is_said_and_may_be_repeated(
    quick: Shop, method: str, fault: Fault
) -> None:
    subject = _subject(quick, method)
    quick.sim.faults.add(fault, verb=VERBS[method], times=SENDS)
    with pytest.raises(PspUnavailable, match="nothing was executed") as error:
        _call(quick, method, subject)
    assert error.value.retry_after_seconds > 0
    _assert_done(quick, method, _call(quick, method, subject))


@each_method
def test_nothing_milder_undoes_a_doubt(quick: Shop, method: str) -> None:
    """After one send that may have been executed, "not sent" proves nothing."""
    subject = _subject(quick, method)
    verb = VERBS[method]
    quick.sim.faults.add(Fault.LOSE_REQUEST, verb=verb)
    quick.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb=verb, times=SENDS - 1)
    with pytest.raises(OutcomeUnknown):
        _call(quick, method, subject)
    quick.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb=verb, times=SENDS)
    with pytest.raises(OutcomeUnknown):
        _call(quick, method, subject)
    quick.sim.faults.add(Fault.RATE_LIMIT, verb=verb, times=SENDS)
    assert quick.wait_and_work(FIRST_LOOK).done["resume"] == {"OutcomeUnknown": 1}
    quick.sim.faults.clear()  # what is left of them: the breaker held sends back
    _assert_done(quick, method, _call(quick, method, subject))


@each_method
def test_a_doubt_after_not_sent_is_a_doubt(quick: Shop, method: str) -> None:
    subject = _subject(quick, method)
    verb = VERBS[method]
    quick.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb=verb, times=SENDS)
    with pytest.raises(PspUnavailable):
        _call(quick, method, subject)
    quick.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb=verb)
    quick.sim.faults.add(Fault.LOSE_REQUEST, verb=verb)
    quick.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb=verb)
    with pytest.raises(OutcomeUnknown):
        _call(quick, method, subject)


def test_a_decline_whose_answer_was_lost_is_still_a_decline(quick: Shop) -> None:
    for fault in EXECUTED:
        payment = quick.create_payment().id
        quick.sim.faults.clear()
        quick.sim.faults.add(fault, verb="confirm_payment", times=None)
        declined = quick.confirm_payment(
            payment, payment_method="pm_card_visa_chargeDeclinedStolenCard"
        )
        assert declined.decline is not None, fault
        assert declined.decline.decline_code == "stolen_card"
        assert declined.state is PaymentState.REQUIRES_PAYMENT_METHOD


def test_a_decline_of_another_attempt_is_not_taken_for_ours(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.confirm_payment(payment, payment_method="pm_card_visa_chargeDeclined")
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="confirm_payment", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, idempotency_key="second")
    assert shop.confirm_payment(payment, idempotency_key="second").paid


def test_a_conflict_after_a_doubt_decides_nothing(shop: Shop) -> None:
    """The first request may still arrive, whatever the second one was told."""
    payment = shop.create_payment().id
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="confirm_payment")
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, payment_method=None)
    assert shop.watch.writes().count("confirm_payment") == 2
    assert shop.claims() == {payment: "start_confirm"}


def test_a_conflict_is_not_decided_unread(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment")
    with pytest.raises(OutcomeUnknown):
        shop.confirm_payment(payment, payment_method=None)
    assert shop.claims() == {payment: "start_confirm"}


@pytest.mark.parametrize("success", [True, False])
def test_an_action_whose_answer_was_lost_is_found(shop: Shop, success: bool) -> None:
    payment = shop.create_payment().id
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="confirm_payment", times=None)
    waiting = shop.confirm_payment(
        payment, payment_method="pm_card_threeDSecure2Required"
    )
    assert waiting.state is PaymentState.REQUIRES_ACTION
    shop.sim.complete_authentication(shop.reference(payment), success=success)
    shop.settle()
    assert shop.get(payment).paid is success


# -- the schedule ----------------------------------------------------------------------


def _lose_everything(shop: Shop) -> None:
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None)


@each_method
def test_looking_has_a_schedule_and_its_end_is_a_person(
    quick: Shop, method: str
) -> None:
    subject = _subject(quick, method)
    quick.settle()
    _lose_everything(quick)
    with pytest.raises(OutcomeUnknown):
        _call(quick, method, subject)
    looks = 0
    for delay in PATIENCE.schedule:
        early = quick.wait_and_work(delay - timedelta(milliseconds=1))
        assert early.done["resume"] == {}
        ends = quick.wait_and_work(timedelta(milliseconds=1)).done["resume"]
        looks += sum(ends.values())
    assert looks == len(PATIENCE.schedule)
    assert quick.wait_and_work(timedelta(days=30)).done["resume"] == {}
    row = quick.query("SELECT status FROM paykit_operation WHERE idempotency_key = 'k'")
    assert row[0]["status"] == "case"
    with pytest.raises(OutcomeUnknown, match="a person"):
        _call(quick, method, subject)


@each_method
def test_nothing_is_written_once_the_key_may_be_forgotten(
    shop: Shop, method: str
) -> None:
    subject = _subject(shop, method)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb=VERBS[method], times=SENDS)
    with pytest.raises(OutcomeUnknown):
        _call(shop, method, subject)
    shop.world.advance(timedelta(hours=23))
    shop.watch.sent.clear()
    # A confirmation would be fenced, which is a write with a key of its own.
    shop.sim.faults.add(Fault.LOSE_REQUEST_UNSENT, verb="cancel_payment", times=None)
    with pytest.raises(OutcomeUnknown):
        _call(shop, method, subject)
    assert VERBS[method] not in shop.watch.verbs()
    assert shop.watch.verbs(), "it is still read"


def test_just_before_the_window_ends_it_is_written(shop: Shop) -> None:
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_payment", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    shop.world.advance(timedelta(hours=23) - timedelta(seconds=1))
    assert shop.create_payment(idempotency_key="k").psp_reference


@each_method
def test_what_was_executed_is_found_even_after_the_window(
    quick: Shop, method: str
) -> None:
    subject = _subject(quick, method)
    quick.sim.faults.add(Fault.LOSE_ANSWER, verb=VERBS[method], times=SENDS)
    for verb in ("read_payment", "find_payment", "find_refund"):
        quick.sim.faults.add(Fault.LOSE_REQUEST, verb=verb)
    with pytest.raises(OutcomeUnknown):
        _call(quick, method, subject)
    quick.sim.faults.clear()
    quick.world.advance(timedelta(hours=25))
    quick.work()
    _assert_done(quick, method, _call(quick, method, subject))


# -- leases ----------------------------------------------------------------------------


def _late_answer(shop: Shop, method: str, subject: tuple[str, ...]) -> None:
    """Let the caller's answer come when a worker, who heard nothing, has taken over."""
    shop.sim.faults.clear()
    act: Callable[[], Any] = shop.worker.run_once

    def take_over() -> Any:
        shop.world.advance(PATIENCE.lease)
        for verb in (VERBS[method], "read_payment", "find_payment", "find_refund"):
            shop.sim.faults.add(Fault.LOSE_REQUEST, verb=verb, times=None)
        return act()

    meanwhile = shop.meanwhile(take_over, executed=True)
    with pytest.raises(LeaseLost):
        _call(shop, method, subject)
    assert meanwhile
    shop.sim.faults.clear()


@each_method
def test_a_late_answer_is_kept_and_used(shop: Shop, method: str) -> None:
    subject = _subject(shop, method)
    _late_answer(shop, method, subject)
    shop.watch.sent.clear()
    shop.sim.faults.add(Fault.LOSE_REQUEST, times=None, when=_is_not_about_fees)
    ends = shop.wait_and_work(timedelta(minutes=2)).done["resume"]
    assert ends == {"done": 1}
    assert shop.watch.writes() == [], "the kept answer was enough"
    shop.sim.faults.clear()
    _assert_done(shop, method, _call(shop, method, subject))


def _is_not_about_fees(request: Any) -> bool:
    return bool(request.verb != "list_balance_transactions")


@each_method
def test_a_worker_without_its_lease_advances_nothing(quick: Shop, method: str) -> None:
    subject = _subject(quick, method)
    before = quick.query("SELECT id, state, version FROM paykit_payment ORDER BY id")
    _late_answer(quick, method, subject)
    status = quick.scalar(
        "SELECT status FROM paykit_operation WHERE idempotency_key = 'k'"
    )
    assert status == "open"
    if method in {"confirm_payment", "capture_payment", "cancel_payment"}:
        after = quick.query("SELECT id, state, version FROM paykit_payment ORDER BY id")
        assert after == before


def test_while_the_lease_holds_no_worker_takes_over(shop: Shop) -> None:
    almost = PATIENCE.lease - timedelta(milliseconds=1)

    def look() -> Any:
        shop.world.advance(almost)
        return shop.worker.run_once()

    meanwhile = shop.meanwhile(look)
    shop.create_payment()
    (report,) = meanwhile
    assert report.done["resume"] == {}  # type: ignore[attr-defined]
    assert shop.watch.writes() == ["create_payment"]


def test_a_worker_and_a_caller_do_not_work_on_one_key(shop: Shop) -> None:
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_payment", times=SENDS)
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    shop.world.advance(FIRST_LOOK)
    create = shop.service.create_payment
    meanwhile = shop.meanwhile(
        lambda: create(amount=Money(1000, "eur"), idempotency_key="k")
    )
    assert shop.work().done["resume"] == {"done": 1}
    assert isinstance(meanwhile[0], InProgress)


@pytest.mark.parametrize("driver", DRIVERS)
def test_patience_is_a_setting(installed: Database, driver: str) -> None:
    policy = Policy(sends=1, backoff=PATIENCE.backoff, schedule=())
    shop = open_shop(installed, driver, policy=policy)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_payment")
    with pytest.raises(OutcomeUnknown):
        shop.create_payment()
    assert shop.watch.writes() == ["create_payment"]
    assert shop.scalar("SELECT status FROM paykit_operation") == "case"
    if shop.runner is not None:
        shop.runner.close()
