"""Jobs that come again: one worker does each, and a failure loses none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from paykit.engine import Environment, Flow, commit
from paykit.store.work import Claimed
from paykit.workers.periodic import LEASE, RETRIES, Job, Periodic
from tests.support import Shop

HOURLY = timedelta(hours=1)


def _job(done: Callable[[], timedelta | None], name: str = "tidy") -> Job:
    def run(env: Environment, claimed: Claimed) -> Flow[timedelta | None]:
        yield from commit(lambda tx: None)
        return done()

    return Job(name, HOURLY, run)


def _duty(shop: Shop, *jobs: Job) -> Periodic:
    return Periodic(shop.service.engine.env, jobs)


def test_a_job_comes_again_after_its_interval(shop: Shop) -> None:
    done: list[None] = []
    duty = _duty(shop, _job(lambda: done.append(None)))
    assert [shop.run(duty.next()) for _ in range(2)] == ["done", None]
    shop.world.advance(HOURLY - timedelta(seconds=1))
    assert shop.run(duty.next()) is None
    shop.world.advance(timedelta(seconds=1))
    assert shop.run(duty.next()) == "done"
    assert len(done) == 2


def test_a_job_that_is_not_over_comes_again_when_it_says(quick: Shop) -> None:
    duty = _duty(quick, _job(lambda: timedelta(seconds=5)))
    assert quick.run(duty.next()) == "more"
    quick.world.advance(timedelta(seconds=5))
    assert quick.run(duty.next()) == "more"


def test_a_job_is_done_by_one_worker_at_a_time(quick: Shop) -> None:
    others: list[Any] = []
    jobs: list[Job] = []

    def meanwhile() -> None:
        others.append(quick.run(_duty(quick, *jobs).next()))

    jobs.append(_job(meanwhile))
    # The second worker comes while the first one is in the middle of the job.
    assert quick.run(_duty(quick, *jobs).next()) == "done"
    assert others == [None]


def test_a_job_that_raises_is_logged_and_comes_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("4242424242424242")

    caplog.set_level(logging.ERROR, logger="paykit.periodic")
    duty = _duty(shop, _job(fail))
    for pause in (*RETRIES, RETRIES[-1]):
        assert shop.run(duty.next()) == "failed"
        assert shop.run(duty.next()) is None
        shop.world.advance(pause)
    assert shop.run(duty.next()) == "failed"
    assert "tidy failed: ValueError in fail" in caplog.text
    assert "4242" not in caplog.text


def test_after_a_success_failures_are_counted_anew(quick: Shop) -> None:
    outcomes: list[str] = ["fail", "fail", "fine", "fail"]

    def act() -> None:
        if outcomes.pop(0) == "fail":
            raise RuntimeError

    duty = _duty(quick, _job(act))
    for wait in (RETRIES[0], RETRIES[1], HOURLY):
        quick.run(duty.next())
        quick.world.advance(wait)
    assert quick.run(duty.next()) == "failed"
    quick.world.advance(RETRIES[0])
    outcomes.append("fine")
    assert quick.run(duty.next()) == "done"


def test_a_job_whose_worker_died_is_taken_over(quick: Shop) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        quick.run(_duty(quick, _job(die)).next())
    done: list[None] = []
    duty = _duty(quick, _job(lambda: done.append(None)))
    assert quick.run(duty.next()) is None
    quick.world.advance(LEASE)
    assert quick.run(duty.next()) == "done"


def test_a_worker_that_was_too_slow_gives_nothing_back(quick: Shop) -> None:
    jobs: list[Job] = []

    def slow() -> None:
        quick.world.advance(LEASE)
        jobs[0] = _job(lambda: None)
        assert quick.run(_duty(quick, *jobs).next()) == "done"

    jobs.append(_job(slow))
    assert quick.run(_duty(quick, *jobs).next()) == "lease lost"
    assert quick.run(_duty(quick, *jobs).next()) is None


def test_the_rows_are_looked_for_once_in_a_process(quick: Shop) -> None:
    duty = _duty(quick, _job(lambda: None))
    quick.run(duty.next())
    quick.execute("DELETE FROM paykit_work WHERE queue = 'periodic'")
    assert quick.run(duty.next()) is None
    assert quick.run(_duty(quick, _job(lambda: None)).next()) == "done"


def test_a_job_of_another_release_is_left_to_it(quick: Shop) -> None:
    quick.run(_duty(quick, _job(lambda: None, name="new")).next())
    quick.world.advance(HOURLY)
    assert quick.run(_duty(quick).next()) == "unknown"
    row = quick.query("SELECT lease FROM paykit_work WHERE id = 'new'")[0]
    assert row["lease"] is None
