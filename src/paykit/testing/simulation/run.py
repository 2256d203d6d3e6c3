"""One seed, from an empty database to the verdict."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Engine as Database
from sqlalchemy import select
from tenacity import wait_fixed
from typing_extensions import override

from paykit.engine import Engine, Environment, Handlers, Policy, SinglePsp
from paykit.operations import EventView
from paykit.store.schema import work
from paykit.store.tx import Tx
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.invariants import violations
from paykit.testing.simulation.scenarios import SCENARIOS
from paykit.testing.simulation.stage import SimulatedWorld, Stage, Weather

__all__ = ["Story", "simulate"]

_POLICY: Final = Policy(sends=2, backoff=lambda: wait_fixed(1))
_CALM_ROUNDS: Final = 60


@dataclass(frozen=True, slots=True)
class Story:
    """What a seed came to."""

    seed: int
    scenario: str
    violations: list[str]
    lines: list[str]
    steps: int

    @override
    def __str__(self) -> str:
        """Return the whole story, ending with what is wrong and how to repeat it."""
        repeat = f"python -m paykit.testing.simulation --seed {self.seed}"
        return "\n".join([*self.lines, *self.violations, f"repeat: {repeat}"])


def simulate(database: Database, seed: int, weather: Weather | None = None) -> Story:
    """Run one seed on an empty, installed `database`."""
    dice = random.Random(seed)
    cast = _cast(database, dice, weather or Weather())
    name = dice.choice(list(SCENARIOS))
    SCENARIOS[name](cast)
    for worker in ("worker 1", "worker 2"):
        cast.worker(worker, rounds=14)
    cast.postman("postman", rounds=16)
    cast.stage.run()
    found = _calm_down(cast)
    if not found:
        with database.connect() as connection:
            found = violations(cast, connection)
    lines = cast.stage.story
    return Story(seed, name, found, lines, len(lines))


def _cast(database: Database, dice: random.Random, weather: Weather) -> Cast:
    world = SimulatedWorld(dice)
    sim = SimulatedProvider(world)
    psp = SimulatedPsp(sim)
    psps = SinglePsp(psp)
    handlers: Handlers[EventView, Any] = Handlers()
    handlers.add("*", lambda event, session: None)
    environment = Environment(
        psps=psps, world=world, policy=_POLICY, installation="simulation"
    )
    stage = Stage(database, psps, dice, world, weather)
    return Cast(stage, Engine(env=environment), sim, psp, handlers)


def _calm_down(cast: Cast) -> list[str]:
    """End the disasters, deliver what is late and work until nothing is pending."""
    stage = cast.stage
    stage.calm()
    cast.sim.settle_refunds()
    for _ in range(_CALM_ROUNDS):
        for body in [*cast.undelivered, *cast.sim.take_webhooks()]:
            stage.driver.commit(cast.receipt(body))
        cast.undelivered = []
        if not _pending(cast) and not stage.actors:
            return []
        cast.worker("calm worker", rounds=40)
        stage.run()
        stage.pass_time(timedelta(hours=2))
    return ["nothing_left_to_do: work is pending after the calm", *_left(cast)]


def _left(cast: Cast) -> list[str]:
    """Return what is still pending."""
    return cast.stage.driver.commit(
        lambda tx: [str(tuple(row)) for row in tx.connection.execute(select(work))]
    )


def _pending(cast: Cast) -> bool:
    def look(tx: Tx) -> bool:
        return tx.connection.execute(select(work.c.id).limit(1)).first() is not None

    return cast.stage.driver.commit(look)
