"""The token buckets: never more than the PSP allows, and payers first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paykit.engine.limiter import Bucket, Priority, Turn, rates, take
from paykit.psp import RequestLimits

LIVE = RequestLimits(per_second=100, per_endpoint=25)
TEST = RequestLimits(per_second=25, per_endpoint=25)
VERBS = ("create_payment", "confirm_payment", "read_payment", "capture_payment")
START = datetime(2030, 1, 1, tzinfo=UTC)
PATIENCE = timedelta(seconds=25)
PAYER, RESOLVE, WORKER, RECONCILIATION = Priority


class Tap:
    """The buckets of one process, and when each request goes."""

    def __init__(self, limits: RequestLimits = LIVE, processes: int = 1) -> None:
        self.limits, self.processes = limits, processes
        self.buckets: dict[str, Bucket] = {}

    def turn(
        self, priority: Priority, at: float = 0.0, verb: str = "confirm_payment"
    ) -> Turn:
        wanted = rates(self.limits, priority, verb, self.processes)
        now = START + timedelta(seconds=at)
        changed, turn = take(self.buckets, wanted, priority, now, PATIENCE)
        self.buckets |= changed
        return turn

    def sent(self, priority: Priority, at: float, verb: str) -> float:
        """Return when a request goes that comes again as often as it is told to."""
        while not (turn := self.turn(priority, at, verb)).taken:
            at += turn.wait_seconds + 1e-6
        return at + turn.wait_seconds


def _most_in_a_second(times: list[float]) -> int:
    ordered = sorted(times)
    return max(
        sum(1 for time in ordered[index:] if time < first + 1.0)
        for index, first in enumerate(ordered)
    )


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_limits_that_nobody_could_wait_for_are_refused(wrong: float) -> None:
    for limits in ((wrong, 25), (25, wrong)):
        with pytest.raises(ValueError, match="more than no request"):
            RequestLimits(per_second=limits[0], per_endpoint=limits[1])


@pytest.mark.parametrize("limits", [LIVE, TEST], ids=["live", "test"])
def test_one_second_never_sees_more_than_the_psp_allows(limits: RequestLimits) -> None:
    tap, times, by_verb = Tap(limits), list[float](), Counter[str]()
    sent: dict[str, list[float]] = {verb: [] for verb in VERBS}
    for number in range(400):
        verb = VERBS[number % len(VERBS)]
        priority = RESOLVE if number % 5 == 0 else PAYER
        turn = tap.turn(priority, at=number / 400, verb=verb)
        if turn.taken:
            at = number / 400 + turn.wait_seconds
            times.append(at)
            sent[verb].append(at)
    by_verb.update({verb: _most_in_a_second(sent[verb]) for verb in VERBS})
    assert _most_in_a_second(times) < limits.per_second
    assert max(by_verb.values()) < limits.per_endpoint
    assert max(by_verb.values()) > limits.per_endpoint / 5, "or it proves nothing"


@pytest.mark.parametrize("limits", [LIVE, TEST], ids=["live", "test"])
@pytest.mark.parametrize("processes", [1, 2])
def test_the_budgets_together_stay_below_the_limit(
    limits: RequestLimits, processes: int
) -> None:
    def most(priority: Priority) -> list[float]:
        """What one second may see of each bucket: what comes in, and what was saved."""
        per_second = rates(limits, priority, "confirm_payment", processes).values()
        return [processes * (rate + max(1.0, rate * 0.2)) for rate in per_second]

    together = [sum(pair) for pair in zip(most(PAYER), most(RESOLVE), strict=True)]
    # A process may save up one whole request, however small its part is.
    spare = processes - 1
    assert together[0] < limits.per_second + spare
    assert together[1] < limits.per_endpoint + spare


def test_payers_wait_in_the_order_in_which_they_came() -> None:
    tap = Tap()
    waits = [tap.turn(PAYER).wait_seconds for _ in range(40)]
    assert waits == sorted(waits)
    assert waits[0] == 0
    assert len(set(waits)) > 30


def test_nobody_is_told_to_wait_beyond_the_deadline() -> None:
    tap = Tap()
    turns = [tap.turn(PAYER) for _ in range(2000)]
    refused = [turn for turn in turns if not turn.taken]
    assert refused
    assert max(turn.wait_seconds for turn in turns if turn.taken) <= 25
    # What is refused books nothing: the next one is told the same, and not later.
    assert len({turn.wait_seconds for turn in refused}) == 1


def test_lower_priorities_leave_a_reserve() -> None:
    def at_once(priority: Priority) -> int:
        tap = Tap(RequestLimits(per_second=1000, per_endpoint=1000))
        return sum(tap.turn(priority).wait_seconds == 0 for _ in range(500))

    payers, workers, others = map(at_once, (PAYER, WORKER, RECONCILIATION))
    assert payers > workers > others > 0


def test_workers_get_what_payers_leave_and_no_more() -> None:
    tap = Tap()
    for _ in range(60):
        tap.turn(PAYER)
    assert not tap.turn(WORKER).taken
    assert not tap.turn(WORKER, at=1.0).taken
    assert tap.turn(WORKER, at=10.0).taken


def test_a_payer_does_not_wait_behind_workers() -> None:
    tap = Tap()
    for number in range(200):
        tap.turn(WORKER, at=number / 100)
    assert tap.turn(PAYER, at=2.0).wait_seconds < 0.06


def test_resolving_has_a_budget_that_payers_cannot_use_up() -> None:
    tap = Tap()
    for _ in range(1000):
        tap.turn(PAYER)
    assert tap.turn(RESOLVE).wait_seconds == 0


def test_all_buckets_of_a_request_are_taken_or_none() -> None:
    tap = Tap(RequestLimits(per_second=1000, per_endpoint=10))
    while tap.turn(WORKER).taken:
        pass
    before = dict(tap.buckets)
    assert not tap.turn(WORKER).taken
    assert tap.buckets == before
    assert tap.turn(WORKER, verb="read_payment").taken


@pytest.mark.parametrize("processes", [1, 2, 5, 40])
def test_processes_share_the_limits(processes: int) -> None:
    assert _throughput(processes) == pytest.approx(_throughput(1) / processes, rel=0.1)


def _throughput(processes: int) -> float:
    tap = Tap(processes=processes)
    at, sent = 0.0, 0
    while sent < 100:
        at = tap.sent(WORKER, at, "read_payment")
        sent += 1
    return sent / at


def test_a_clock_that_is_put_back_gives_nothing_away() -> None:
    tap = Tap()
    while tap.turn(WORKER, at=100.0).taken:
        pass
    assert not tap.turn(WORKER, at=0.0).taken


def test_times_that_threads_bring_out_of_order_give_nothing_away() -> None:
    tap = Tap()
    while tap.turn(WORKER, at=1.5).taken:
        pass
    for _ in range(100):
        assert not tap.turn(WORKER, at=0.0).taken
        assert not tap.turn(WORKER, at=1.5).taken


@pytest.mark.parametrize("priority", [PAYER, WORKER])
def test_a_clock_that_is_put_back_keeps_nobody_waiting(priority: Priority) -> None:
    """An hour later by the old clock nothing more would come in until then."""
    tap = Tap()
    while tap.turn(priority, at=3600.0).taken:
        pass
    assert not tap.turn(priority, at=0.0).taken
    assert tap.turn(priority, at=60.0) == Turn(taken=True, wait_seconds=0.0)


def _spent(buckets: Mapping[str, Bucket]) -> float:
    return sum(bucket.tokens for bucket in buckets.values())


@given(
    st.lists(st.tuples(st.sampled_from(list(Priority)), st.floats(0, 0.5)), max_size=80)
)
def test_who_is_sent_away_comes_in_time(story: list[tuple[Priority, float]]) -> None:
    """A wait is never too short by more than a rounding, if nobody else comes."""
    tap, at = Tap(), 0.0
    for priority, pause in story:
        at += pause
        turn = tap.turn(priority, at)
        assert 0 <= turn.wait_seconds <= 25
        if not turn.taken:
            alone = Tap()
            alone.buckets = dict(tap.buckets)
            assert alone.turn(priority, at + turn.wait_seconds + 1e-6).taken
