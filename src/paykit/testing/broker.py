"""
A message broker in memory, for tests of what a host publishes.

::

    broker = MemoryBroker()
    service = PaymentService(engine, psp=psp, publisher=MemoryPublisher(broker))
    ...
    assert [message.type for message in broker.messages] == [...]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from paykit.queue import Message, MessageRefused

__all__ = ["AsyncMemoryPublisher", "MemoryBroker", "MemoryPublisher"]


def _nothing(message: Message) -> bool:
    return False


@dataclass(slots=True)
class MemoryBroker:
    """Keeps every message that it takes, in the order in which they came."""

    messages: list[Message] = field(default_factory=list)
    """Repetitions included: consumers drop them by their id."""
    down: bool = False
    """While true nothing is taken, and publishing raises `ConnectionError`."""
    refuses: Callable[[Message], bool] = _nothing
    """Which messages it never takes; publishing them raises `MessageRefused`."""

    def take(self, messages: Sequence[Message]) -> None:
        """Take `messages` one by one; what stands before a refused one is kept."""
        if self.down:
            raise ConnectionError("the broker is down")
        for message in messages:
            if self.refuses(message):
                raise MessageRefused(message.id)
            self.messages.append(message)


@dataclass(frozen=True, slots=True)
class MemoryPublisher:
    """A `paykit.queue.Publisher` that hands messages to `broker`."""

    broker: MemoryBroker

    def publish(self, messages: Sequence[Message], /) -> None:
        """See `paykit.queue.Publisher.publish`."""
        self.broker.take(messages)


@dataclass(frozen=True, slots=True)
class AsyncMemoryPublisher:
    """A `paykit.queue.AsyncPublisher` that hands messages to `broker`."""

    broker: MemoryBroker

    async def publish(self, messages: Sequence[Message], /) -> None:
        """See `paykit.queue.AsyncPublisher.publish`."""
        self.broker.take(messages)
