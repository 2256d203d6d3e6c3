"""
Processes that run one operation or one duty, and are killed at one boundary of it.

``python -m tests.sweep.child`` is the helper: it imports everything once and then forks
one process for each job that it reads, so that a sweep of fifty deaths does not import
the world fifty times. The helper never starts a thread and never opens a connection;
what dies is a real process, with SIGKILL, and nothing of it is cleaned up.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NoReturn, TypeVar
from uuid import UUID

from sqlalchemy import Connection, create_engine, event
from tenacity import wait_none
from typing_extensions import override

from paykit import Money, PaymentService, Policy
from paykit.clock import SYSTEM
from paykit.engine import Ask, Deliver, Driver, Effect
from paykit.store.tx import Tx
from paykit.stripe import StripePsp
from paykit.workers.duties import chosen, run_duty
from tests.sweep.handler import note

T = TypeVar("T")

When = Literal["before", "after"]

SECRET_KEY: Final = "sk_test_sweep"
INSTALLATION: Final = "sweep"

PATIENCE: Final = Policy(backoff=wait_none)
"""The usual patience, without pauses between two sends."""

_LIFETIME_SECONDS: Final = 30
"""A process that hangs ends by itself, with another signal than SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call of the service, or one duty of a worker, and where its process dies."""

    database: str
    psp: str
    """The base URL of the local Stripe."""
    method: str
    """Of the service; or the name of a duty, which takes no arguments."""
    arguments: dict[str, Any]
    number: int = 0
    """Die at this effect, counted from 1; 0 lives on."""
    when: When = "before"
    ahead_seconds: float = 0.0
    """How far the process's clock is ahead."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it said until then."""

    status: int
    """0, or minus the number of the signal."""
    trace: tuple[str, ...]
    """Every boundary that was reached, such as ``after 1 commit``."""
    failure: str | None
    """The error that the call raised, if it did."""


class Ahead:
    """The machine's clock, some time ahead; so that nobody waits for deadlines."""

    simulated: Final = False

    def __init__(self, by: timedelta = timedelta(0)) -> None:
        self.by = by

    def now(self) -> datetime:
        return SYSTEM.now() + self.by

    def new_uuid(self) -> UUID:
        return SYSTEM.new_uuid()


@dataclass
class Life:
    """Counts the effects of a flow, and ends it at one of them."""

    number: int
    when: When
    report: Callable[[str], object]
    reached: int = 0
    kind: str = ""

    def begin(self, kind: str) -> None:
        self.reached += 1
        self.kind = kind

    def boundary(self, when: When) -> None:
        self.report(f"{when} {self.reached} {self.kind}")
        if (self.reached, when) == (self.number, self.when):
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class MortalDriver(Driver):
    """
    A `Driver` that dies where its `life` says.

    Before a commit: all statements have been executed and COMMIT has not been sent.
    After it: the database has answered COMMIT. Before and after a question to the PSP:
    nothing has been sent, and the whole answer is here.
    """

    life: Life = field(kw_only=True)

    @override
    def perform(self, effect: Effect) -> Any:
        if isinstance(effect, Deliver):
            return self._deliver_and_die(effect)
        if not isinstance(effect, Ask):
            return super().perform(effect)
        self.life.begin("ask")
        self.life.boundary("before")
        answer = super().perform(effect)
        self.life.boundary("after")
        return answer

    @override
    def commit(self, phase: Callable[[Tx], T]) -> T:
        self.life.begin("commit")
        result = super().commit(phase)
        self.life.boundary("after")
        return result

    def _deliver_and_die(self, effect: Deliver[Any]) -> Any:
        self.life.begin("delivery")
        result = super().perform(effect)
        self.life.boundary("after")
        return result

    def commits(self, connection: Connection) -> None:
        """Hear from the database engine that it is about to send COMMIT."""
        self.life.boundary("before")


def mortal(driver: Driver, life: Life) -> MortalDriver:
    """Return `driver` with an end."""
    dying = MortalDriver(
        driver.database, driver.psps, driver.world, driver.schema, life=life
    )
    event.listen(driver.database, "commit", dying.commits)
    return dying


def _live(job: Job, report: Callable[[str], object]) -> None:
    """Do the job, in a process that may die of it."""
    engine = create_engine(job.database)
    psp = StripePsp(SECRET_KEY, base_url=job.psp)
    service = PaymentService(
        engine,
        psp=psp,
        policy=PATIENCE,
        world=Ahead(timedelta(seconds=job.ahead_seconds)),
        installation=INSTALLATION,
    )
    service.driver = mortal(service.driver, Life(job.number, job.when, report))
    service.on("*")(note)
    if job.method in chosen(service):
        run_duty(service, job.method)
    else:
        getattr(service, job.method)(**with_money(job.arguments))


def with_money(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the call takes; in JSON, money is a pair."""
    if "amount" not in arguments:
        return arguments
    return {**arguments, "amount": Money(*arguments["amount"])}


def _forked(job: Job, pipe: int) -> NoReturn:
    """Be the process of `job`; never returns into the helper's code."""
    signal.alarm(_LIFETIME_SECONDS)
    os.dup2(2, 1)  # the helper's standard output is for its own reports

    def report(line: str) -> None:
        os.write(pipe, f"{line}\n".encode())

    status = 1
    try:
        _live(job, report)
        status = 0
    except Exception as error:
        report(f"failed {type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _ended(pid: int, pipe: int) -> Ended:
    """Hear a process out, and bury it."""
    with os.fdopen(pipe) as lines:
        said = lines.read().splitlines()
    _, status = os.waitpid(pid, 0)
    failures = [line for line in said if line.startswith("failed ")]
    return Ended(
        status=os.waitstatus_to_exitcode(status),
        trace=tuple(line for line in said if not line.startswith("failed ")),
        failure=failures[0] if failures else None,
    )


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _warm_up() -> None:
    """Load what is imported when it is first used."""
    create_engine("postgresql+psycopg://").dispose()
    StripePsp(SECRET_KEY).close()


def main() -> None:
    """Fork one process for each job that is read, until there is no more."""
    _warm_up()
    _say({"ready": True})
    for line in sys.stdin:
        job = Job(**json.loads(line))
        mine, its = os.pipe()
        pid = os.fork()
        if not pid:
            _forked(job, its)
        os.close(its)
        _say({"pid": pid})
        _say(asdict(_ended(pid, mine)))


if __name__ == "__main__":
    main()
