"""
Who performs the engine's effects: asyncio.

Phases are written for a plain connection; ``AsyncConnection.run_sync`` lends one to
them. Apart from ``await`` it is the same as `drivers`; importing it costs what
``sqlalchemy.ext.asyncio`` costs, so only an asyncio service does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeGuard, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from tenacity import AsyncRetrying

from paykit.clock import World
from paykit.engine.bindings import PspDirectory
from paykit.engine.drivers import (
    RETRY,
    WRONG_COLOUR,
    WRONG_HANDLER,
    WRONG_PUBLISHER,
    inside_transaction,
    is_awaited,
    refuse_awaitable,
    refuse_inside_transaction,
    unforeseen,
)
from paykit.engine.effects import Ask, Commit, Deliver, Effect, Flow, Publish, Sleep
from paykit.errors import UsageError
from paykit.psp import AnyPsp, AsyncPsp
from paykit.queue import awaits
from paykit.store.sqlite import immediate
from paykit.store.tx import Tx
from paykit.store.version import SchemaGuard

__all__ = ["AsyncDriver"]

T = TypeVar("T")

_log = logging.getLogger("paykit.engine")


_awaited: dict[type[AnyPsp], bool] = {}
"""See `drivers._is_blocking`."""


def _is_awaited(psp: AnyPsp) -> TypeGuard[AsyncPsp]:
    known = _awaited.get(type(psp))
    if known is None:
        known = isinstance(psp, AsyncPsp) and iscoroutinefunction(psp.send)
        _awaited[type(psp)] = known
    return known


@contextmanager
def _canceled_by_nobody() -> Generator[None]:
    """
    Make an error of a cancellation that the host's code met, and that is not ours.

    A task that it awaits was canceled, for example. Unchanged it would end the worker,
    as if somebody had canceled that.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        ours = asyncio.current_task()
        if ours is None or ours.cancelling():
            raise
        raise RuntimeError("what was called was canceled inside") from error


@dataclass(frozen=True, slots=True)
class AsyncDriver:
    """Performs effects with asyncio.

    A flow runs to its end even if the caller is canceled: what the PSP has answered is
    recorded, and what it was asked is not left behind under a lease (DESIGN law 2).
    """

    database: AsyncEngine
    psps: PspDirectory
    world: World
    schema: SchemaGuard = field(default_factory=SchemaGuard)
    _running: set[asyncio.Task[Any]] = field(default_factory=set)

    @classmethod
    def on(cls, database: AsyncEngine, psps: PspDirectory, world: World) -> AsyncDriver:
        """Make a driver on the host's engine, which is left as it is."""
        view = AsyncEngine(immediate(database.sync_engine))
        return cls(view, psps, world)

    async def run(self, flow: Flow[T]) -> T:
        """Perform every effect of `flow` and return its result."""
        refuse_inside_transaction()
        task = asyncio.create_task(self._run(flow))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.debug("a flow ended with %s", type(task.exception()).__name__)

    async def _run(self, flow: Flow[T]) -> T:
        try:
            effect = next(flow)
            while True:
                try:
                    reply = await self.perform(effect)
                except Exception as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(reply)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            flow.close()

    async def perform(self, effect: Effect) -> Any:
        """Perform one effect and return the reply."""
        match effect:
            case Commit(phase):
                return await AsyncRetrying(**RETRY)(self.commit, phase)
            case Ask(binding, call):
                psp = self.psps.for_binding(binding)
                if not _is_awaited(psp):
                    raise UsageError(WRONG_COLOUR.format("an asyncio", ""))
                try:
                    return await psp.send(call)
                except Exception as error:
                    return unforeseen(psp, error)
            case Deliver():
                return await self._deliver(effect)
            case Publish(publisher, messages):
                if not awaits(publisher):
                    raise UsageError(WRONG_PUBLISHER.format("an asyncio", ""))
                with _canceled_by_nobody():
                    await publisher.publish(messages)
            case Sleep(seconds):
                await asyncio.sleep(seconds)

    async def commit(self, phase: Callable[[Tx], T]) -> T:
        """Run `phase` in one transaction and commit it."""

        def in_transaction(sync_connection: Connection) -> T:
            self.schema(sync_connection)
            with (
                inside_transaction(),
                Tx.deferring(sync_connection, self.world) as tx,
            ):
                return phase(tx)

        async with self.database.begin() as connection:
            return await connection.run_sync(in_transaction)

    def _tx(self, connection: Connection) -> Tx:
        self.schema(connection)
        return Tx(connection, self.world)

    async def _deliver(self, effect: Deliver[Any]) -> bool:
        async with self.database.begin() as connection:
            event = await connection.run_sync(lambda c: effect.load(self._tx(c)))
            if event is None:
                return False
            handlers = effect.handlers(event)
            if handlers:
                await self._handle(connection, event, handlers)
            await connection.run_sync(lambda c: effect.done(Tx(c, self.world)))
        return True

    async def _handle(
        self, connection: AsyncConnection, event: Any, handlers: Sequence[Any]
    ) -> None:
        """Call handlers of either kind; a blocking one gets a blocking session."""
        async with AsyncSession(bind=connection) as session:
            for handler in handlers:
                with inside_transaction(), _canceled_by_nobody():
                    if is_awaited(handler):
                        await handler(event, session)
                    else:
                        await session.run_sync(partial(_call, handler, event))
            await session.flush()


def _call(
    handler: Callable[[Any, Session], object], event: Any, session: Session
) -> None:
    refuse_awaitable(handler(event, session), WRONG_HANDLER)
