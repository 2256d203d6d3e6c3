"""One seed, from an empty database to the verdict."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Final

from sqlalchemy import Engine as Database
from sqlalchemy import func, select
from tenacity import wait_fixed
from typing_extensions import override

from paykit.engine import Driver, Policy, SinglePsp
from paykit.engine.breaker import BreakerPolicy
from paykit.operations import dead_letters
from paykit.store.cursors import KEPT
from paykit.store.schema import inbox, operation, work
from paykit.store.tx import Tx
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.simulation import host
from paykit.testing.simulation.aims import (
    begun_by_hosts,
    scenes_of,
    target_of,
    weather_for,
)
from paykit.testing.simulation.cast import MERCHANT, Cast
from paykit.testing.simulation.invariants import violations
from paykit.testing.simulation.performing import Disasters
from paykit.testing.simulation.releases import Release
from paykit.testing.simulation.scenarios import SCENARIOS
from paykit.testing.simulation.stage import Stage
from paykit.testing.simulation.triples import Boundary, Triple, existing
from paykit.testing.simulation.weather import Weather
from paykit.testing.simulation.world import SimulatedWorld, TrueTime
from paykit.workers.duties import duties

__all__ = ["Story", "all_triples", "simulate"]

_POLICY: Final = Policy(
    sends=2,
    breaker=BreakerPolicy(failures=3),
    backoff=lambda: wait_fixed(1),
    schedule=(
        timedelta(seconds=15),
        timedelta(minutes=5),
        timedelta(hours=1),
    ),
)
"""Less patience than hosts have: a story comes to the end of a schedule."""
_CALM_ROUNDS: Final = 90
_HELD_FOR: Final = timedelta(days=7)
"""How long the simulated PSP holds an authorization."""
_ROUND: Final = timedelta(hours=2)
_OFTEN: Final = 0.6
_SELDOM: Final = 0.15
_NO_SKEW: Final = timedelta(0)
_FOREVER: Final = ("periodic",)
"""Queues whose work comes again and is never done."""


@dataclass(frozen=True, slots=True)
class Story:
    """What a seed came to."""

    seed: int
    scenario: str
    violations: list[str]
    lines: list[str]
    steps: int
    met: frozenset[Triple] = field(default_factory=frozenset)
    """Every (operation, boundary, fault) that happened."""
    unforeseen: frozenset[Boundary] = field(default_factory=frozenset)
    """Where a flow came to, and what was read from the source did not say so."""

    @property
    def digest(self) -> str:
        """A hash of the whole story: the same for a seed everywhere."""
        return sha256("\n".join([self.scenario, *self.lines]).encode()).hexdigest()

    @override
    def __str__(self) -> str:
        """Return the whole story, ending with what is wrong and how to repeat it."""
        repeat = f"python -m paykit.testing.simulation --seed {self.seed}"
        return "\n".join([*self.lines, *self.violations, f"repeat: {repeat}"])


def simulate(database: Database, seed: int, weather: Weather | None = None) -> Story:
    """
    Run one seed on an empty, installed `database`, and return what it came to.

    A table ``simulation_delivered`` is made there, for what the host's handler writes.
    The story has violations if an invariant is broken; nothing is raised for that.
    With a `weather` of your own only what it allows goes wrong.
    """
    host.forget(database)
    dice = random.Random(seed)
    target = target_of(seed, all_triples()) if weather is None else None
    cast = _cast(database, dice, weather or weather_for(Weather(), target))
    cast.stage.disasters.target = target
    cast.begun = _OFTEN if begun_by_hosts(target) else _SELDOM
    name = dice.choice(scenes_of(target))
    SCENARIOS[name](cast)
    _work(cast, rounds=14)
    for _ in range(cast.aftermaths):
        cast.stage.pass_time(dice.choice(cast.pauses))
        _person_decides(cast)
        _work(cast, rounds=10)
    disasters = cast.stage.disasters
    met = frozenset(disasters.met & set(all_triples()))
    unforeseen = frozenset(disasters.visited - {one.boundary for one in all_triples()})
    found = _calm_down(cast)
    found += [f"nobody_fails: {failure}" for failure in cast.stage.failures]
    if not found:
        with database.connect() as connection:
            found = violations(cast, connection)
    lines = cast.stage.story
    return Story(seed, name, found, lines, len(lines), met, unforeseen)


def _work(cast: Cast, rounds: int) -> None:
    """Let two workers and the PSP's webhooks go on with what callers have begun."""
    for worker in ("worker 1", "worker 2"):
        cast.worker(worker, rounds=rounds, only=cast.only)
    cast.postman("postman", rounds=rounds + 2)
    cast.stage.run()


@cache
def all_triples() -> tuple[Triple, ...]:
    """Return every (operation, boundary, fault) that exists, in order."""
    world = SimulatedWorld(random.Random(0))
    sim = SimulatedProvider(TrueTime(world))
    release = _releases(sim, world, host.Broker(), (_NO_SKEW, _NO_SKEW))[0]
    flows = {name: duty(1) for name, duty in duties(release).items()}
    return tuple(existing(flows))


def _releases(
    sim: SimulatedProvider,
    world: SimulatedWorld,
    broker: host.Broker,
    skews: tuple[timedelta, timedelta],
) -> tuple[Release, ...]:
    return Release.both(sim, world, _POLICY, host.handlers(), broker, skews)


def _skew(dice: random.Random, weather: Weather) -> timedelta:
    """Return by how much the clock of one machine is wrong."""
    wrong = dice.random() < weather.skewed
    return timedelta(seconds=dice.randrange(-180, 180)) if wrong else _NO_SKEW


def _cast(database: Database, dice: random.Random, weather: Weather) -> Cast:
    world = SimulatedWorld(dice)
    sim = SimulatedProvider(TrueTime(world))
    psp = SimulatedPsp(sim)
    broker = host.Broker()
    driver = Driver.on(database, SinglePsp(psp), world)
    stage = Stage(dice, world, Disasters(driver, dice, world, weather))
    skews = (_skew(dice, weather), _skew(dice, weather))
    return Cast(stage, _releases(sim, world, broker, skews), sim, psp, broker)


def _calm_down(cast: Cast) -> list[str]:
    """
    End the disasters, deliver what is late and work until nothing is pending.

    One release goes on: what its memory holds of the disasters must not hinder it.
    """
    stage = cast.stage
    stage.calm()
    cast.releases = (cast.release(),)
    cast.sim.settle_refunds()
    cast.sim.settle_charges()
    for _ in range(_CALM_ROUNDS):
        _person_replays(cast)
        for body in [*cast.undelivered, *cast.collected()]:
            stage.disasters.driver.commit(cast.receipt(body))
        cast.undelivered = []
        _run_out(cast)
        if not (_left(cast) or _cases(cast) or _unheard(cast)):
            return []
        _work_through(cast)
        _person_decides(cast)
        stage.pass_time(max(_ROUND, _next_due(cast)))
    left = [*_left(cast), *_cases(cast)]
    return ["nothing_left_to_do: work is pending after the calm", *left]


def _run_out(cast: Cast) -> None:
    """Let the PSP end what was authorized too long ago, as it does by itself."""
    now = cast.stage.world.time
    for intent in cast.sim.intents_with("paykit_merchant", MERCHANT):
        held = intent.status == "requires_capture"
        charged = cast.sim.charged_at(intent.id) if held else []
        if charged and now >= charged[-1] + _HELD_FOR:
            cast.sim.expire_authorization(intent.id)


def _person_decides(cast: Cast) -> None:
    """Let somebody decide what nobody could find out."""
    for operation_id in _cases(cast):
        cast.person(operation_id)
    cast.stage.run()


def _person_replays(cast: Cast) -> None:
    """
    Let somebody replay webhooks of which too many workers have died.

    So many die here, without any fault of the webhook, that six are no proof.
    """
    flow = dead_letters.replay_all("heidi", None, "workers died")
    cast.stage.enter("person", flow, who="person", skew=cast.release().skew)
    cast.stage.run()


def _cases(cast: Cast) -> list[str]:
    chosen = select(operation.c.id).where(operation.c.status == "case")

    def read(tx: Tx) -> list[str]:
        return list(tx.connection.scalars(chosen.order_by(operation.c.id)))

    return cast.stage.disasters.driver.commit(read)


def _unheard(cast: Cast) -> bool:
    """Whether the PSP still shows events that have not come, pushed or listed."""

    def known(tx: Tx) -> set[str]:
        return set(tx.connection.scalars(select(inbox.c.event_id)))

    oldest = cast.stage.world.time - KEPT
    events = {event.id for event in cast.sim.events() if event.created > oldest}
    return not events <= cast.stage.disasters.driver.commit(known)


def _work_through(cast: Cast) -> None:
    """Let every duty do all that is due."""
    release = cast.release()
    for _ in range(3):
        for name, duty in duties(release).items():
            cast.stage.enter("calm worker", duty(100), who=name, skew=release.skew)
            cast.stage.run()


def _left(cast: Cast) -> list[str]:
    """Return what is still pending."""
    chosen = select(work).where(work.c.queue.not_in(_FOREVER))

    def read(tx: Tx) -> list[str]:
        return [str(tuple(row)) for row in tx.connection.execute(chosen)]

    return cast.stage.disasters.driver.commit(read)


def _next_due(cast: Cast) -> timedelta:
    """Return how long it is until something is due."""
    chosen = select(func.min(work.c.due_ms)).where(work.c.queue.not_in(_FOREVER))
    now = int(cast.stage.world.time.timestamp() * 1000)

    def read(tx: Tx) -> int:
        return tx.connection.scalar(chosen) or now

    due = cast.stage.disasters.driver.commit(read)
    return timedelta(milliseconds=max(0, due - now))
