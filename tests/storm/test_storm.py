"""A storm small enough for each run; ``python -m tests.storm`` is the big one."""

from __future__ import annotations

from tests.clusters import required_binaries
from tests.storm.run import Plan, storm


def test_nothing_is_lost_and_nothing_done_twice_in_a_storm() -> None:
    required_binaries()
    verdict = storm(Plan(payments=60, restarts=1))
    assert verdict.passed, str(verdict)
    happened = verdict.happened
    assert happened["PostgreSQL restarts"] == 1
    assert min(happened["workers killed"], happened["lose_answer"]) > 0
