"""
Every (operation, boundary, fault) that exists, and which of them a run has met.

Operations come from `paykit.operations.OPERATIONS`, the workers' duties from their own
registry, boundaries from the source (`places`), and faults from `weather.FAULTS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from typing_extensions import override

from paykit.engine import Engine, Operation
from paykit.engine.stand import Standing
from paykit.operations import OPERATIONS, calls, resolve_case
from paykit.testing.simulation.places import (
    Generating,
    Place,
    chain,
    frame_of,
    function_of,
    place_of,
    places_in,
)
from paykit.testing.simulation.weather import FAULTS
from paykit.workers.jobs import JOBS

__all__ = ["DEAD", "Boundary", "Triple", "boundary_of", "existing"]


@dataclass(frozen=True, slots=True, order=True)
class Boundary:
    """Where something can go wrong: an effect of an operation, or of a duty."""

    who: str
    """An operation's name, or a duty's."""
    place: Place
    point: str = ""
    """The recovery point at which an operation stands there."""

    @override
    def __str__(self) -> str:
        """Return it in a line."""
        at = f" at {self.point}" if self.point else ""
        return f"{self.who}{at} {self.place}"


@dataclass(frozen=True, slots=True, order=True)
class Triple:
    """One fault at one boundary."""

    boundary: Boundary
    fault: str

    @override
    def __str__(self) -> str:
        """Return it in a line."""
        return f"{self.boundary} / {self.fault}"


DEAD: Final[Mapping[str, str]] = {
    "periodic _page: commit _begin_anew": "a month between two pages of one walk",
    "periodic Periodic.next: commit _later": "each release knows every job",
    "inbox _process: commit _unread": "a payment changes at each of five reads",
    "refresh _leave: commit _note": "the PSP shows whatever it has told of",
    "resume _break_off: commit break_off": "our own code does not fail",
}
"""Boundaries to which no story comes, and why; see also `_alive`."""

_PERIODIC: Final = "periodic"
"""The duty that does `paykit.workers.jobs.JOBS`."""

_ROOTS: Final[tuple[Any, ...]] = (Engine.execute, Engine.resume, Engine.take_over)
_CALLERS: Final[Mapping[str, tuple[Any, ...]]] = {
    "finish": (calls.finish,),
    "refresh": (calls.refresh,),
    "person": (
        resolve_case.resolve_case,
        resolve_case._not_executed,  # chosen there; nobody here says the contrary
        resolve_case.look_again,
    ),
}
_KINDS: Final = {kind.__name__: names for kind, names in FAULTS.items()}


def existing(duties: Mapping[str, Generating]) -> list[Triple]:
    """Return all triples, in order; `duties` are flows that have not begun."""
    found = {
        Triple(boundary, fault)
        for boundary in (
            *_of_operations(),
            *_of_callers(),
            *_of_duties(duties),
            *_of_jobs(),
        )
        if str(boundary) not in DEAD
        for fault in _KINDS[boundary.place.kind]
    }
    return sorted(found)


def _of_operations() -> Iterator[Boundary]:
    places = {place for root in _ROOTS for place in places_in(root)}
    for op in OPERATIONS.values():
        for place in places:
            if _alive(op, place):
                yield from _at_points(op, place)


def _at_points(op: Operation[Any, Any], place: Place) -> Iterator[Boundary]:
    if not place.at_point:
        yield Boundary(op.name, place)
        return
    for leg in op.legs:
        yield Boundary(op.name, place, leg.at.name)


def _alive(op: Operation[Any, Any], place: Place) -> bool:
    """
    Whether `op` can come there.

    Not to where a secret is revealed without one, nor to where our own code has failed.
    """
    if place.function == "_keep_answers":
        return False
    return place.function != "Engine._reveal" or op.reveal is not None


def _of_callers() -> Iterator[Boundary]:
    for name, functions in _CALLERS.items():
        for place in {place for one in functions for place in places_in(one)}:
            if not _of_engine(place):
                yield Boundary(name, place)


def _of_duties(duties: Mapping[str, Generating]) -> Iterator[Boundary]:
    for name, flow in duties.items():
        for generator in _with_arguments(flow):
            for place in places_in(function_of(generator)):
                if not _of_engine(place):
                    yield Boundary(name, place)
        flow.close()


def _of_jobs() -> Iterator[Boundary]:
    """Yield the boundaries of what a worker does now and then, in the duty for that."""
    for job in JOBS:
        for place in places_in(inspect.unwrap(job.run)):
            yield Boundary(_PERIODIC, place)


def _with_arguments(flow: Generating) -> Iterator[Generating]:
    """Yield a flow that has not begun, and the flows that it was given."""
    yield flow
    frame = frame_of(flow)
    for value in () if frame is None else frame.f_locals.values():
        if isinstance(value, type(flow)):
            yield from _with_arguments(value)


@cache
def _engine_places() -> frozenset[Place]:
    return frozenset(place for root in _ROOTS for place in places_in(root))


def _of_engine(place: Place) -> bool:
    """Whether it belongs to an operation, whoever runs it."""
    return place in _engine_places()


def boundary_of(who: str, flow: Generating) -> Boundary | None:
    """Return the boundary at which the flow of `who` is suspended."""
    place = place_of(flow)
    if place is None:
        return None
    generators = list(chain(flow))
    operations = [one for g in generators for one in _locals(g, Operation)]
    if _of_engine(place) and operations:
        standing = [one.point for g in generators for one in _locals(g, Standing)]
        point = standing[-1] if place.at_point and standing else ""
        return Boundary(operations[-1].name, place, point)
    return Boundary(who, place)


def _locals(generator: Generating, kind: type[Any]) -> Iterable[Any]:
    frame = frame_of(generator)
    values = () if frame is None else frame.f_locals.values()
    return [value for value in values if isinstance(value, kind)]
