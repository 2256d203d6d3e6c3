"""Performing effects badly: what a fault does to a commit, a call or a delivery."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from sqlalchemy import Connection, event, update
from sqlalchemy.exc import OperationalError

from paykit.engine import Ask, Commit, Deliver, Driver, Effect, Sleep
from paykit.psp import NotExecuted, NotSent, Unknown
from paykit.store.schema import work
from paykit.store.tx import Tx
from paykit.testing.simulation.triples import Boundary, Triple
from paykit.testing.simulation.weather import CALM, Weather, faults_of
from paykit.testing.simulation.world import SimulatedWorld

__all__ = ["AWAY", "BrokerFailed", "Crash", "Disasters", "HandlerFailed"]

AWAY: Final = ("suspended", "preempted", "lease_stolen")
"""Faults that come before an effect, and leave it to be performed later."""

_STATEMENTS: Final = 12
"""After at most how many statements a connection is cut."""


class Crash(Exception):
    """The process of an actor died."""


_ROUND_TRIP: Final = timedelta(milliseconds=50)

_ON_TARGET: Final = 0.7
"""How likely the wanted fault is each time its boundary is met."""


class BrokerFailed(Exception):
    """The host's broker did not take messages, or did not say so."""


class HandlerFailed(Exception):
    """A handler of the host raised."""


class _Lost(Exception):
    """A COMMIT did not succeed."""


@dataclass(slots=True)
class Disasters:
    """
    Performs effects with the real driver, under a weather.

    With a `target` one fault is sure to happen where it is wanted, if the story comes
    there: chance alone would need far more seeds to have met every one.
    """

    driver: Driver
    dice: random.Random
    world: SimulatedWorld
    weather: Weather
    target: Triple | None = None
    story: list[str] = field(default_factory=list)
    met: set[Triple] = field(default_factory=set)
    """Which triples have happened."""
    visited: set[Boundary] = field(default_factory=set)
    """Which boundaries a flow has come to."""
    asked: list[tuple[datetime, str]] = field(default_factory=list)
    """When which request came to the PSP, in order."""
    sent: dict[str, set[str]] = field(default_factory=dict)
    """By idempotency key: every body that was sent under it."""
    outage_until: datetime | None = None

    def calm(self) -> None:
        """End all disasters."""
        self.weather, self.outage_until, self.target = CALM, None, None

    def chance(self, rate: float) -> bool:
        """Throw the dice; never for what cannot happen."""
        return rate > 0 and self.dice.random() < rate

    def draw(self, effect: Effect, boundary: Boundary | None) -> str | None:
        """Return the fault that meets `effect`, and note that it has."""
        if boundary is not None:
            self.visited.add(boundary)
        fault = self._drawn(effect, boundary)
        if fault is not None and boundary is not None:
            self.met.add(Triple(boundary, fault))
        return fault

    def _drawn(self, effect: Effect, boundary: Boundary | None) -> str | None:
        names = faults_of(effect)
        target = self.target
        if (
            target is not None
            and target.boundary == boundary
            and target.fault in names
            and self.chance(_ON_TARGET)
        ):
            self.target = None
            return target.fault
        if isinstance(effect, Ask) and self._in_outage():
            return "outage"
        for name in names:
            if self.chance(getattr(self.weather, name)):
                return name
        return None

    def _in_outage(self) -> bool:
        return self.outage_until is not None and self.world.time < self.outage_until

    def perform(self, who: str, effect: Effect, fault: str | None) -> Any:
        """Perform `effect` as `fault` wants it; raises `Crash` if that is a crash."""
        if fault is None:
            return self.plainly(effect)
        self.story.append(f"{who}: {fault.replace('_', ' ')}")
        return _PERFORM[fault](self, effect)

    def plainly(self, effect: Effect) -> Any:
        """Perform `effect`, and nothing goes wrong."""
        match effect:
            case Commit(phase):
                return self.driver.commit(phase)
            case Sleep(seconds):
                self.pass_time(timedelta(seconds=seconds))
                return None
            case Ask(_, call):
                if call.idempotency_key is not None:
                    bodies = self.sent.setdefault(call.idempotency_key, set())
                    bodies.add(call.parameters)
                self.pass_time(_ROUND_TRIP)
                self.asked.append((self.world.time, call.verb))
                return self.driver.perform(effect)
            case _:
                return self.driver.perform(effect)

    def pass_time(self, delta: timedelta) -> None:
        """Move the true time forward."""
        self.world.time += delta

    # -- faults ----------------------------------------------------------------------

    def crash_before(self, effect: Effect) -> NoReturn:
        """Die, and what was open is rolled back."""
        raise Crash("before it")

    def crash_after(self, effect: Effect) -> NoReturn:
        """Die before anybody hears of it."""
        self.plainly(effect)
        raise Crash("after it")

    def reply_lost(self, effect: Effect) -> Any:
        """Commit, and hear nothing of it."""
        self.plainly(effect)
        return self._again(effect)

    def commit_lost(self, effect: Effect) -> Any:
        """Do it all, and fail to commit it."""
        with self._rolled_back():
            self.plainly(effect)
        return self._again(effect)

    def connection_cut(self, effect: Effect) -> Any:
        """Break in the middle of a phase, or after it, if it has fewer statements."""
        statements = self.dice.randrange(1, _STATEMENTS)
        before = self.dice.getstate()
        with self._cut_after(statements):
            try:
                return self.plainly(effect)
            except OperationalError:
                # Databases need different statements; what comes next is the same.
                self.dice.setstate(before)
        return self._again(effect)

    def database_down(self, effect: Effect) -> NoReturn:
        """Find no database, however often it is tried."""
        raise _broken()

    def _again(self, effect: Effect) -> Any:
        """Do what the real driver does: repeat a phase, but no delivery."""
        if isinstance(effect, Commit):
            return self.plainly(effect)
        raise _broken()

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        """Let every COMMIT fail, as if the server had died on the way to it."""

        def refuse(connection: Connection) -> NoReturn:
            raise _Lost

        with self._listening("commit", refuse), suppress(_Lost):
            yield

    @contextmanager
    def _cut_after(self, statements: int) -> Iterator[None]:
        left = statements

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise _broken()

        with self._listening("before_cursor_execute", count):
            yield

    @contextmanager
    def _listening(self, name: str, listener: Callable[..., object]) -> Iterator[None]:
        event.listen(self.driver.database, name, listener)
        try:
            yield
        finally:
            event.remove(self.driver.database, name, listener)

    def not_sent(self, effect: Effect) -> NotSent:
        """Answer as if there was no connection."""
        return NotSent(reason="simulated: connection refused")

    def rate_limited(self, effect: Effect) -> NotExecuted:
        """Answer 429."""
        return NotExecuted(reason="simulated: 429")

    def request_lost(self, effect: Effect) -> Unknown:
        """Send nothing, and do not know it."""
        return Unknown(reason="simulated: the request never arrived")

    def answer_lost(self, effect: Effect) -> Unknown:
        """Let the PSP act, and hear nothing of it."""
        self.plainly(effect)
        return Unknown(reason="simulated: the answer never arrived")

    def outage(self, effect: Effect) -> NotSent | Unknown:
        """Begin an outage, or go on in one: nobody hears of what is done."""
        if not self._in_outage():
            minutes = self.dice.choice((2, 10, 60))
            self.outage_until = self.world.time + timedelta(minutes=minutes)
        luck = self.dice.random()
        if luck < 0.5:
            return self.not_sent(effect)
        self.pass_time(timedelta(seconds=5))
        if luck < 0.85:
            return self.request_lost(effect)
        return self.answer_lost(effect)

    def not_published(self, effect: Effect) -> NoReturn:
        """Publish nothing."""
        raise BrokerFailed("simulated: refused")

    def receipt_lost(self, effect: Effect) -> NoReturn:
        """Publish, and hear nothing of it."""
        self.plainly(effect)
        raise BrokerFailed("simulated: taken, and nobody heard of it")

    def handler_fails(self, effect: Effect) -> Any:
        """Let a handler raise after all the others."""
        assert isinstance(effect, Deliver)

        def fail(event: object, session: object) -> NoReturn:
            raise HandlerFailed("simulated")

        def handlers(found: Any) -> list[Callable[..., Any]]:
            return [*effect.handlers(found), fail]

        return self.plainly(Deliver(effect.load, handlers, effect.done))

    def steal_leases(self) -> None:
        """Let every lease run out, as if its holder had been silent for too long."""
        held = work.c.lease.is_not(None)
        out = update(work).where(held).values(lease_until_ms=0, due_ms=0)

        def steal(tx: Tx) -> None:
            tx.connection.execute(out)

        self.driver.commit(steal)


def _broken() -> OperationalError:
    return OperationalError(
        "simulated",
        None,
        Exception("the connection broke"),
        connection_invalidated=True,
    )


_PERFORM: Final[Mapping[str, Callable[[Disasters, Effect], Any]]] = {
    "crash_before": Disasters.crash_before,
    "crash_after": Disasters.crash_after,
    "reply_lost": Disasters.reply_lost,
    "commit_lost": Disasters.commit_lost,
    "connection_cut": Disasters.connection_cut,
    "database_down": Disasters.database_down,
    "not_sent": Disasters.not_sent,
    "rate_limited": Disasters.rate_limited,
    "request_lost": Disasters.request_lost,
    "answer_lost": Disasters.answer_lost,
    "outage": Disasters.outage,
    "handler_fails": Disasters.handler_fails,
    "not_published": Disasters.not_published,
    "receipt_lost": Disasters.receipt_lost,
}
