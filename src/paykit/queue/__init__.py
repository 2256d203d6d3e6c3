"""What we say to a message broker: a message, and who takes it (DESIGN section 9)."""

from __future__ import annotations

from paykit.queue.messages import Message
from paykit.queue.port import (
    AnyPublisher,
    AsyncPublisher,
    MessageRefused,
    Publisher,
    awaits,
)

__all__ = [
    "AnyPublisher",
    "AsyncPublisher",
    "Message",
    "MessageRefused",
    "Publisher",
    "awaits",
]
