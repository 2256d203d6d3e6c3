"""
The gate in front of every PSP: who may send what, and when.

One for each process. It holds the circuit breakers, the token buckets and the objects
that are being written, and knows no network, no database and no clock: whoever asks
brings the time, and waits by an effect (see `paykit.engine.asking`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, Literal, TypeAlias

from paykit.engine.breaker import Breaker, BreakerPolicy, admit, heard
from paykit.engine.limiter import Bucket, Priority, rates, take
from paykit.engine.processes import Registration
from paykit.psp import Answer, Call, RequestLimits

__all__ = ["Admitted", "Asking", "Gate", "Kind", "Later", "Refused"]

Kind = Literal["read", "write", "resolve"]
"""What a circuit is for: one kind may work while another one does not, and whoever
resolves must not be kept out by the failures of others."""

_BUSY_SECONDS: Final = 0.05
"""How long to wait before a look whether another write to the object is over."""

_Circuit: TypeAlias = tuple[str, Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A call that somebody wants to send."""

    binding: str
    call: Call
    priority: Priority
    thing: str | None
    """The payment or PSP object that the call is about, if it is known."""
    limits: RequestLimits | None
    """What the PSP allows; None for any number of requests."""

    @property
    def kind(self) -> Kind:
        """The kind of circuit that it belongs to."""
        if self.priority is Priority.RESOLVE:
            return "resolve"
        return "read" if self.call.idempotency_key is None else "write"

    @property
    def circuit(self) -> _Circuit:
        """The circuit that it needs to be closed, or to probe."""
        return self.binding, self.kind

    @property
    def writes_to(self) -> tuple[str, str] | None:
        """What must not be written by another call meanwhile: PSPs lock objects."""
        if self.thing is None or self.call.idempotency_key is None:
            return None
        return self.binding, self.thing


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call may be sent, after a wait; then `Gate.leave` must be told."""

    asking: Asking
    era: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: come again."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is sent; a new call may have a chance after a while."""

    retry_after_seconds: float
    reason: str


@dataclass(slots=True)
class Gate:
    """Process-local and thread-safe; the lock is held for no I/O."""

    policy: BreakerPolicy = field(default_factory=BreakerPolicy)
    registration: Registration = field(default_factory=Registration)
    """How many processes share the limits."""
    _lock: Lock = field(default_factory=Lock)
    _circuits: dict[_Circuit, Breaker] = field(default_factory=dict)
    _buckets: dict[str, dict[str, Bucket]] = field(default_factory=dict)
    """By binding."""
    _writers: Counter[tuple[str, str] | None] = field(default_factory=Counter)
    """How many write to an object right now; those that are done leave nothing."""

    def enter(
        self,
        asking: Asking,
        now: datetime,
        patience: timedelta,
        *,
        overtake: bool = False,
    ) -> Admitted | Later | Refused:
        """
        Ask whether a call may be sent; it waits for no longer than `patience`.

        With `overtake` another write to the same object is not waited for: the PSP will
        refuse one of the two, which is slower and no less safe.
        """
        circuit = asking.circuit
        with self._lock:
            before = self._circuits.get(circuit, Breaker())
            after, refused = admit(before, self.policy, now)
            if refused is not None:
                return _refused(refused)
            if not overtake and self._writers[asking.writes_to]:
                return Later(_BUSY_SECONDS, "another write to the object is under way")
            turn = self._turn(asking, now, patience)
            if isinstance(turn, Later):
                return turn
            # Only now: whoever is sent away is no probe.
            self._circuits[circuit] = after
            if asking.writes_to is not None:
                self._writers[asking.writes_to] += 1
            return Admitted(asking, after.era, turn)

    def confirm(self, admitted: Admitted, now: datetime) -> Admitted | Refused:
        """
        Ask once more after the wait for a turn: the circuit may have opened meanwhile.

        Also who is refused then has to `leave`.
        """
        circuit = admitted.asking.circuit
        with self._lock:
            before = self._circuits[circuit]
            if before.era == admitted.era:
                return admitted
            after, refused = admit(before, self.policy, now)
            if refused is not None:
                return _refused(refused)
            self._circuits[circuit] = after
            return replace(admitted, era=after.era)

    def leave(self, admitted: Admitted, answer: Answer | None, now: datetime) -> None:
        """Say what came of a call; None if whoever sent it was stopped."""
        asking = admitted.asking
        circuit = asking.circuit
        with self._lock:
            self._writers.subtract([asking.writes_to])
            if self._writers[asking.writes_to] <= 0:
                del self._writers[asking.writes_to]
            before = self._circuits[circuit]
            after = heard(before, self.policy, answer, now, era=admitted.era)
            self._circuits[circuit] = after

    def open_circuits(self) -> list[tuple[str, Kind]]:
        """Return the (binding, kind) of each circuit that is not closed, for health."""
        with self._lock:
            found = self._circuits.items()
            return sorted(name for name, one in found if one.until is not None)

    def _turn(
        self, asking: Asking, now: datetime, patience: timedelta
    ) -> float | Later:
        """Take tokens: return after how many seconds it may go, or that it may not."""
        if asking.limits is None:
            return 0.0
        processes = self.registration.living
        wanted = rates(asking.limits, asking.priority, asking.call.verb, processes)
        buckets = self._buckets.setdefault(asking.binding, {})
        changed, turn = take(buckets, wanted, asking.priority, now, patience)
        buckets |= changed
        if turn.taken:
            return turn.wait_seconds
        return Later(turn.wait_seconds, "too many requests for now")


def _refused(after: timedelta) -> Refused:
    return Refused(after.total_seconds(), "the PSP does not answer")
