"""The two protocols of a publisher, and the one error that it may raise on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import iscoroutinefunction
from typing import Protocol, TypeAlias

from typing_extensions import TypeIs

from paykit.queue.messages import Message

__all__ = ["AnyPublisher", "AsyncPublisher", "MessageRefused", "Publisher", "awaits"]


class MessageRefused(Exception):
    """
    The broker will not take this message, however often it is offered.

    Too large, or against a schema, for example. A publisher raises it when it was given
    one message. It counts against the message; any other error counts against the
    broker, unless that takes other messages at the same time, or has taken some since
    the message failed before.
    """


class Publisher(Protocol):
    """Hands messages to a broker, with blocking calls."""

    def publish(self, messages: Sequence[Message], /) -> None:
        """
        Publish `messages` in their order; return when the broker has taken them all.

        *Taken* means that it has confirmed to keep them (a publisher confirm, ``acks``
        of all replicas): what returned is never offered again. Raise otherwise, also if
        only one is in doubt: then all are offered again, each with the same id. Never
        wait without an end; a minute is the lease.
        """
        ...


class AsyncPublisher(Protocol):
    """`Publisher` for asyncio."""

    async def publish(self, messages: Sequence[Message], /) -> None:
        """See `Publisher.publish`."""
        ...


AnyPublisher: TypeAlias = Publisher | AsyncPublisher


def awaits(publisher: AnyPublisher) -> TypeIs[AsyncPublisher]:
    """Whether `publisher` is for asyncio."""
    return iscoroutinefunction(publisher.publish)
