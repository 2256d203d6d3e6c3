"""The provider's memory as JSON, so that it can outlive a process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pydantic import TypeAdapter

from paykit.testing.simulated.idempotency import Keys, Remembered
from paykit.testing.simulated.objects import (
    Json,
    SimBalanceTransaction,
    SimCharge,
    SimEvent,
    SimIntent,
    SimRefund,
)
from paykit.testing.simulated.state import State

__all__ = ["pack", "unpack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Archive:
    tag: str
    intents: dict[str, SimIntent]
    charges: dict[str, SimCharge]
    refunds: dict[str, SimRefund]
    balance: dict[str, SimBalanceTransaction]
    events: dict[str, SimEvent]
    counters: dict[str, int]
    keys: dict[str, Remembered]


_ADAPTER = TypeAdapter(_Archive)


def pack(state: State, keys: Keys) -> Json:
    """Return the memory as JSON. Keys of running requests are left out."""
    archive = _Archive(
        tag=state.tag,
        intents=state.intents,
        charges=state.charges,
        refunds=state.refunds,
        balance=state.balance,
        events=state.events,
        counters=dict(state.counters),
        keys={key: row for key, row in keys.remembered.items() if row.reply},
    )
    packed: Json = _ADAPTER.dump_python(archive, mode="json")
    return packed


def unpack(packed: Json, state: State, keys: Keys) -> None:
    """Replace the memory with `packed`; raises `ValueError` if it is not one."""
    archive = _ADAPTER.validate_python(packed)
    state.tag = archive.tag
    state.intents = archive.intents
    state.charges = archive.charges
    state.refunds = archive.refunds
    state.balance = archive.balance
    state.events = archive.events
    state.counters = Counter(archive.counters)
    keys.remembered = archive.keys
