"""The circuit breaker as a machine: what opens it, what closes it, what passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paykit.engine.breaker import Breaker, BreakerPolicy, admit, heard
from paykit.psp import (
    Answer,
    Conflict,
    Decline,
    Declined,
    InFlight,
    Misconfigured,
    NotExecuted,
    NotSent,
    Rejected,
    Succeeded,
    Unknown,
)

POLICY = BreakerPolicy()
START = datetime(2030, 1, 1, tzinfo=UTC)
SILENCE = Unknown(reason="timed out")
FINE = Succeeded(snapshot=None)
BUSY = NotExecuted(reason="rate_limit")

ANSWERED: tuple[Answer, ...] = (
    FINE,
    Declined(decline=Decline(code="generic_decline")),
    Rejected(code="parameter_invalid", message="no"),
    Conflict(code="charge_already_captured", message="no"),
    InFlight(reason="idempotency_key_in_use"),
    Misconfigured(reason="expired key"),
)


def _after(*answers: Answer | None, state: Breaker | None = None) -> Breaker:
    """Return the state after sends that were admitted one after the other."""
    state = state or Breaker()
    for answer in answers:
        state = heard(state, POLICY, answer, START, era=state.era)
    return state


def _opened() -> Breaker:
    return _after(*[SILENCE] * POLICY.failures)


def _probing() -> tuple[Breaker, datetime]:
    now = START + POLICY.pause
    state, refused = admit(_opened(), POLICY, now)
    assert refused is None
    assert state.probing
    return state, now


@pytest.mark.parametrize("answer", [SILENCE, NotSent(reason="refused")])
def test_sends_in_a_row_without_an_answer_open_it(answer: Answer) -> None:
    almost = _after(*[answer] * (POLICY.failures - 1))
    assert admit(almost, POLICY, START) == (almost, None)
    opened = _after(answer, state=almost)
    assert admit(opened, POLICY, START) == (opened, POLICY.pause)


@pytest.mark.parametrize("answer", ANSWERED, ids=lambda one: type(one).__name__)
def test_any_real_answer_ends_the_row(answer: Answer) -> None:
    almost = [SILENCE] * (POLICY.failures - 1)
    assert _after(*almost, answer, *almost).until is None


@pytest.mark.parametrize("answer", [*ANSWERED, BUSY], ids=lambda o: type(o).__name__)
def test_no_answer_of_the_psp_opens_it(answer: Answer) -> None:
    assert _after(*[answer] * 100).until is None


def test_a_rate_limit_neither_counts_nor_ends_the_row() -> None:
    almost = [SILENCE] * (POLICY.failures - 1)
    assert _after(*almost, BUSY).failures == POLICY.failures - 1
    assert _after(*almost, BUSY, SILENCE).until is not None


def test_after_the_pause_one_probe_is_let_through() -> None:
    state, now = _probing()
    for later in (now, now + POLICY.pause):
        assert admit(state, POLICY, later) == (state, POLICY.pause)


@pytest.mark.parametrize("answer", ANSWERED, ids=lambda one: type(one).__name__)
def test_a_probe_that_is_answered_closes_it(answer: Answer) -> None:
    state, now = _probing()
    closed = heard(state, POLICY, answer, now, era=state.era)
    assert admit(closed, POLICY, now) == (closed, None)
    assert closed.failures == 0


def test_each_failed_probe_doubles_the_pause_up_to_a_limit() -> None:
    state, now, pauses = _opened(), START, []
    for _ in range(6):
        assert state.until is not None
        pauses.append((state.until - now).total_seconds())
        now = state.until
        state, refused = admit(state, POLICY, now)
        assert refused is None
        state = heard(state, POLICY, SILENCE, now, era=state.era)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_probe_that_meets_a_rate_limit_leaves_it_open_for_as_long_as_before() -> None:
    state, now = _probing()
    again = heard(state, POLICY, BUSY, now, era=state.era)
    assert admit(again, POLICY, now) == (again, POLICY.pause)


def test_answers_to_earlier_sends_change_nothing_once_it_is_open() -> None:
    early = Breaker().era
    opened, (probing, now) = _opened(), _probing()
    for state in (opened, probing):
        for answer in (FINE, SILENCE, BUSY, None):
            assert heard(state, POLICY, answer, now, era=early) == state


def test_a_late_failure_does_not_count_against_the_closed_breaker() -> None:
    state, now = _probing()
    closed = heard(state, POLICY, FINE, now, era=state.era)
    assert heard(closed, POLICY, SILENCE, now, era=Breaker().era) == closed


def test_a_probe_that_was_stopped_frees_its_place() -> None:
    state, now = _probing()
    freed = heard(state, POLICY, None, now, era=state.era)
    assert admit(freed, POLICY, now)[1] is None


def test_a_probe_that_never_reports_back_is_replaced() -> None:
    first, now = _probing()
    late = now + POLICY.probe_lease
    assert admit(first, POLICY, late - timedelta(seconds=1))[1] is not None
    second, refused = admit(first, POLICY, late)
    assert refused is None
    assert heard(second, POLICY, FINE, late, era=first.era) == second


def test_a_clock_that_is_put_back_does_not_keep_it_open() -> None:
    assert admit(_opened(), POLICY, START - timedelta(hours=1))[1] is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([SILENCE, BUSY, FINE, None]),
            st.integers(0, 30),  # seconds that pass
            st.integers(0, 3),  # how many sends later it is heard
        ),
        max_size=60,
    )
)
def test_it_never_lets_two_probes_through_and_never_closes_for_good(
    story: list[tuple[Answer | None, int, int]],
) -> None:
    state, now = Breaker(), START
    waiting: list[tuple[int, Answer | None]] = []
    for answer, seconds, delay in story:
        now += timedelta(seconds=seconds)
        after, refused = admit(state, POLICY, now)
        if refused is None:
            waiting.insert(max(0, len(waiting) - delay), (after.era, answer))
            if after.probing:
                assert admit(after, POLICY, now)[1] is not None
        else:
            assert timedelta(0) < refused <= POLICY.longest_pause
        state = after
        if len(waiting) > 2:
            era, told = waiting.pop(0)
            state = heard(state, POLICY, told, now, era=era)
    assert admit(state, POLICY, now + timedelta(seconds=90))[1] is None
