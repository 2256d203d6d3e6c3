"""
A crash after everything that a host does (DESIGN section 11).

The scenario is run again and again, each time in a fresh shop. The first time it dies
at the first boundary, then at the second one, and so on, until it comes to its end.
Boundaries are the moments right after each COMMIT and each question to the PSP, in the
host's own calls and in the worker; and for a delivery also the moment right before its
COMMIT, when the host's handlers have run. Right before any other COMMIT or question,
nothing differs from the boundary before it. Boundaries are counted while the scenario
runs, so that nobody has to list them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from typing_extensions import override

from paykit.engine import Ask, Commit, Deliver, Driver, Effect, Sleep
from paykit.store.tx import Tx
from paykit.testing.clock import FrozenClock
from paykit.testing.quiet import Shop, work_until_quiet

__all__ = ["Crash", "Life", "MortalDriver", "sweep"]

S = TypeVar("S", bound=Shop)
T = TypeVar("T")

_BOUNDARIES_MAX: Final = 2000


class Crash(BaseException):
    """The process has died here; no ``except Exception`` survives it."""


@dataclass(slots=True)
class Life:
    """Counts boundaries, and ends at one of them."""

    ends_at: int
    """The number of the boundary, from 0."""
    reached: list[str] = field(default_factory=list)
    """The boundaries that were met, in words."""
    over: bool = False

    def boundary(self, name: str) -> None:
        """Go past a boundary; raises `Crash` if this is the one, or was before."""
        if self.over:
            raise Crash(name)
        self.over = len(self.reached) == self.ends_at
        self.reached.append(name)
        if self.over:
            raise Crash(name)


@dataclass(frozen=True)
class MortalDriver(Driver):
    """A `Driver` that dies where its `life` says, and never sleeps."""

    life: Life = field(kw_only=True)
    clock: FrozenClock = field(kw_only=True)

    @classmethod
    def of(cls, driver: Driver, life: Life, clock: FrozenClock) -> MortalDriver:
        """Return `driver` with an end."""
        parts = {one.name: getattr(driver, one.name) for one in fields(Driver)}
        return cls(**parts, life=life, clock=clock)

    @override
    def perform(self, effect: Effect) -> Any:
        match effect:
            case Commit():
                return super().perform(effect)
            case Deliver(done=done):
                dying = replace(effect, done=self._before_commit(done))
                return self._after("the COMMIT of a delivery", super().perform(dying))
            case Sleep(seconds):
                self.clock.advance(seconds)
                return None
            case _:
                return self._after(_name(effect), super().perform(effect))

    @override
    def commit(self, phase: Callable[[Tx], T]) -> T:
        name = f"the COMMIT of {_phase_name(phase)}"
        return self._after(name, super().commit(phase))

    def _before_commit(self, done: Callable[[Tx], None]) -> Callable[[Tx], None]:
        """Return the last step of a delivery, with a boundary after it."""

        def done_and_boundary(tx: Tx) -> None:
            done(tx)
            self.life.boundary("before the COMMIT of a delivery")

        return done_and_boundary

    def _after(self, name: str, result: T) -> T:
        self.life.boundary(f"after {name}")
        return result


def sweep(
    open_shop: Callable[[], AbstractContextManager[S]],
    scenario: Callable[[S], object],
    check: Callable[[S], object],
) -> tuple[str, ...]:
    """
    Crash `scenario`, and the worker after it, at every boundary; return the boundaries.

    `open_shop` makes a fresh shop with the host's handlers, and `scenario` does with it
    what the host does. After each crash the shop is as a new process finds it: what was
    committed is there, and a worker brings everything to its end. Then `check` tells by
    an `AssertionError` if the host is not as it has to be; a note on the error names
    the boundary. `check` also has to accept that a crash came before anything was
    written, or repeat the scenario with the same idempotency keys.
    """
    for number in range(_BOUNDARIES_MAX):
        life = Life(number)
        with open_shop() as shop:
            try:
                _live(shop, scenario, life)
                work_until_quiet(shop)
                check(shop)
            except Exception as error:
                error.add_note(_told(life))
                raise
        if not life.over:
            return tuple(life.reached)
    raise AssertionError(f"the scenario has more than {_BOUNDARIES_MAX} boundaries")


def _live(shop: S, scenario: Callable[[S], object], life: Life) -> None:
    """Run the scenario and the worker, until the end or the crash."""
    driver = shop.service.driver
    shop.service.driver = MortalDriver.of(driver, life, shop.clock)
    try:
        with suppress(Crash):
            scenario(shop)
            work_until_quiet(shop)
    finally:
        shop.service.driver = driver


def _told(life: Life) -> str:
    if not life.over:
        return "nothing crashed"
    number = len(life.reached) - 1
    return f"the process had died at boundary {number}, {life.reached[-1]}"


def _name(effect: Effect) -> str:
    if isinstance(effect, Ask):
        return f"asking the PSP to {effect.call.verb}"
    return type(effect).__name__.lower()


def _phase_name(phase: Callable[..., object]) -> str:
    inner = getattr(phase, "func", phase)
    name = str(getattr(inner, "__qualname__", type(inner).__name__))
    return name.partition(".<locals>")[0]
