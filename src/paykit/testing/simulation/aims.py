"""
What makes a wanted fault likely: the scenarios that come to its boundary, and troubles
without which nobody gets there.

A seed aims at one triple. Chance alone would need far more seeds to have met each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from hashlib import blake2b
from typing import Final

from paykit.testing.simulation.scenarios import SCENARIOS
from paykit.testing.simulation.triples import Triple
from paykit.testing.simulation.weather import Weather

__all__ = [
    "SCENES",
    "WEATHERS",
    "begun_by_hosts",
    "keys_of",
    "scenes_of",
    "target_of",
    "weather_for",
]

SCENES: Final[Mapping[str, tuple[str, ...]]] = {
    "payment.update": ("updated",),
    "payment.increment_authorization": ("increased",),
    "payment.capture": ("manual", "capture_and_refund", "in_parts", "expired"),
    "payment.cancel": ("manual",),
    "payment.refund": ("automatic", "capture_and_refund", "slow_refunds", "disputed"),
    "person": ("given_up",),
    "person look_again": ("in_doubt",),
    "refresh": ("refreshed", "disputed", "slow_refunds"),
    "refresh end": ("unheard",),
    "refresh_followed": ("paid_out", "subscribed"),
    "_disputes": ("disputed",),
    "_give_up_gap": ("forgotten",),
    "_singly": ("several",),
    "_waiting_refunds": ("slow_refunds",),
    "outage": ("outage",),
}
"""By who and function, function, who or fault: the scenarios that have it; else any."""

_FINE: Final = {name: rate / 10 for name, rate in asdict(Weather()).items()}
"""Little goes wrong, so that a long story gets to its end."""

WEATHERS: Final[Mapping[str, Mapping[str, float]]] = {
    "Engine.resume": {"crash_after": 0.08},
    "_read": {"answer_lost": 0.3},
    "_send": {"not_sent": 0.3},
    "_singly": {"not_published": 0.4},
    "_one_by_one": {"suspended": 0.15},
    "_give_back": {"handler_fails": 0.3},
    "clock_next": {"night": 0.02},
    "person end": _FINE,
    "person resolve_case": _FINE,
    "read_subject": {"night": 0.02},
    "refresh end": _FINE,
}
"""The same way: how often what goes wrong, other than usual."""

_SPECIAL: Final = frozenset(
    {"given_up", "in_doubt", "paid_out", "subscribed", "unheard"}
)
"""Scenarios that nobody tells who does not aim at what is in them."""

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
    return [name for name in SCENARIOS if name not in _SPECIAL]


def weather_for(weather: Weather, target: Triple | None) -> Weather:
    """Return `weather` with more of what leads to `target`, and less of the rest."""
    for name in keys_of(target):
        if name in WEATHERS:
            return replace(weather, **WEATHERS[name])
    return weather


def begun_by_hosts(target: Triple | None) -> bool:
    """Whether `target` needs operations that hosts begin in their transactions."""
    return any(name in _BEGUN for name in keys_of(target))


def keys_of(target: Triple | None) -> tuple[str, ...]:
    """Return who comes to which function, the function, who, and the fault."""
    if target is None:
        return ()
    who, function = target.boundary.who, target.boundary.place.function
    return f"{who} {function}", function, who, target.fault
