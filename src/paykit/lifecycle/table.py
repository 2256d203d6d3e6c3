"""
The vocabulary in which lifecycles are written down.

A lifecycle is data. `machine` turns it into a ``transitions`` machine, `triggers` into
database triggers and `diagram` into a picture; none of them adds a rule of its own.

Two kinds of transition share one table. An *observation* follows what the PSP says and
moves the state. A *command* is what we may start in a state; it moves nothing by
itself (source and target are the same), because only the PSP's answer tells what came
of it. While a command is under way it holds a *claim*, a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Generic, TypeVar

from paykit.errors import IllegalTransition

__all__ = ["By", "Lifecycle", "Transition"]

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class By(StrEnum):
    """Who may take a transition."""

    COMMAND = auto()
    """We start something: it is allowed in this state."""
    OBSERVATION = auto()
    """The PSP says so: it has happened, whether we like it or not."""


@dataclass(frozen=True, slots=True)
class Transition(Generic[S, E]):
    """One row of the table: in `source`, `event` leads to `target`."""

    event: E
    source: S
    target: S
    by: By = By.OBSERVATION


@dataclass(frozen=True, slots=True, eq=False)
class Lifecycle(Generic[S, E]):
    """
    Every state of a thing, and every way it may change.

    One is equal to itself alone: comparing tables, or hashing one, would cost more than
    most questions about it.
    """

    name: str
    initial: S
    transitions: tuple[Transition[S, E], ...]

    def __post_init__(self) -> None:
        """Refuse tables that contradict themselves or have unreachable states."""
        keys = [(row.source, row.event) for row in self.transitions]
        if len(keys) != len(set(keys)):
            raise ValueError(f"{self.name}: two transitions for one (state, event)")
        reached = {self.initial} | {row.target for row in self.transitions}
        if reached != set(self.states):
            raise ValueError(f"{self.name}: some states are out of reach")
        if any(
            r.by is By.COMMAND and r.source is not r.target for r in self.transitions
        ):
            raise ValueError(f"{self.name}: a command must not move the state")

    @property
    def states(self) -> tuple[S, ...]:
        """Every state, in the order in which the enum declares them."""
        return tuple(type(self.initial))

    @property
    def final(self) -> frozenset[S]:
        """The states that nothing leads out of."""
        return frozenset(self.states) - {source for source, _ in self.moves()}

    def moves(self) -> Iterator[tuple[S, S]]:
        """Yield each (source, target) pair that changes the state once."""
        rows = (
            (r.source, r.target) for r in self.transitions if r.source is not r.target
        )
        yield from dict.fromkeys(rows)

    def commands(self) -> Iterator[tuple[E, S]]:
        """Yield each (command, state in which it may be started)."""
        for row in self.transitions:
            if row.by is By.COMMAND:
                yield row.event, row.source

    def target(self, state: S, event: E) -> S:
        """Return where `event` leads from `state`, or raise `IllegalTransition`."""
        for row in self.transitions:
            if row.source is state and row.event is event:
                return row.target
        raise IllegalTransition(self.name, state, event)
