"""The loop around the duties: nobody starves, nothing ends it, and jobs do the same."""

from __future__ import annotations

import logging
import pickle
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

import pytest
from typing_extensions import override

from paykit import (
    AsyncWorker,
    CancelPayment,
    EventView,
    PaymentService,
    PaymentState,
    UsageError,
    Worker,
)
from paykit.clock import SYSTEM
from paykit.engine import Engine, Environment, Flow, Priority
from paykit.workers import run_duty, run_duty_async
from paykit.workers.duties import duties
from paykit.workers.progress import PAUSES, DutyReport
from tests.databases import Database
from tests.support import Shop, open_shop

SECRET: Final = "sk_test_never_to_be_logged"


class Bug(Exception):
    """What nobody foresaw."""


def _raise(*_: object) -> Flow[Any]:
    raise Bug(SECRET)
    yield


WHERE: Final = f"Bug in _raise (test_worker.py:{_raise.__code__.co_firstlineno + 1})"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The first duty of a round has a bug."""
    with monkeypatch.context() as patch:
        patch.setattr("paykit.workers.duties.resume_next", _raise)
        yield


def _all_events(shop: Shop) -> int:
    return int(shop.scalar("SELECT count(*) FROM paykit_event"))


@pytest.mark.usefixtures("broken")
def test_a_duty_with_a_bug_keeps_no_other_from_its_turn(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.paid()
    with caplog.at_level(logging.ERROR, logger="paykit.workers"):
        report = shop.wait(shop.worker.run_once())
    assert report.done["deliver"] == {"delivered": 4}
    assert report.failed == {"resume": WHERE}
    assert "the duty resume failed: Bug in _raise" in caplog.text
    assert SECRET not in caplog.text


class _Waits(threading.Event):
    """Idle for so many rounds, in each of which time passes; then it is set."""

    def __init__(self, shop: Shop, rounds: int) -> None:
        super().__init__()
        self.shop, self.left = shop, rounds

    @override
    def wait(self, timeout: float | None = None) -> bool:
        self.shop.world.advance(timedelta(seconds=timeout or 0))
        self.left -= 1
        if not self.left:
            self.set()
        return self.is_set()


@pytest.mark.usefixtures("broken")
def test_a_duty_that_fails_pauses_longer_each_time_and_the_others_go_on(
    quick: Shop,
) -> None:
    worker = Worker(_service(quick), only=["resume", "deliver"])
    began = quick.world.now()
    worker.run(_Waits(quick, 100), idle_seconds=1)
    report = worker.report()
    assert (report.rounds, report.started_at) == (100, began)
    assert report.last_round_at == quick.world.now() - timedelta(seconds=1)
    failed = report.duties["resume"]
    assert failed.errors == failed.failures == 5, "after 0, 1, 6, 21 and 81 seconds"
    assert failed.last_error_at == began + timedelta(seconds=81)
    assert failed.last_error == WHERE
    assert report.duties["deliver"].errors == 0


def _service(shop: Shop) -> PaymentService:
    assert isinstance(shop.service, PaymentService)
    return shop.service


def test_the_pause_of_a_duty_grows_to_a_minute_and_ends_with_a_success() -> None:
    duty, now, pauses = DutyReport(), SYSTEM.now(), []
    for _ in range(len(PAUSES) + 2):
        duty = duty.after({}, Bug(SECRET), now)
        assert duty.paused_until is not None
        pauses.append(duty.paused_until - now)
        assert not duty.may_run(now)
        now = duty.paused_until
        assert duty.may_run(now)
    assert pauses == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    duty = duty.after({"done": 2}, None, now)
    assert (duty.failures, duty.paused_until) == (0, None)
    assert (duty.errors, duty.ends) == (len(pauses), {"done": 2})
    assert SECRET not in repr(duty)


def test_a_clock_that_goes_back_prolongs_no_pause() -> None:
    """Else a duty that failed while the clock was a day ahead would rest for a day."""
    now = SYSTEM.now()
    duty = DutyReport().after({}, Bug(SECRET), now + timedelta(days=1))
    assert not duty.may_run(now + timedelta(days=1))
    assert duty.may_run(now)


def test_an_operation_of_a_newer_release_is_left_to_it(shop: Shop) -> None:
    """Two deploys share one database: the older one does what it can."""
    later = shop.create_payment()
    shop.execute(
        "INSERT INTO paykit_work (queue, id, due_ms, attempts) "
        "SELECT 'operation', id, 0, 0 FROM paykit_operation"
    )
    shop.execute("UPDATE paykit_operation SET name = 'payment.of_tomorrow'")
    payment = shop.create_payment()
    shop.begin(CancelPayment(payment_id=payment.id), idempotency_key="end")
    shop.world.advance(timedelta(minutes=2))
    report = shop.work()
    assert report.failed == {}
    assert report.done["resume"] == {"unknown": 1, "done": 1}
    assert shop.get(payment.id).state is PaymentState.CANCELED
    assert shop.get(later.id).state is not PaymentState.CANCELED
    (left,) = shop.query("SELECT * FROM paykit_work WHERE queue = 'operation'")
    assert (left["attempts"], left["lease"]) == (0, None)


def test_a_worker_counts_what_it_has_done(shop: Shop) -> None:
    before = shop.worker.report()
    assert before.last_round_at is None
    shop.paid()
    shop.work()
    shop.paid()
    shop.work()
    report = shop.worker.report()
    assert report.duties["deliver"].ends == {"delivered": 8}
    assert (report.rounds, before.rounds) == (2, 0)
    assert report.last_round_at == shop.world.now()


def test_a_worker_may_do_some_duties_only(shop: Shop) -> None:
    shop.paid()
    kind: Any = AsyncWorker if shop.is_async else Worker
    some = kind(shop.service, only=["inbox", "refresh"])
    assert set(shop.wait(some.run_once()).done) == {"inbox", "refresh"}
    one = kind(shop.service, only="deliver")
    assert shop.wait(one.run_once()).done == {"deliver": {"delivered": 4}}
    for wrong in ("nothing", ["inbox", "nothing"], []):
        with pytest.raises(UsageError, match="duties are resume, inbox"):
            kind(shop.service, only=wrong)


# -- job runners -----------------------------------------------------------------------


def _run(shop: Shop, name: str, **fields: int) -> Any:
    run: Any = run_duty_async if shop.is_async else run_duty
    return shop.wait(run(shop.service, name, **fields))


def test_every_duty_is_a_job_of_its_own(shop: Shop) -> None:
    shop.paid()
    done = {name: dict(_run(shop, name)) for name in duties(shop.service)}
    assert done["deliver"] == {"delivered": 4}
    assert _run(shop, "deliver") == {}
    with pytest.raises(UsageError):
        _run(shop, "nothing")


def test_a_job_does_no_more_than_it_is_told(shop: Shop) -> None:
    shop.paid()
    assert _run(shop, "deliver", at_most=3) == {"delivered": 3}
    assert _run(shop, "deliver", at_most=3) == {"delivered": 1}


@pytest.mark.usefixtures("broken")
def test_a_job_that_fails_tells_its_runner(shop: Shop) -> None:
    with pytest.raises(Bug):
        _run(shop, "resume")


def test_a_job_is_found_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(run_duty)) is run_duty
    assert pickle.loads(pickle.dumps(run_duty_async)) is run_duty_async


@pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
def test_jobs_may_overlap_and_be_given_out_twice(installed: Database) -> None:
    shop = open_shop(installed, "threads")
    seen: Counter[str] = Counter()
    barrier = threading.Barrier(4)

    @_service(shop).on("*")
    def note(event: EventView, session: Any) -> None:
        seen[event.id] += 1

    for _ in range(6):
        shop.paid()
    with ThreadPoolExecutor(4) as pool:

        def job(_: int) -> int:
            barrier.wait(timeout=60)
            return sum(run_duty(_service(shop), "deliver").values())

        # Some end while what is left is in the hands of others; none waits for it.
        done = sum(pool.map(job, range(4)))
    done += sum(run_duty(_service(shop), "deliver").values())
    assert set(seen.values()) == {1}
    assert done == len(seen) == 24


def test_payers_go_before_workers_at_the_psp(
    quick: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Priority] = {}

    def note(name: str) -> Any:
        def flow(env: Environment | Engine, *_: object) -> Flow[None]:
            env = env.env if isinstance(env, Engine) else env
            asked[name] = env.priority
            return None
            yield

        return flow

    for name in ("resume_next", "refresh_next", "process_batch"):
        monkeypatch.setattr(f"paykit.workers.duties.{name}", note(name))
    for name in ("resume", "refresh", "inbox"):
        duty = duties(_service(quick))[name]
        quick.run(duty(1))
    assert asked == {
        "resume_next": Priority.RESOLVE,
        "refresh_next": Priority.WORKER,
        "process_batch": Priority.WORKER,
    }
    assert _service(quick).engine.env.priority is Priority.PAYER
