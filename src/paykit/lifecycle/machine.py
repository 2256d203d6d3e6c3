"""
A lifecycle as a ``transitions`` machine.

One machine serves all things of a kind: building one per payment costs a hundred times
a shared one, and a machine that knows its models keeps them alive. So the event is
triggered on the thing without registering it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TypeVar

from transitions import Machine, MachineError

from paykit.errors import IllegalTransition
from paykit.lifecycle.table import Lifecycle

__all__ = ["fire", "machine_for"]

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class _Thing:
    """What a machine moves: nothing but a state."""

    __slots__ = ("state",)

    def __init__(self, state: StrEnum) -> None:
        self.state = state


@cache
def machine_for(lifecycle: Lifecycle[S, E]) -> Machine:
    """Return the one machine of `lifecycle`; it holds no model of its own."""
    return Machine(
        model=None,
        states=list(lifecycle.states),
        initial=lifecycle.initial,
        transitions=[
            {"trigger": row.event.value, "source": row.source, "dest": row.target}
            for row in lifecycle.transitions
        ],
        auto_transitions=False,
    )


def fire(lifecycle: Lifecycle[S, E], state: S, event: E) -> S:
    """
    Return the state that `event` leads to from `state`.

    Raises `IllegalTransition` if the table has no such row.
    """
    thing = _Thing(state)
    try:
        machine_for(lifecycle).events[event.value].trigger(thing)
    except MachineError as error:
        raise IllegalTransition(lifecycle.name, state, event) from error
    return type(state)(thing.state)
