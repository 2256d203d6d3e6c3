"""The pauses between two sends, as a host gets them if it sets nothing."""

from __future__ import annotations

import pytest

from paykit import Policy


@pytest.mark.parametrize(
    ("attempt", "least", "most"),
    [(1, 0.25, 0.5), (2, 0.5, 0.75), (3, 1.0, 1.25), (9, 4.0, 4.25)],
)
def test_pauses_double_up_to_a_limit_and_vary(
    attempt: int, least: float, most: float
) -> None:
    pauses = {Policy().pause_seconds(attempt) for _ in range(20)}
    assert all(least <= pause <= most for pause in pauses)
    assert len(pauses) > 1
