"""
What the engine wants done, as data.

The engine never does anything itself: it yields effects and a driver performs them. A
driver for threads, one for asyncio and one for simulated disasters all run the very
same engine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from paykit.psp import Call
from paykit.queue import AnyPublisher, Message
from paykit.store.tx import Tx

__all__ = [
    "Ask",
    "Commit",
    "Deliver",
    "Effect",
    "Flow",
    "Publish",
    "Sleep",
    "commit",
    "deliver",
    "publish",
    "sleep",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Commit(Generic[T]):
    """Run `phase` in one transaction, commit, and send back what it returned.

    The driver repeats the whole phase after a serialization failure, a deadlock or a
    COMMIT whose reply was lost, so a phase must recognise its own commit.
    """

    phase: Callable[[Tx], T]


@dataclass(frozen=True, slots=True)
class Ask:
    """Send `call` to the PSP behind `binding`, outside of any transaction."""

    binding: str
    call: Call


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Deliver(Generic[T]):
    """Run the host's handlers for one event, in the transaction that marks it done.

    The event is loaded first; None if somebody else has delivered it meanwhile.
    """

    load: Callable[[Tx], T | None]
    handlers: Callable[[T], Sequence[Callable[[T, Any], Any]]]
    done: Callable[[Tx], None]


@dataclass(frozen=True, slots=True)
class Publish:
    """Hand `messages` to the host's broker, outside of any transaction.

    What the publisher raises is raised in the flow; only a return means that the broker
    has them all.
    """

    publisher: AnyPublisher
    messages: tuple[Message, ...]


Effect: TypeAlias = Commit[Any] | Ask | Sleep | Deliver[Any] | Publish
Flow: TypeAlias = Generator[Effect, Any, T]


def commit(phase: Callable[[Tx], T]) -> Flow[T]:
    """Yield a `Commit`; typed, unlike a bare ``yield``."""
    result: T = yield Commit(phase)
    return result


def publish(publisher: AnyPublisher, messages: Sequence[Message]) -> Flow[None]:
    """Yield a `Publish`."""
    yield Publish(publisher, tuple(messages))


def sleep(seconds: float) -> Flow[None]:
    """Yield a `Sleep`."""
    yield Sleep(seconds)


def deliver(effect: Deliver[Any]) -> Flow[bool]:
    """Yield a `Deliver`; whether there was something to deliver."""
    found: bool = yield effect
    return found
