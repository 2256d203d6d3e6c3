"""One event of a payment, as other systems get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """
    One event, ready for a broker.

    It says what Debezium's outbox event router would make of the same row of
    ``paykit_event``, so that consumers need not know who brought it.
    """

    id: str
    """The event's id, a UUID: the same each time it comes. Consumers drop repetitions
    by it."""
    type: str
    """For example ``payment.succeeded``; a topic or a routing key."""
    key: str
    """The payment's id. Messages of one key come in order: use it as the key of a
    Kafka partition, or as whatever else keeps an order."""
    payload: bytes
    """The event as JSON, in UTF-8; no payer data."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """``id``, ``type``, ``merchant`` and ``content-type``; for consumers that route
    without reading the payload."""
    occurred_at: datetime
    """When it happened; aware, in UTC."""
