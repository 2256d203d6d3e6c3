"""Two releases of one shop, which run side by side while it is being deployed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from typing_extensions import override

from paykit.clock import World
from paykit.engine import Engine, Environment, Handlers, Policy, SinglePsp
from paykit.operations import EventView
from paykit.psp import Call, Capabilities, ListEvents, Request, RequestLimits
from paykit.queue import Publisher
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp

__all__ = ["LIMITS", "NewerPsp", "Release"]

LIMITS: Final = RequestLimits(per_second=2, per_endpoint=1)
"""So few that a story comes to them."""

_PAGE: Final = 4
"""Events on a page of a list: so few that a story has several pages."""

_TAGGED: Final = frozenset({"create_payment", "create_refund"})


class _OlderPsp(SimulatedPsp):
    """An adapter of an account that may ask for little in a second, and at once."""

    @property
    @override
    def capabilities(self) -> Capabilities:
        """Return what the provider offers, within `LIMITS`."""
        return replace(super().capabilities, limits=LIMITS)

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        """Return the call; a list of events comes in short pages."""
        call = super().prepare(request, idempotency_key)
        if not isinstance(request, ListEvents):
            return call
        asked = json.loads(call.parameters)
        asked["params"]["limit"] = _PAGE
        return replace(call, parameters=json.dumps(asked))


class NewerPsp(_OlderPsp):
    """
    An adapter that builds other parameters from the same request.

    The PSP refuses a key that comes with other parameters, so whoever goes on with what
    the old release began must send what that release has stored.
    """

    @override
    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        """Return the call with a tag in its metadata."""
        call = super().prepare(request, idempotency_key)
        if call.verb not in _TAGGED:
            return call
        asked = json.loads(call.parameters)
        metadata = asked["params"].get("metadata") or {}
        asked["params"]["metadata"] = {**metadata, "release": "newer"}
        return replace(call, parameters=json.dumps(asked))


@dataclass(frozen=True, slots=True)
class Release:
    """What one deploy of the shop's program has in memory."""

    name: str
    engine: Engine
    handlers: Handlers[EventView, Any]
    skew: timedelta
    """By how much the clock of the machine is wrong on which it runs."""

    @classmethod
    def of(
        cls,
        psp: SimulatedPsp,
        world: World,
        policy: Policy,
        handlers: Handlers[EventView, Any],
        publisher: Publisher,
        skew: timedelta,
    ) -> Release:
        """Start the program of that release."""
        env = Environment(
            psps=SinglePsp(psp),
            world=world,
            policy=policy,
            installation="simulation",
            publisher=publisher,
        )
        return cls(type(psp).__name__, Engine(env=env), handlers, skew)

    @classmethod
    def both(
        cls,
        sim: SimulatedProvider,
        world: World,
        policy: Policy,
        handlers: Handlers[EventView, Any],
        publisher: Publisher,
        skews: tuple[timedelta, timedelta],
    ) -> tuple[Release, ...]:
        """Start the old release and the new one."""
        adapters = (_OlderPsp(sim), NewerPsp(sim))
        return tuple(
            cls.of(psp, world, policy, handlers, publisher, skew)
            for psp, skew in zip(adapters, skews, strict=True)
        )
