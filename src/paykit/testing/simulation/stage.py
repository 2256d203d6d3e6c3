"""The stage: actors whose flows are stepped one effect at a time, badly."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine as Database

from paykit.engine import (
    Ask,
    Commit,
    Deliver,
    Driver,
    Effect,
    Flow,
    PspDirectory,
    Sleep,
)
from paykit.errors import PaykitError
from paykit.psp import Answer, NotExecuted, NotSent, Unknown

__all__ = ["CALM", "Actor", "Crash", "SimulatedWorld", "Stage", "Weather"]


class Crash(Exception):
    """The process of an actor died."""


class SimulatedWorld:
    """Time that only the simulation moves, and identifiers from its seed."""

    @property
    def simulated(self) -> bool:
        """Whether this is a simulation's clock."""
        return True

    def __init__(self, dice: random.Random) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)
        self._dice = dice

    def now(self) -> datetime:
        """Return the simulated time."""
        return self.time

    def new_uuid(self) -> UUID:
        """Return a UUIDv7 made of the simulated time and the seed."""
        stamp = int(self.time.timestamp() * 1000) << 80
        return UUID(int=stamp | 0x7 << 76 | 0x2 << 62 | self._dice.getrandbits(60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How often what goes wrong, as probabilities per effect."""

    crash_before: float = 0.03
    crash_after: float = 0.03
    stall: float = 0.04
    """The actor is suspended for minutes, while others go on (a paused machine)."""
    preempted: float = 0.04
    """The actor is suspended while others go on, and hardly any time passes."""
    night: float = 0.004
    """Half an hour passes for everybody."""
    commit_reply_lost: float = 0.03
    not_sent: float = 0.05
    request_lost: float = 0.06
    answer_lost: float = 0.10
    rate_limited: float = 0.03


CALM: Final = Weather(**dict.fromkeys(Weather.__dataclass_fields__, 0.0))


@dataclass(slots=True)
class Actor:
    """A flow that takes part, and what becomes of it."""

    name: str
    flow: Flow[Any]
    ended: Callable[[Any], None]
    effect: Effect | None = None
    suspended: int = 0
    """For how many steps of others it does nothing."""


@dataclass(slots=True)
class Stage:
    """Steps random actors until every one has ended, one way or another."""

    database: Database
    psps: PspDirectory
    dice: random.Random
    world: SimulatedWorld
    weather: Weather = field(default_factory=Weather)
    story: list[str] = field(default_factory=list)
    """Everything that happened, in order."""
    actors: list[Actor] = field(default_factory=list)
    driver: Driver = field(init=False)

    def __post_init__(self) -> None:
        self.driver = Driver.on(self.database, self.psps, self.world)

    def enter(
        self, name: str, flow: Flow[Any], ended: Callable[[Any], None] | None = None
    ) -> None:
        """Let `flow` take part; `ended` hears its result, its error or its crash."""
        self.actors.append(Actor(name, flow, ended or (lambda result: None)))

    def run(self, steps_max: int = 20_000) -> None:
        """Step actors until the stage is empty."""
        for _ in range(steps_max):
            if not self.actors:
                return
            awake = [actor for actor in self.actors if not actor.suspended]
            for actor in self.actors:
                actor.suspended = max(0, actor.suspended - 1)
            if awake:
                self._step(self.dice.choice(awake))
        raise AssertionError("the simulation does not come to an end")

    def calm(self) -> None:
        """End all disasters."""
        self.weather = CALM

    def pass_time(self, delta: timedelta) -> None:
        """Move the clock forward."""
        self.world.time += delta

    def _step(self, actor: Actor) -> None:
        try:
            self._advance(actor)
        except StopIteration as stop:
            self._leave(actor, stop.value)
        except Crash as crash:
            actor.flow.close()
            self._leave(actor, crash)
        except PaykitError as error:
            self._leave(actor, error)

    def _stalls(self, actor: Actor) -> bool:
        if self._chance(self.weather.night):
            self.pass_time(timedelta(minutes=30))
        if self._chance(self.weather.preempted):
            actor.suspended = self.dice.randrange(2, 60)
            return True
        if not self._chance(self.weather.stall):
            return False
        self.pass_time(timedelta(seconds=self.dice.randrange(60, 300)))
        actor.suspended = self.dice.randrange(2, 25)
        self.story.append(f"{actor.name}: is suspended")
        return True

    def _advance(self, actor: Actor) -> None:
        if actor.effect is not None and self._stalls(actor):
            return
        if actor.effect is None:
            actor.effect = next(actor.flow)
            return
        try:
            reply = self._perform(actor, actor.effect)
        except Crash:
            raise
        except Exception as error:
            actor.effect = actor.flow.throw(error)
        else:
            actor.effect = actor.flow.send(reply)

    def _leave(self, actor: Actor, result: Any) -> None:
        self.actors.remove(actor)
        self.story.append(f"{actor.name}: ended with {result!r}")
        actor.ended(result)

    def _perform(self, actor: Actor, effect: Effect) -> Any:
        self._maybe_crash(actor, self.weather.crash_before, "before", effect)
        reply = self._really(effect)
        self.story.append(f"{actor.name}: {_short(effect)} -> {reply!r}")
        self._maybe_crash(actor, self.weather.crash_after, "after", effect)
        return reply

    def _really(self, effect: Effect) -> Any:
        match effect:
            case Commit(phase):
                reply = self.driver.commit(phase)
                if self._chance(self.weather.commit_reply_lost):
                    # What the driver does when the reply to COMMIT got lost.
                    self.story.append("the reply to COMMIT got lost")
                    reply = self.driver.commit(phase)
                return reply
            case Ask():
                return self._ask(effect)
            case Sleep(seconds):
                self.pass_time(timedelta(seconds=seconds))
            case Deliver():
                return self.driver.perform(effect)

    def _ask(self, effect: Ask) -> Answer:
        weather = self.weather
        self.pass_time(timedelta(milliseconds=200))
        if self._chance(weather.not_sent):
            return NotSent(reason="simulated: connection refused")
        if self._chance(weather.rate_limited):
            return NotExecuted(reason="simulated: 429")
        if self._chance(weather.request_lost):
            return Unknown(reason="simulated: the request never arrived")
        answer: Answer = self.driver.perform(effect)
        if self._chance(weather.answer_lost):
            return Unknown(reason="simulated: the answer never arrived")
        return answer

    def _maybe_crash(
        self, actor: Actor, rate: float, when: str, effect: Effect
    ) -> None:
        if self._chance(rate):
            raise Crash(f"{actor.name} died {when} {_short(effect)}")

    def _chance(self, rate: float) -> bool:
        return rate > 0 and self.dice.random() < rate


def _short(effect: Effect) -> str:
    match effect:
        case Commit(phase):
            inner = getattr(phase, "func", phase)
            return f"commit {getattr(inner, '__qualname__', repr(inner))}"
        case Ask(_, call):
            return f"ask {call.verb} {call.idempotency_key or ''}"
        case Sleep(seconds):
            return f"sleep {seconds:.1f}"
        case Deliver():
            return "deliver"
