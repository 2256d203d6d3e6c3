"""
The vocabulary in which operations are written down.

An operation is a `start` phase and some legs. A *leg* asks the PSP one question,
outside of any transaction, and records the answer in one transaction. Between two legs
the operation rests at a `RecoveryPoint`: what it needs to go on is in the database, so
any worker can pick it up after a crash. All parts are plain synchronous functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from paykit.engine.policy import Policy
from paykit.errors import PspMisconfigured, PspRejected
from paykit.psp import Answer, Capabilities, ReadRequest, Snapshot, WriteRequest
from paykit.store.tx import Tx

__all__ = [
    "Context",
    "Done",
    "Evidence",
    "Failed",
    "Goto",
    "Leg",
    "Operation",
    "RecoveryPoint",
    "Step",
]

C = TypeVar("C", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)
R_co = TypeVar("R_co", bound=BaseModel, covariant=True)
S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who runs the operation, and under which names."""

    operation_id: str
    merchant: str
    binding: str
    policy: Policy
    execute_before: datetime | None = None
    """Until when the PSP may be asked to act, if somebody is waiting for it."""


@dataclass(frozen=True, slots=True)
class RecoveryPoint(Generic[S]):
    """A place to go on from, and the shape of what is known there.

    Name and shape are a file format: rows written by an older release rest there.
    """

    name: str
    knows: type[S]

    def knowing(self, state: S) -> Goto:
        """Return the step that comes here with `state`."""
        return Goto(self, state)


@dataclass(frozen=True, slots=True)
class Goto:
    """Commit, and go on from `point`; made by `RecoveryPoint.knowing`."""

    point: RecoveryPoint[Any]
    state: BaseModel


@dataclass(frozen=True, slots=True)
class Done(Generic[R_co]):
    """Commit, and answer every present and future caller with `result`."""

    result: R_co


@dataclass(frozen=True, slots=True)
class Failed:
    """Commit, and raise `error` to every present and future caller.

    For what is definite and took no effect; a decline is a result instead.
    """

    error: PspRejected | PspMisconfigured


Step: TypeAlias = Goto | Done[R] | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Generic[S]):
    """What else may tell of an attempt, once nothing is sent with its key any more."""

    read: Callable[[S, Snapshot], ReadRequest | None]
    """What to read, after what the leg's own read has shown; None if that is moot."""
    judge: Callable[[S, Snapshot, Snapshot], Answer | None]
    """What it says of our question, given the leg's own read and this one. Pure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg(Generic[S, R]):
    """From recovery point `at`: ask one question, record its answer."""

    at: RecoveryPoint[S]
    ask: Callable[[S], WriteRequest]
    """What to ask; pure."""
    record: Callable[[Tx, Context, S, Answer], Step[R]]
    """Write a definite answer down; must be total, for it cannot be refused."""
    read: Callable[[S], ReadRequest]
    """Where to look for evidence when the answer is unknown, or a conflict."""
    judge: Callable[[S, Snapshot], Answer | None]
    """What the evidence says of our question; None if it does not tell. Pure."""
    late: Callable[[S], Goto] | None = None
    """Where to go when `execute_before` has passed and nobody knows: fence it."""
    more: tuple[Evidence[S], ...] = ()
    """Where else to look when `read` does not tell, in this order."""
    absent: Callable[[S, Snapshot], bool] | None = None
    """Whether what `read` shows lacks all effect of our question. Believed only when
    nothing can be on its way any more; without it, a person has to decide. Pure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[C, R]):
    """Something paykit can do exactly once per idempotency key."""

    name: str
    takes: type[C]
    gives: type[R]
    start: Callable[[Tx, Context, C], Step[R]]
    legs: tuple[Leg[Any, R], ...]
    lacks: Callable[[C, Capabilities], str | None] | None = None
    """What the command needs and the provider does not offer, in words. Asked when the
    operation begins, not when it is repeated: what is stored stays true."""
    execute_within: timedelta | None = None
    """How long the PSP may be asked to act; None for as long as its keys live."""
    reveal: Callable[[R, str | None], R] | None = None
    """Put a client secret into a result; it is never stored with it."""
    secret_of: Callable[[R], ReadRequest | None] | None = None
    """What to read to learn the secret of a stored result again."""

    def leg(self, point: str) -> Leg[Any, R]:
        """Return the leg that departs from `point`."""
        for leg in self.legs:
            if leg.at.name == point:
                return leg
        raise LookupError(
            f"{self.name} has no recovery point {point!r}: was this row written by a "
            "newer release of paykit?"
        )
