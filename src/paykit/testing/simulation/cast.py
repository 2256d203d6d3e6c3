"""Who takes part: callers that repeat themselves, workers, webhooks and payers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

from paykit.engine import Commit, Effect, Engine, Flow, Operation, commit, sleep
from paykit.errors import (
    InProgress,
    LeaseLost,
    NotAllowed,
    OutcomeUnknown,
    PspUnavailable,
)
from paykit.operations import calls, resolve_case
from paykit.operations.commands import Command, build
from paykit.psp import binding_of
from paykit.store import inbox
from paykit.store.tx import Tx
from paykit.testing.simulated import ProviderError, SimulatedProvider, SimulatedPsp
from paykit.testing.simulation.host import Broker
from paykit.testing.simulation.performing import Crash
from paykit.testing.simulation.releases import Release
from paykit.testing.simulation.stage import Stage
from paykit.workers.duties import duties

__all__ = ["LATER", "MERCHANT", "Cast", "Heard"]

LATER: Final = (
    timedelta(minutes=2),
    timedelta(minutes=20),
    timedelta(hours=3),
    timedelta(days=1),
    timedelta(days=7),
)
"""How long nobody may do anything, before the workers come back."""

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


@dataclass(frozen=True, slots=True)
class _Call:
    """What a client wants, as often as it takes."""

    name: str
    op: Operation[Any, Any]
    key: str
    fields: dict[str, object]
    begins: bool
    """Whether the first phase is in a transaction of the host."""
    then: Callable[[Any], None] | None

    @property
    def who(self) -> str:
        return "finish" if self.begins else "call"

    def flow(self, engine: Engine) -> Flow[Any]:
        if self.begins:
            return self._begun(engine)
        return calls.call(engine, self.op, self.key, MERCHANT, dict(self.fields))

    def _begun(self, engine: Engine) -> Flow[Any]:
        command: Command = build(self.op.takes, self.fields)

        def begin(tx: Tx) -> calls.Begun:
            return calls.begin(engine, tx.connection, command, self.key, MERCHANT)

        begun = yield from commit(begin)
        return (yield from calls.finish(engine, begun.operation_id))


@dataclass(slots=True)
class Cast:
    """Brings actors on the stage."""

    stage: Stage
    releases: tuple[Release, ...]
    """Who calls or works takes one of them at random: a deploy is always under way."""
    sim: SimulatedProvider
    psp: SimulatedPsp
    broker: Broker
    heard: list[Heard] = field(default_factory=list)
    undelivered: list[bytes] = field(default_factory=list)
    """The postman's bag; what is left in it comes when it is calm."""
    dropped: set[str] = field(default_factory=set)
    """Webhooks that the PSP never pushes again, by event id."""
    pauses: tuple[timedelta, ...] = LATER
    only: tuple[str, ...] = ()
    """The duties that workers have before it is calm; all, if none is named."""
    looks_again: float = 0.0
    """How many persons have a case looked at again before they decide it."""
    aftermaths: int = 4
    """How often the workers come back to what is left while everything breaks."""
    begun: float = 0.0
    """How many callers begin inside a transaction of their own, as a probability."""

    def release(self) -> Release:
        """Return one of the releases that run side by side."""
        return self.stage.dice.choice(self.releases)

    def caller(
        self,
        name: str,
        op: Operation[Any, Any],
        key: str,
        fields: dict[str, object],
        then: Callable[[Any], None] | None = None,
    ) -> None:
        """
        A client that repeats its call with the same key, also after a crash.

        Some begin inside a transaction of their own, and finish after it.
        """
        begins = self.stage.dice.random() < self.begun
        call = _Call(name, op, key, fields, begins, then)
        self._try(call, pause=0.0, left=self.stage.dice.randrange(4))

    def refresher(self, name: str, payment_id: str) -> None:
        """A client that wants to see a payment as the PSP shows it now."""
        release = self.release()
        flow = calls.refresh(release.engine, payment_id, MERCHANT)
        self.stage.enter(name, flow, who="refresh", skew=release.skew)

    def person(self, operation_id: str) -> None:
        """Somebody who decides a case: it was not executed, or look again."""
        release = self.release()
        again = self.stage.disasters.chance(self.looks_again)
        flow = (_look if again else _decide)(release.engine, operation_id)
        self.stage.enter("person", flow, who="person", skew=release.skew)

    def quitter(
        self,
        name: str,
        op: Operation[Any, Any],
        key: str,
        fields: dict[str, object],
        *,
        dies_of: type[Effect] = Commit,
        then: Callable[[], None] | None = None,
    ) -> None:
        """
        A caller that dies of its first `dies_of`, and is missed for two hours.

        It does not hear of it: what it committed is there, what it asked for executed.
        """
        flow = calls.call(self.release().engine, op, key, MERCHANT, fields)

        def ended(result: Any) -> None:
            self.stage.pass_time(timedelta(hours=2))
            if then is not None:
                then()

        self.stage.enter(name, _until(flow, dies_of), ended)

    def _try(self, call: _Call, *, pause: float, left: int) -> None:
        """Call once, on the machine that happens to get it."""
        dice, release = self.stage.dice, self.release()

        def ended(result: Any) -> None:
            crashed = isinstance(result, Crash) and dice.random() < 0.7
            if crashed or (left and isinstance(result, _RETRY_LATER)):
                wait = float(dice.randrange(1, 40))
                self._try(call, pause=wait, left=left if crashed else left - 1)
                return
            self.heard.append(Heard(call.name, call.op.name, call.key, result))
            if call.then is not None and not isinstance(result, Exception):
                call.then(result)

        flow = _after(pause, call.flow(release.engine))
        self.stage.enter(call.name, flow, ended, who=call.who, skew=release.skew)

    def worker(self, name: str, rounds: int, only: Sequence[str] = ()) -> None:
        """
        A background worker: one duty after the other; when it dies, another one starts.

        With `only` it does nothing but these duties.
        """
        release = self.release()
        known = duties(release)

        def next_duty(left: int) -> None:
            if not left:
                return
            duty = self.stage.dice.choice(only or list(known))
            at_most = self.stage.dice.randrange(1, 6)
            self.stage.pass_time(timedelta(seconds=self.stage.dice.randrange(3)))

            def ended(result: Any) -> None:
                if isinstance(result, Crash):
                    self.worker(name, left // 2, only)
                else:
                    next_duty(left - 1)

            flow = known[duty](at_most)
            self.stage.enter(name, flow, ended, who=duty, skew=release.skew)

        next_duty(rounds)

    def postman(self, name: str, rounds: int) -> None:
        """Delivers webhooks late, in any order and sometimes twice; some never."""
        self.stage.enter(name, self._post(rounds))

    def _post(self, rounds: int) -> Flow[None]:
        bag = self.undelivered
        dice = self.stage.dice
        for _ in range(rounds):
            bag += self.collected()
            if dice.random() < 0.02:
                bag.append(self._poison())
            yield from sleep(float(dice.randrange(2)))
            if bag:
                body = bag[dice.randrange(len(bag))]
                yield from commit(self.receipt(body))
                if dice.random() < 0.8 and body in bag:
                    bag.remove(body)

    def collected(self) -> list[bytes]:
        """Return the webhooks that the PSP pushes now; some of them get lost."""
        return [body for body in self.sim.take_webhooks() if not self._drops(body)]

    def _drops(self, body: bytes) -> bool:
        disasters = self.stage.disasters
        drops = disasters.chance(disasters.weather.dropped)
        if drops:
            self.dropped.add(self.psp.read_envelope(body).event_id)
        return drops

    def _poison(self) -> bytes:
        """Return a webhook that nobody can apply: it must block no other one."""
        number = self.stage.dice.getrandbits(32)
        broken = {"id": f"evt_poison{number}", "object": "event", "data": {"object": 7}}
        return json.dumps({**broken, "type": "payment_intent.succeeded"}).encode()

    def receipt(self, body: bytes) -> Callable[[Tx], object]:
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


def _after(pause: float, flow: Flow[Any]) -> Flow[Any]:
    if pause:
        yield from sleep(pause)
    return (yield from flow)


def _decide(engine: Engine, operation_id: str) -> Flow[object]:
    try:
        return (
            yield from resolve_case.resolve_case(
                engine,
                operation_id,
                verdict=resolve_case.NotExecuted(),
                actor="heidi",
                reason="the payer says so",
                evidence="a letter",
            )
        )
    except NotAllowed:
        return (yield from _look(engine, operation_id))


def _look(engine: Engine, operation_id: str) -> Flow[object]:
    return resolve_case.look_again(engine, operation_id, actor="heidi")


def _until(flow: Flow[Any], last: type[Effect]) -> Flow[None]:
    """Perform what `flow` asks for, up to its first effect of the kind `last`."""
    with suppress(StopIteration):
        effect = next(flow)
        while not isinstance(effect, last):
            effect = flow.send((yield effect))
        yield effect
        flow.close()
