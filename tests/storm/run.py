"""The storm itself: what breaks when, and how it comes to an end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Final

from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from paykit import create_all
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer
from paykit.testing.stripe_server.delivery import Disorder
from tests.clusters import Cluster, own_cluster
from tests.storm.calm import calm_down, wait_until_drained
from tests.storm.child import Job
from tests.storm.faults import Trouble
from tests.storm.host import SECRET, make_tables, open_psp, open_service, order
from tests.storm.staff import STAFF, Staff
from tests.storm.verdict import Verdict, judge
from tests.sweep.child import Ahead

__all__ = ["Plan", "storm"]

_TICK_SECONDS: Final = 1.0
"""How often somebody is killed."""

_CALLER_EVERY: Final = 3
_ENDPOINT_EVERY: Final = 5
"""Every so many ticks one of these dies too."""

_ENDED_MAX: Final = 20
"""So many processes that end by themselves are no storm but a bug."""


_LATER: Final = Ahead(timedelta(minutes=10))
"""The clock after the storm: events of the last minute are not looked for in the list,
as their webhooks may be on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How big a storm is."""

    payments: int = 500
    restarts: int = 2
    """How often PostgreSQL is killed, evenly over the orders that are done."""
    seed: int = 0
    drop: float = 0.2
    """How many webhooks are lost for good."""
    duplicate: float = 0.1
    at_most_seconds: float = 400.0
    """After that the storm has failed: somebody is stuck."""


@dataclass
class _Storm:
    plan: Plan
    cluster: Cluster
    server: StripeServer
    engine: Engine
    staff: Staff
    restarted: int = 0
    ticks: int = 0
    began: float = field(default_factory=monotonic)

    def rage(self) -> None:
        """Break one thing after another, until every order is done."""
        while (done := self._done()) < self.plan.payments:
            self._give_up(done)
            sleep(_TICK_SECONDS)
            self.ticks += 1
            self._kill()
            self._pass_challenges()
            due = self.plan.payments * (self.restarted + 1) // (self.plan.restarts + 1)
            if done >= due and self.restarted < self.plan.restarts:
                self.cluster.restart()
                self.restarted += 1

    def _give_up(self, done: int) -> None:
        """Raise if the storm would never end."""
        late = monotonic() - self.began > self.plan.at_most_seconds
        if late or len(self.staff.ended) > _ENDED_MAX:
            raise RuntimeError(
                f"{done} of {self.plan.payments} orders are done; {self.staff.ended}\n"
                f"{self.staff.log.read_text()[-4000:]}"
            )

    def _kill(self) -> None:
        self.staff.kill("worker", self.ticks % STAFF["worker"])
        if self.ticks % _CALLER_EVERY == 0:
            turn = self.ticks // _CALLER_EVERY
            self.staff.kill("caller", turn % STAFF["caller"])
        if self.ticks % _ENDPOINT_EVERY == 0:
            self.staff.kill("endpoint", 0)

    def _pass_challenges(self) -> None:
        """Let payers pass 3-D Secure, and banks settle what takes them days."""
        sim = self.server.sim
        for intent in sim.intents_with("paykit_merchant", "default"):
            if intent.status == "requires_action":
                sim.complete_authentication(intent.id)
        sim.settle_charges()
        sim.settle_refunds()

    def _done(self) -> int:
        try:
            with self.engine.connect() as connection:
                statement = select(func.count()).select_from(order)
                return connection.scalar(statement) or 0
        except SQLAlchemyError:
            return 0  # it has just been restarted

    def calm(self) -> None:
        """End all that breaks; the workers, and then one alone, finish the work."""
        for number in range(STAFF["caller"]):
            self.staff.end("caller", number)
        self.server.sim.faults.clear()
        self._pass_challenges()
        while self.server.deliver_webhooks().failed:
            sleep(0.1)
        wait_until_drained(self.engine, lambda: self._give_up(self.plan.payments))
        for number in range(STAFF["worker"]):
            self.staff.end("worker", number)
        with closing(open_psp(self.server.url)) as psp:
            calm_down(open_service(psp, self.engine, _LATER), self.engine)


def storm(plan: Plan) -> Verdict:
    """Run a storm on a cluster of its own, and judge what is left of it."""
    with TemporaryDirectory(prefix="paykit-storm-") as folder, own_cluster() as cluster:
        port = _free_port()
        with _server(plan, port) as server, _engine(cluster) as engine:
            create_all(engine)
            make_tables(engine)
            trouble = Trouble(plan.seed)
            trouble.begin(server.sim.faults)
            job = _job(plan, cluster, server, port)
            with Staff(job, Path(folder) / "log") as staff:
                raging = _Storm(plan, cluster, server, engine, staff)
                staff.start()
                raging.rage()
                raging.calm()
                staff.end("endpoint", 0)
            happened = {
                **{f"{role}s killed": count for role, count in staff.kills.items()},
                "PostgreSQL restarts": raging.restarted,
                **{fault.value: n for fault, n in trouble.happened.items()},
            }
            seconds = monotonic() - raging.began
            with engine.connect() as connection:
                return judge(
                    connection,
                    server.sim,
                    orders=plan.payments,
                    happened=happened,
                    wrong=staff.ended,
                    seconds=seconds,
                )


@contextmanager
def _server(plan: Plan, port: int) -> Iterator[StripeServer]:
    """A local Stripe whose webhooks get lost, mixed up and repeated on their way."""
    disorder = Disorder(
        seed=plan.seed, duplicate=plan.duplicate, drop=plan.drop, delay_seconds=0.5
    )
    with StripeServer(
        SimulatedProvider(),
        webhook_url=f"http://127.0.0.1:{port}/webhooks",
        webhook_secret=SECRET,
        disorder=disorder,
    ) as server:
        yield server


@contextmanager
def _engine(cluster: Cluster) -> Iterator[Engine]:
    engine = create_engine(cluster.url, pool_pre_ping=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _job(plan: Plan, cluster: Cluster, server: StripeServer, port: int) -> Job:
    return Job(
        role="",
        database=cluster.url,
        psp=server.url,
        seed=plan.seed,
        number=0,
        of=0,
        orders=plan.payments,
        port=port,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
