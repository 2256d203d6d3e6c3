"""
What makes a wanted fault likely: the scenarios that come to its boundary, and troubles
without which nobody gets there.

A seed aims at one triple. Chance alone would need far more seeds to have met each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from typing import Final

from paykit.testing.simulation.scenarios import SCENARIOS
from paykit.testing.simulation.triples import Triple
from paykit.testing.simulation.weather import Weather

__all__ = [
    "ROUGHER",
    "SCENES",
    "begun_by_hosts",
    "keys_of",
    "rougher",
    "scenes_of",
    "target_of",
]

SCENES: Final[Mapping[str, tuple[str, ...]]] = {
    "payment.update": ("updated",),
    "payment.increment_authorization": ("increased",),
    "payment.capture": ("manual", "capture_and_refund", "in_parts", "expired"),
    "payment.cancel": ("manual",),
    "payment.refund": ("automatic", "capture_and_refund", "slow_refunds", "disputed"),
    "person": ("outage",),
    "refresh": ("refreshed", "disputed", "slow_refunds"),
    "_disputes": ("disputed",),
    "_give_up_gap": ("forgotten",),
    "_singly": ("several",),
    "_waiting_refunds": ("slow_refunds",),
    "end": ("refreshed",),
    "outage": ("outage",),
}
"""By function, by who or by fault: the scenarios that have it; not listed is any."""

ROUGHER: Final[Mapping[str, Mapping[str, float]]] = {
    "Engine.resume": {"crash_after": 0.08},
    "_read": {"answer_lost": 0.3},
    "_send": {"not_sent": 0.3},
    "_singly": {"not_published": 0.4},
    "_one_by_one": {"suspended": 0.15},
    "end": {"answer_lost": 0.3, "crash_after": 0.1},
}
"""By function: what has to go wrong before, more often than usual."""

_BEGUN: Final = frozenset({"Engine.take_over", "finish"})
"""What finishes an operation that a host began in a transaction of its own."""


def target_of(seed: int, triples: Sequence[Triple]) -> Triple:
    """
    Return which fault `seed` is about: the one that goes best with its number.

    So a triple that is new changes the stories of few seeds, and the others can still
    be repeated.
    """
    key = str(seed).encode()
    return min(triples, key=lambda one: blake2b(_name(one), key=key).digest())


@cache
def _name(triple: Triple) -> bytes:
    return str(triple).encode()


def scenes_of(target: Triple | None) -> list[str]:
    """Return the names of the scenarios in which `target` may happen."""
    for name in keys_of(target):
        if name in SCENES:
            return list(SCENES[name])
    return list(SCENARIOS)


def rougher(weather: Weather, target: Triple | None) -> Weather:
    """Return `weather` with more of what leads to `target`."""
    for name in keys_of(target):
        if name in ROUGHER:
            return replace(weather, **ROUGHER[name])
    return weather


def begun_by_hosts(target: Triple | None) -> bool:
    """Whether `target` needs operations that hosts begin in their transactions."""
    return any(name in _BEGUN for name in keys_of(target))


def keys_of(target: Triple | None) -> tuple[str, ...]:
    """Return the function of a boundary, who comes to it, and the fault."""
    if target is None:
        return ()
    return target.boundary.place.function, target.boundary.who, target.fault
