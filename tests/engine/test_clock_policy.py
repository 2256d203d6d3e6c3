"""What is due when: the decision about a payment that stays where it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from paykit import ClockPolicy, Expiry, PaymentState, RefundState
from paykit.engine.clocks import ABANDONED, NOT_CAPTURED, Decision, Notice, Stay, decide

SINCE: Final = datetime(2030, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)
POLICY: Final = ClockPolicy()


def _stay(state: PaymentState | RefundState, **fields: Any) -> Stay:
    return Stay(state=state, since=SINCE, **fields)


def _held(**fields: Any) -> Stay:
    return _stay(PaymentState.AUTHORIZED, capture_before=SINCE + 7 * DAY, **fields)


def _at(after: timedelta, stay: Stay, **policy: Any) -> Decision:
    return decide(ClockPolicy(**policy), stay, SINCE + after)


def test_nothing_is_due_at_first() -> None:
    decision = _at(HOUR, _held())
    assert (decision.read, decision.notices, decision.cancel) == (False, (), None)
    assert decision.look_at == SINCE + 6 * DAY


def test_the_warning_comes_a_day_before_the_end() -> None:
    assert _at(6 * DAY - SECOND, _held()).notices == ()
    decision = _at(6 * DAY, _held())
    assert decision.read
    assert decision.notices == (Notice.AUTHORIZATION_EXPIRING,)
    assert decision.look_at == SINCE + 7 * DAY - POLICY.capture_margin


def test_the_warning_comes_no_earlier_than_after_half_of_the_authorization() -> None:
    short = _stay(PaymentState.AUTHORIZED, capture_before=SINCE + 10 * HOUR)
    assert _at(5 * HOUR - SECOND, short).notices == ()
    assert _at(5 * HOUR, short).notices == (Notice.AUTHORIZATION_EXPIRING,)


def test_what_was_told_in_a_stay_is_not_told_again() -> None:
    told = _held(told=frozenset({Notice.AUTHORIZATION_EXPIRING}))
    decision = _at(6 * DAY + HOUR, told)
    assert (decision.read, decision.notices) == (False, ())


def test_a_warning_that_comes_too_late_is_not_told() -> None:
    assert Notice.AUTHORIZATION_EXPIRING not in _at(7 * DAY, _held()).notices


@pytest.mark.parametrize(
    ("after", "cancel"), [(-SECOND, None), (timedelta(0), NOT_CAPTURED)]
)
def test_an_authorization_is_voided_when_it_can_be_captured_no_more(
    after: timedelta, cancel: str | None
) -> None:
    last = 7 * DAY - POLICY.capture_margin
    assert _at(last + after, _held()).cancel == cancel


def test_what_was_captured_in_part_is_not_voided() -> None:
    decision = _at(8 * DAY, _held(partly_captured=True))
    assert (decision.read, decision.cancel) == (True, None)


@pytest.mark.parametrize(
    ("expiry", "notices"),
    [(Expiry.KEEP, ()), (Expiry.REAUTHORIZE, (Notice.REAUTHORIZATION_REQUIRED,))],
)
def test_an_authorization_that_is_not_voided_is_read_until_it_has_ended(
    expiry: Expiry, notices: tuple[Notice, ...]
) -> None:
    decision = _at(7 * DAY, _held(), expiry=expiry)
    assert (decision.read, decision.notices, decision.cancel) == (True, notices, None)
    assert decision.look_at == SINCE + 7 * DAY + POLICY.look_again


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (PaymentState.REQUIRES_ACTION, DAY),
        (PaymentState.REQUIRES_PAYMENT_METHOD, 7 * DAY),
        (PaymentState.REQUIRES_CONFIRMATION, 7 * DAY),
    ],
)
def test_a_payer_is_waited_for_so_long(state: PaymentState, after: timedelta) -> None:
    assert _at(after - SECOND, _stay(state)).cancel is None
    assert _at(after, _stay(state)).cancel == ABANDONED


@pytest.mark.parametrize("state", sorted(POLICY.stuck_after))
def test_each_state_has_a_time_after_which_it_is_unusual(state: PaymentState) -> None:
    after = POLICY.stuck_after[state]
    assert Notice.STUCK not in _at(after - SECOND, _stay(state)).notices
    decision = _at(after, _stay(state))
    assert decision.notices == (Notice.STUCK,)
    assert decision.look_at == SINCE + after + POLICY.look_again


@pytest.mark.parametrize("state", sorted(POLICY.refund_stuck_after))
def test_a_refund_is_told_of_and_never_canceled(state: RefundState) -> None:
    decision = _at(10 * DAY, _stay(state))
    assert (decision.notices, decision.cancel) == ((Notice.STUCK,), None)
    assert _at(10 * DAY - SECOND, _stay(state)).notices == ()


def test_where_nothing_can_fall_due_nobody_looks_again() -> None:
    decision = _at(DAY, _stay(PaymentState.PROCESSING), stuck_after={})
    assert decision == Decision(read=False, notices=(), cancel=None, look_at=None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"capture_margin": DAY},
        {"capture_margin": -SECOND},
        {"warn_before": timedelta(0)},
        {"look_again": timedelta(0)},
        {"cancel_after": {PaymentState.REQUIRES_ACTION: timedelta(0)}},
        {"cancel_after": {PaymentState.AUTHORIZED: DAY}},
        {"cancel_after": {PaymentState.REQUIRES_ACTION: 2 * DAY}},
        {"stuck_after": {PaymentState.SUCCEEDED: DAY}},
        {"refund_stuck_after": {RefundState.PENDING: -DAY}},
        {"expiry": "capture"},
    ],
)
def test_times_that_contradict_each_other_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text differs for each
        ClockPolicy(**wrong)
