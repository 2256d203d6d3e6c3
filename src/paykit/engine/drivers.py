"""
Who performs the engine's effects: a thread, with blocking calls.

`async_driver` differs in nothing but ``await``. No connection is held while the PSP is
asked, and a transaction that meets a serialization failure, a deadlock or a lost
connection is run again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any, Final, TypeGuard, TypeVar

from sqlalchemy import Connection
from sqlalchemy import Engine as Database
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from paykit.clock import World
from paykit.engine.bindings import PspDirectory
from paykit.engine.effects import Ask, Commit, Deliver, Effect, Flow, Publish, Sleep
from paykit.errors import TransactionOpen, UsageError
from paykit.psp import Answer, AnyPsp, Psp, Unknown
from paykit.queue import awaits
from paykit.store.sqlite import immediate
from paykit.store.tx import Tx
from paykit.store.version import SchemaGuard

__all__ = [
    "RETRY",
    "WRONG_COLOUR",
    "WRONG_HANDLER",
    "WRONG_PUBLISHER",
    "Driver",
    "inside_transaction",
    "is_awaited",
    "refuse_awaitable",
    "refuse_inside_transaction",
    "unforeseen",
]

T = TypeVar("T")

_log = logging.getLogger("paykit.engine")
_inside: ContextVar[bool] = ContextVar("paykit_inside_transaction", default=False)

_TRANSIENT_STATES: Final = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs of serialization failure, deadlock and lock timeout."""


@contextmanager
def inside_transaction() -> Generator[None]:
    """Mark that a transaction is open here: whoever asks a PSP now is refused."""
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def refuse_inside_transaction() -> None:
    """Raise `TransactionOpen` inside a phase or a host handler."""
    if _inside.get():
        raise TransactionOpen(
            "this call talks to the PSP and may not run inside an open transaction; "
            "use begin(session=...) there, and finish it after the commit"
        )


def is_awaited(function: Callable[..., object]) -> bool:
    """Whether it is a coroutine function, or an object that is called like one."""
    called: object = type(function).__call__
    return iscoroutinefunction(function) or iscoroutinefunction(called)


def refuse_awaitable(result: object, wrong: str) -> None:
    """
    Raise `UsageError` if a call has done nothing yet, and returned what to await.

    A decorator can hide that a function is a coroutine function. Whoever drops such a
    result takes for done what has not begun.
    """
    if iscoroutine(result):
        result.close()
    if isawaitable(result):
        raise UsageError(wrong)


def _is_transient(error: BaseException) -> bool:
    """Whether repeating the phase can help, a lost connection included."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    return state in _TRANSIENT_STATES or "database is locked" in str(error.orig)


def unforeseen(psp: AnyPsp, error: Exception) -> Answer:
    """Whatever nobody foresaw is unknown (DESIGN law 3); the text may hold secrets."""
    _log.error("the %s adapter raised %s", psp.provider, type(error).__name__)
    return Unknown(reason=f"the adapter raised {type(error).__name__}")


_blocking: dict[type[AnyPsp], bool] = {}
"""By class of adapter: to ask whether it keeps a protocol takes as long as a query."""


def _is_blocking(psp: AnyPsp) -> TypeGuard[Psp]:
    """Whether `psp` is a `Psp`; an `AsyncPsp` has the same methods, but awaits."""
    known = _blocking.get(type(psp))
    if known is None:
        known = isinstance(psp, Psp) and not iscoroutinefunction(psp.send)
        _blocking[type(psp)] = known
    return known


WRONG_COLOUR: Final = (
    "this service needs {} adapter; for the other kind there is {}PaymentService"
)

WRONG_HANDLER: Final = (
    "a handler that is awaited needs an AsyncPaymentService, and has to be a coroutine "
    "function itself, not a function that returns a coroutine"
)

WRONG_PUBLISHER: Final = (
    "this service needs {} publisher; for the other kind there is {}PaymentService"
)

RETRY: Final[dict[str, Any]] = {
    "retry": retry_if_exception(_is_transient),
    "stop": stop_after_attempt(8),
    "wait": wait_random_exponential(multiplier=0.02, max=1.0),
    "reraise": True,
}


@dataclass(frozen=True, slots=True)
class Driver:
    """Performs effects with blocking calls."""

    database: Database
    psps: PspDirectory
    world: World
    schema: SchemaGuard = field(default_factory=SchemaGuard)

    @classmethod
    def on(cls, database: Database, psps: PspDirectory, world: World) -> Driver:
        """Make a driver on the host's engine, which is left as it is."""
        return cls(immediate(database), psps, world)

    def run(self, flow: Flow[T]) -> T:
        """Perform every effect of `flow` and return its result."""
        try:
            refuse_inside_transaction()
            effect = next(flow)
            while True:
                try:
                    reply = self.perform(effect)
                except Exception as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(reply)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            flow.close()

    def perform(self, effect: Effect) -> Any:
        """Perform one effect and return the reply."""
        match effect:
            case Commit(phase):
                return Retrying(**RETRY)(self.commit, phase)
            case Ask(binding, call):
                psp = self.psps.for_binding(binding)
                if not _is_blocking(psp):
                    raise UsageError(WRONG_COLOUR.format("a blocking", "Async"))
                try:
                    return psp.send(call)
                except Exception as error:
                    return unforeseen(psp, error)
            case Deliver():
                return self._deliver(effect)
            case Publish(publisher, messages):
                if awaits(publisher):
                    raise UsageError(WRONG_PUBLISHER.format("a blocking", "Async"))
                # Its type says that it returns nothing, and nobody has to believe it.
                taken: object = publisher.publish(messages)  # type: ignore[func-returns-value]
                refuse_awaitable(taken, WRONG_PUBLISHER.format("a blocking", "Async"))
            case Sleep(seconds):
                time.sleep(seconds)

    def commit(self, phase: Callable[[Tx], T]) -> T:
        """Run `phase` in one transaction and commit it."""
        with self.database.begin() as connection, inside_transaction():
            self.schema(connection)
            with Tx.deferring(connection, self.world) as tx:
                return phase(tx)

    def _tx(self, connection: Connection) -> Tx:
        self.schema(connection)
        return Tx(connection, self.world)

    def _deliver(self, effect: Deliver[Any]) -> bool:
        with self.database.begin() as connection, inside_transaction():
            tx = self._tx(connection)
            event = effect.load(tx)
            if event is None:
                return False
            handlers = effect.handlers(event)
            if handlers:
                with Session(bind=connection) as session:
                    for handler in handlers:
                        if is_awaited(handler):
                            raise UsageError(WRONG_HANDLER)
                        refuse_awaitable(handler(event, session), WRONG_HANDLER)
                    session.flush()
            effect.done(tx)
        return True
