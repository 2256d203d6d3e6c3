"""The pauses between two sends, as a host gets them if it sets nothing."""

from __future__ import annotations

import pytest
from tenacity import wait_fixed

from paykit import Policy
from paykit.psp import Answer, InFlight, NotExecuted, NotSent, Unknown

SILENCE = Unknown(reason="timed out")


@pytest.mark.parametrize(
    ("answer", "attempt", "least", "most"),
    [
        (SILENCE, 1, 0.25, 0.5),
        (SILENCE, 2, 0.5, 0.75),
        (SILENCE, 3, 1.0, 1.25),
        (SILENCE, 9, 4.0, 4.25),
        (InFlight(reason="same key"), 1, 0.25, 0.5),
        (NotSent(reason="refused"), 1, 0.1, 0.2),
        (NotSent(reason="refused"), 9, 2.0, 2.1),
        (NotExecuted(reason="rate_limit"), 1, 0.5, 1.0),
        (NotExecuted(reason="rate_limit"), 9, 8.0, 8.5),
    ],
    ids=lambda value: getattr(value, "reason", str(value)),
)
def test_pauses_double_up_to_a_limit_and_vary(
    answer: Answer, attempt: int, least: float, most: float
) -> None:
    names = [f"attempt-{number}" for number in range(20)]
    pauses = {Policy().pause_seconds(answer, attempt, name) for name in names}
    assert all(least <= pause <= most for pause in pauses)
    assert len(pauses) == len(names)


def test_the_pause_of_one_send_can_be_told_again() -> None:
    pauses = {Policy().pause_seconds(SILENCE, 2, "attempt") for _ in range(20)}
    assert len(pauses) == 1


@pytest.mark.parametrize("kind", [NotExecuted, InFlight, Unknown])
def test_what_the_psp_asks_for_counts_if_it_is_longer(
    kind: type[NotExecuted | InFlight | Unknown],
) -> None:
    def pause(asked: float) -> float:
        answer = kind(reason="slow down", retry_after_seconds=asked)
        return Policy().pause_seconds(answer, 1, "attempt")

    assert pause(7.0) == 7.0
    assert 0.25 <= pause(0.01) <= 1.0


def test_a_host_brings_its_own_strategy() -> None:
    policy = Policy(backoff=lambda: wait_fixed(3))
    assert policy.pause_seconds(SILENCE, 1, "attempt") == 3
