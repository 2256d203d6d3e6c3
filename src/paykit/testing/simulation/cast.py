"""Who takes part: callers that repeat themselves, workers, webhooks and payers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

from paykit.engine import Engine, Flow, Handlers, Operation, commit, sleep
from paykit.errors import InProgress, LeaseLost, OutcomeUnknown, PspUnavailable
from paykit.operations import EventView, calls
from paykit.psp import binding_of
from paykit.store import inbox
from paykit.testing.simulated import ProviderError, SimulatedProvider, SimulatedPsp
from paykit.testing.simulation.stage import Crash, Stage
from paykit.workers.deliver import deliver_next
from paykit.workers.inbox_batch import process_batch
from paykit.workers.refresh import refresh_next
from paykit.workers.resume import resume_next

__all__ = ["MERCHANT", "Cast", "Heard"]

MERCHANT: Final = "default"
_RETRY_LATER: Final = (InProgress, LeaseLost, OutcomeUnknown, PspUnavailable)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caller was told in the end."""

    caller: str
    operation: str
    key: str
    result: Any
    """A view, or the error that was raised, or the crash of the caller's process."""


@dataclass(slots=True)
class Cast:
    """Brings actors on the stage."""

    stage: Stage
    engine: Engine
    sim: SimulatedProvider
    psp: SimulatedPsp
    handlers: Handlers[EventView, Any]
    heard: list[Heard] = field(default_factory=list)
    undelivered: list[bytes] = field(default_factory=list)
    """The postman's bag; what is left in it comes when it is calm."""

    def caller(
        self,
        name: str,
        op: Operation[Any, Any],
        key: str,
        fields: dict[str, object],
        then: Callable[[Any], None] | None = None,
    ) -> None:
        """A client that repeats its call with the same key, also after a crash."""

        def ended(result: Any) -> None:
            self.heard.append(Heard(name, op.name, key, result))
            if isinstance(result, Crash) and self.stage.dice.random() < 0.7:
                self.stage.enter(f"{name}'", self._call(op, key, fields), ended)
            elif then is not None and not isinstance(result, Exception):
                then(result)

        self.stage.enter(name, self._call(op, key, fields), ended)

    def quitter(
        self, name: str, op: Operation[Any, Any], key: str, fields: dict[str, object]
    ) -> None:
        """A caller that dies after the first commit and is missed for two hours."""
        flow = calls.call(self.engine, op, key, MERCHANT, fields)
        self.stage.enter(
            name,
            _first_effect_of(flow),
            lambda result: self.stage.pass_time(timedelta(hours=2)),
        )

    def _call(
        self, op: Operation[Any, Any], key: str, fields: dict[str, object]
    ) -> Flow[Any]:
        for _ in range(self.stage.dice.randrange(4)):
            try:
                flow = calls.call(self.engine, op, key, MERCHANT, dict(fields))
                return (yield from flow)
            except _RETRY_LATER:
                yield from sleep(float(self.stage.dice.randrange(1, 40)))
        return (yield from calls.call(self.engine, op, key, MERCHANT, dict(fields)))

    def worker(self, name: str, rounds: int) -> None:
        """A background worker; when it dies, another one starts."""

        def ended(result: Any) -> None:
            if isinstance(result, Crash):
                self.worker(name, rounds // 2)

        self.stage.enter(name, self._work(rounds), ended)

    def duties(self) -> list[Callable[[], Flow[object]]]:
        """Return what a worker does."""
        return [
            lambda: resume_next(self.engine),
            lambda: process_batch(self.engine.env, self.stage.dice.randrange(1, 6)),
            lambda: refresh_next(self.engine.env),
            lambda: deliver_next(self.handlers),
        ]

    def _work(self, rounds: int) -> Flow[None]:
        for _ in range(rounds):
            duty = self.stage.dice.choice(self.duties())
            yield from duty()
            yield from sleep(float(self.stage.dice.randrange(3)))

    def postman(self, name: str, rounds: int) -> None:
        """Delivers webhooks late, in any order and sometimes twice."""
        self.stage.enter(name, self._post(rounds))

    def _post(self, rounds: int) -> Flow[None]:
        bag = self.undelivered
        for _ in range(rounds):
            bag += self.sim.take_webhooks()
            yield from sleep(float(self.stage.dice.randrange(2)))
            if bag:
                index = self.stage.dice.randrange(len(bag))
                body = bag[index]
                yield from commit(self.receipt(body))
                if self.stage.dice.random() < 0.8:
                    bag.remove(body)

    def receipt(self, body: bytes) -> Callable[..., bool]:
        """Return the phase that stores a webhook."""
        envelope = self.psp.read_envelope(body)
        return partial(
            inbox.receive,
            binding=binding_of(self.psp),
            event_id=envelope.event_id,
            event_type=envelope.event_type,
            account=envelope.account,
            body=body,
        )

    def bystander(self, name: str, act: Callable[[], None], rounds: int = 12) -> None:
        """Payers and banks: `act` is tried again and again, in between the others."""
        self.stage.enter(name, self._stand_by(act, rounds))

    def _stand_by(self, act: Callable[[], None], rounds: int) -> Flow[None]:
        for _ in range(rounds):
            yield from sleep(float(self.stage.dice.randrange(4)))
            try:
                act()
            except ProviderError:
                continue


def _first_effect_of(flow: Flow[Any]) -> Flow[None]:
    yield next(flow)
    flow.close()
