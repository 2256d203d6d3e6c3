"""Flows side by side in simulated time: whoever wakes first goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

from paykit import PaykitError, PaymentService
from paykit.engine import Ask, Effect, Flow, Sleep
from paykit.psp import Answer, Unknown
from tests.support import FrozenWorld, Shop

__all__ = ["Call", "Timeline", "repeating"]

_ANSWER = 0.2
_TIMEOUT = 10.0
"""Seconds: how long the PSP takes to answer, and how long nobody waits for it."""


@dataclass(frozen=True)
class Call:
    """One call of somebody, and what it came to."""

    began: float
    ended: float
    outcome: Any

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Timeline:
    """Performs effects in the order of a clock that jumps to what comes next."""

    shop: Shop
    calls: list[Call] = field(default_factory=list)
    asked: list[tuple[float, Ask, Answer]] = field(default_factory=list)
    _due: list[tuple[float, int, Flow[Any], Any]] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)
    _start: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.world.now()

    @property
    def world(self) -> FrozenWorld:
        return self.shop.world

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return (self.world.now() - self._start).total_seconds()

    def enter(self, at: float, flow: Flow[Any]) -> None:
        """Let `flow` begin at that second."""
        heappush(self._due, (at, next(self._numbers), flow, None))

    def call(self, flow: Flow[Any]) -> Flow[Any]:
        """Note how long `flow` takes and what it comes to; errors are returned."""
        began = self.now
        try:
            outcome = yield from flow
        except PaykitError as error:
            outcome = error
        self.calls.append(Call(began, self.now, outcome))
        return outcome

    def run(self, until: float) -> None:
        """Go on until that second, or until nobody is left."""
        while self._due and self._due[0][0] <= until:
            at, _, flow, reply = heappop(self._due)
            self.world.advance(timedelta(seconds=max(0.0, at - self.now)))
            self._step(flow, reply)

    def _step(self, flow: Flow[Any], reply: Any) -> None:
        """Let one flow go on until it has to wait."""
        seconds = 0.0
        try:
            effect = flow.send(reply)
            while not seconds:
                try:
                    reply, seconds = self._perform(effect)
                except PaykitError as error:
                    effect = flow.throw(error)
                else:
                    if not seconds:
                        effect = flow.send(reply)
        except StopIteration:
            return
        at = self.now + seconds
        heappush(self._due, (at, next(self._numbers), flow, reply))

    def _perform(self, effect: Effect) -> tuple[Any, float]:
        if isinstance(effect, Sleep):
            return None, effect.seconds
        assert isinstance(self.shop.service, PaymentService)
        reply = self.shop.service.driver.perform(effect)
        if not isinstance(effect, Ask):
            return reply, 0.0
        self.asked.append((self.now, effect, reply))
        return reply, _TIMEOUT if isinstance(reply, Unknown) else _ANSWER


def repeating(make: Callable[[], Flow[Any]], seconds: float) -> Flow[None]:
    """Do it again and again, with a pause where there was nothing to do."""
    while True:
        found = yield from make()
        if not found:
            yield Sleep(seconds)
