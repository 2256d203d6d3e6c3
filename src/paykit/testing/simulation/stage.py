"""The stage: actors whose flows are stepped one effect at a time, in a random order."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy.exc import OperationalError

from paykit.engine import Ask, Commit, Effect, Flow, Sleep
from paykit.errors import PaykitError
from paykit.testing.simulation.performing import AWAY, BrokerFailed, Crash, Disasters
from paykit.testing.simulation.places import place_of
from paykit.testing.simulation.triples import boundary_of
from paykit.testing.simulation.weather import CALM
from paykit.testing.simulation.world import SimulatedWorld

__all__ = ["Actor", "Stage"]


@dataclass(slots=True)
class Actor:
    """A flow that takes part, and what becomes of it."""

    name: str
    who: str
    """What it does: a duty's name, or a caller's."""
    flow: Flow[Any]
    ended: Callable[[Any], None]
    skew: timedelta
    """By how much the clock of its machine is wrong."""
    effect: Effect | None = None
    suspended: int = 0
    """For how many steps of others it does nothing."""
    waited: float = 0.0
    """Seconds that paykit made it wait on purpose."""
    came_back: bool = False
    """Whether it has been away since it came to its effect."""


@dataclass(slots=True)
class Stage:
    """Steps random actors until every one has ended, one way or another."""

    dice: random.Random
    world: SimulatedWorld
    disasters: Disasters
    actors: list[Actor] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)
    """By what an actor does: how long one waited at most in one call, in seconds."""
    failures: list[str] = field(default_factory=list)
    """What an actor raised that no caller and no worker expects."""

    @property
    def story(self) -> list[str]:
        """Everything that happened, in order."""
        return self.disasters.story

    def enter(
        self,
        name: str,
        flow: Flow[Any],
        ended: Callable[[Any], None] | None = None,
        *,
        who: str = "",
        skew: timedelta = timedelta(0),
    ) -> None:
        """Let `flow` take part; `ended` hears its result, its error or its crash."""
        done = ended or (lambda result: None)
        self.actors.append(Actor(name, who or name, flow, done, skew))

    def run(self, steps_max: int = 40_000) -> None:
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
        self.disasters.calm()

    def change_weather(self, **rates: float) -> None:
        """Let nothing go wrong but this."""
        self.disasters.weather = CALM.__class__(**{**_NEVER, **rates})
        self.disasters.target = None

    def pass_time(self, delta: timedelta) -> None:
        """Move the clock forward."""
        self.disasters.pass_time(delta)

    def _step(self, actor: Actor) -> None:
        self.world.skew = actor.skew
        try:
            self._advance(actor)
        except StopIteration as stop:
            self._leave(actor, stop.value)
        except Crash as crash:
            actor.flow.close()
            self._leave(actor, crash)
        except (PaykitError, OperationalError, BrokerFailed) as error:
            self._leave(actor, error)
        except Exception as error:
            self.failures.append(f"{actor.name} ({actor.who}) raised {error!r}")
            self._leave(actor, error)
        finally:
            self.world.skew = timedelta(0)

    def _advance(self, actor: Actor) -> None:
        if actor.effect is None:
            self._came_to(actor, next(actor.flow))
            return
        fault = self._fault(actor, actor.effect)
        if fault in AWAY:
            self._send_away(actor, fault)
            return
        self._note_wait(actor, actor.effect)
        try:
            reply = self.disasters.perform(actor.name, actor.effect, fault)
        except Crash:
            raise
        except Exception as error:
            self._tell(actor, f"{type(error).__name__}")
            self._came_to(actor, actor.flow.throw(error))
        else:
            self._tell(actor, _short(reply))
            self._came_to(actor, actor.flow.send(reply))

    def _fault(self, actor: Actor, effect: Effect) -> str | None:
        if self.disasters.chance(self.disasters.weather.night):
            self.pass_time(timedelta(minutes=30))
        if actor.came_back:
            # Its machine runs again; nobody is away twice before the same effect.
            fault = self.disasters.draw(effect, None)
            return None if fault in AWAY else fault
        return self.disasters.draw(effect, boundary_of(actor.who, actor.flow))

    def _note_wait(self, actor: Actor, effect: Effect) -> None:
        if not isinstance(effect, Sleep):
            return
        if place_of(actor.flow) is None:
            return  # A pause between two calls, which is the caller's own.
        actor.waited += effect.seconds
        self.waits[actor.who] = max(self.waits.get(actor.who, 0.0), actor.waited)

    def _came_to(self, actor: Actor, effect: Effect) -> None:
        actor.effect, actor.came_back = effect, False

    def _send_away(self, actor: Actor, fault: str | None) -> None:
        actor.came_back = True
        if fault == "lease_stolen":
            self.disasters.steal_leases()
        if fault == "suspended":
            self.pass_time(timedelta(seconds=self.dice.randrange(60, 300)))
        actor.suspended = self.dice.randrange(2, 60 if fault == "preempted" else 25)
        self.story.append(f"{actor.name}: {str(fault).replace('_', ' ')}")

    def _leave(self, actor: Actor, result: Any) -> None:
        self.actors.remove(actor)
        self.story.append(f"{actor.name}: ended with {_short(result)}")
        actor.ended(result)

    def _tell(self, actor: Actor, reply: str) -> None:
        assert actor.effect is not None
        self.story.append(f"{actor.name}: {_effect(actor.effect)} -> {reply}")


_NEVER = dict.fromkeys(CALM.__dataclass_fields__, 0.0)


def _effect(effect: Effect) -> str:
    match effect:
        case Commit(phase):
            inner = getattr(phase, "func", phase)
            return f"commit {getattr(inner, '__qualname__', type(inner).__name__)}"
        case Ask(_, call):
            return f"ask {call.verb} {call.idempotency_key or ''}".strip()
        case _:
            return type(effect).__name__.lower()


def _short(reply: object) -> str:
    """Return what was replied in few words, the same on every database."""
    if isinstance(reply, Exception):
        return f"{type(reply).__name__}: {reply}".splitlines()[0][:120]
    if isinstance(reply, str | int | None):
        return repr(reply)[:120]
    if isinstance(reply, tuple):
        return f"({', '.join(map(_short, reply))})"
    if isinstance(reply, BaseModel):
        state = getattr(reply, "state", "")
        return f"{type(reply).__name__} {state}".strip()
    point = getattr(reply, "point", None) or getattr(reply, "status", None)
    named = type(reply).__name__
    return f"{named} at {point}" if isinstance(point, str) else named
