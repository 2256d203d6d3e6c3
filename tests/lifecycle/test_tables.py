"""One table says what may happen; the machine adds no rule of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paykit.errors import IllegalTransition
from paykit.lifecycle import (
    DISPUTE,
    PAYMENT,
    PAYOUT,
    REFUND,
    SUBSCRIPTION,
    SUBSCRIPTION_ENDED,
    By,
    DisputeEvent,
    DisputeState,
    Lifecycle,
    PaymentEvent,
    PaymentState,
    PayoutEvent,
    PayoutState,
    RefundEvent,
    RefundState,
    SubscriptionEvent,
    SubscriptionState,
    Transition,
    fire,
)

LIFECYCLES: Final[list[tuple[Lifecycle[Any, Any], type[StrEnum]]]] = [
    (PAYMENT, PaymentEvent),
    (REFUND, RefundEvent),
    (DISPUTE, DisputeEvent),
    (PAYOUT, PayoutEvent),
    (SUBSCRIPTION, SubscriptionEvent),
]

each = pytest.mark.parametrize(
    ("lifecycle", "events"), LIFECYCLES, ids=[one.name for one, _ in LIFECYCLES]
)


def _after(lifecycle: Lifecycle[Any, Any], state: Any, event: Any) -> object:
    try:
        return fire(lifecycle, state, event)
    except IllegalTransition:
        return IllegalTransition


@each
def test_machine_and_table_agree_on_every_state_and_event(
    lifecycle: Lifecycle[Any, Any], events: type[StrEnum]
) -> None:
    expected = {(r.source, r.event): r.target for r in lifecycle.transitions}
    for state in lifecycle.states:
        for event in events:
            wanted = expected.get((state, event), IllegalTransition)
            assert _after(lifecycle, state, event) == wanted, (state, event)
            if wanted is IllegalTransition:
                with pytest.raises(IllegalTransition):
                    lifecycle.target(state, event)
            else:
                assert lifecycle.target(state, event) is wanted


@each
def test_a_machine_keeps_no_thing_that_it_moved(
    lifecycle: Lifecycle[Any, Any], events: type[StrEnum]
) -> None:
    first = lifecycle.transitions[0]
    assert fire(lifecycle, first.source, first.event) is first.target
    assert fire(lifecycle, first.source, first.event) is first.target


@each
def test_every_event_is_of_use(
    lifecycle: Lifecycle[Any, Any], events: type[StrEnum]
) -> None:
    assert {row.event for row in lifecycle.transitions} == set(events)


def test_a_refusal_says_what_was_tried() -> None:
    with pytest.raises(IllegalTransition, match="'start_capture'") as caught:
        fire(PAYMENT, PaymentState.CREATING, PaymentEvent.START_CAPTURE)
    tried = (caught.value.lifecycle, caught.value.state, caught.value.event)
    assert tried == ("payment", "creating", "start_capture")


def test_commands_and_observations_do_not_share_a_name() -> None:
    by = {row.event: row.by for row in PAYMENT.transitions}
    assert all(by[row.event] is row.by for row in PAYMENT.transitions)
    assert {e for e in PaymentEvent if e.startswith("start_")} == {
        event for event, who in by.items() if who is By.COMMAND
    }


_UNRETURNED: Final = [event for event in PaymentEvent if event is not PaymentEvent.FAIL]
"""Everything but that the bank took the money back."""


@given(st.lists(st.sampled_from(_UNRETURNED), max_size=30))
def test_a_payment_with_its_money_never_loses_it(events: list[PaymentEvent]) -> None:
    state = PaymentState.SUCCEEDED
    for event in events:
        try:
            state = fire(PAYMENT, state, event)
        except IllegalTransition:
            continue
    assert state is PaymentState.SUCCEEDED


@given(st.lists(st.sampled_from(_UNRETURNED), max_size=30))
def test_nothing_leads_back_from_where_a_payment_is_settled(
    events: list[PaymentEvent],
) -> None:
    """Old events prove these states only because they are never left for others."""
    state = PaymentState.AUTHORIZED
    for event in events:
        try:
            state = fire(PAYMENT, state, event)
        except IllegalTransition:
            continue
        assert state in {
            PaymentState.AUTHORIZED,
            PaymentState.SUCCEEDED,
            PaymentState.CANCELED,
            PaymentState.EXPIRED,
        }


def test_what_ended_can_still_be_corrected() -> None:
    for state in (PaymentState.CANCELED, PaymentState.EXPIRED, PaymentState.FAILED):
        assert fire(PAYMENT, state, PaymentEvent.SUCCEED) is PaymentState.SUCCEEDED
    assert fire(REFUND, RefundState.SUCCEEDED, RefundEvent.FAIL) is RefundState.FAILED
    assert REFUND.final == {RefundState.FAILED, RefundState.CANCELED}
    for state in PaymentState:
        if state is not PaymentState.FAILED:
            assert fire(PAYMENT, state, PaymentEvent.FAIL) is PaymentState.FAILED
    assert PAYMENT.final == set()


def test_any_status_of_a_dispute_may_follow_any_other() -> None:
    """What the PSP shows is accepted: lost becomes won, closed is appealed."""
    known = set(DisputeState) - {DISPUTE.initial}
    for source in DisputeState:
        reached = {target for before, target in DISPUTE.moves() if before is source}
        assert reached == known - {source}


def test_a_payout_only_goes_on_and_a_paid_one_may_still_fail() -> None:
    order = list(PayoutState)
    for source, target in PAYOUT.moves():
        assert order.index(source) < order.index(target)
    assert fire(PAYOUT, PayoutState.PAID, PayoutEvent.FAIL) is PayoutState.FAILED
    assert PAYOUT.final == {PayoutState.FAILED, PayoutState.CANCELED}


def test_a_subscription_that_lives_may_go_anywhere_and_one_that_ended_nowhere() -> None:
    known = set(SubscriptionState) - {SUBSCRIPTION.initial}
    assert SUBSCRIPTION.final == SUBSCRIPTION_ENDED
    assert {state.value for state in SUBSCRIPTION_ENDED} == {
        "canceled",
        "incomplete_expired",
    }
    for source in set(SubscriptionState) - SUBSCRIPTION_ENDED:
        reached = {to for before, to in SUBSCRIPTION.moves() if before is source}
        assert reached == known - {source}


_T, _S, _E = Transition, RefundState, RefundEvent
_WHOLE: Final = REFUND.transitions


@pytest.mark.parametrize(
    ("transitions", "complaint"),
    [
        ((*_WHOLE, _T(_E.PEND, _S.CREATING, _S.FAILED)), "two transitions"),
        (tuple(t for t in _WHOLE if t.target is not _S.PENDING), "out of reach"),
        ((*_WHOLE, _T(_E.PEND, _S.FAILED, _S.PENDING, By.COMMAND)), "must not move"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    transitions: tuple[Transition[RefundState, RefundEvent], ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Lifecycle(name="refund", initial=_S.CREATING, transitions=transitions)
