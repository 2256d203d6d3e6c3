"""
Which ways lead through the operations, and which boundaries lie on them.

Both come from the registry: a new operation, or a new leg of an old one, fails the
sweep until somebody says in `_BEGINNINGS` what has to be there before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from typing_extensions import override

from paykit import Money, OutcomeUnknown
from paykit.operations import OPERATIONS
from paykit.testing.simulated import Fault
from tests.sweep.child import When
from tests.sweep.shop import Shop

__all__ = ["BOUNDARIES", "Boundary", "PATHS", "Path"]

Arguments = dict[str, Any]
Beginning = Callable[["Shop"], Arguments]

_EUR: Final = "eur"
_AMOUNT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One way through an operation: the recovery points that it rests at."""

    operation: str
    points: tuple[str, ...]
    prepare: Beginning
    """Make what has to be there before, and return the arguments of the call."""
    moved: tuple[str, int, int]
    """The payment after it: state, captured, refunded."""

    @property
    def method(self) -> str:
        """The method of `PaymentService` that runs the operation."""
        thing, verb = self.operation.split(".")
        return verb if "_" in verb else f"{verb}_{thing}"

    @property
    def name(self) -> str:
        return f"{self.operation}-{self.points[-1]}"

    @property
    def effects(self) -> tuple[str, ...]:
        """The first phase, then a question and a phase for each leg."""
        return ("commit", *("ask", "commit") * len(self.points))

    @property
    def trace(self) -> tuple[str, ...]:
        """What the driver reports on the whole way."""
        return tuple(
            f"{when} {number} {kind}"
            for number, kind in enumerate(self.effects, start=1)
            for when in ("before", "after")
        )


@dataclass(frozen=True, slots=True)
class Boundary:
    """The moment right before or right after one effect of a path."""

    path: Path
    number: int
    when: When

    @property
    def kind(self) -> str:
        return self.path.effects[self.number - 1]

    @override
    def __str__(self) -> str:
        return f"{self.path.name}-{self.when}-{self.number}-{self.kind}"


# -- what has to be there before -------------------------------------------------------


def _nothing(shop: Shop) -> Arguments:
    return {
        "amount": (_AMOUNT, _EUR),
        "reference": "order-1",
        "metadata": {"cart": "7"},
        "idempotency_key": "swept",
    }


def _created(shop: Shop, **more: Any) -> Arguments:
    payment = shop.service.create_payment(
        amount=Money(_AMOUNT, _EUR), idempotency_key="before-1", **more
    )
    return {
        "payment_id": payment.id,
        "idempotency_key": "swept",
        "payment_method": "pm_card_visa",
    }


def _charged(shop: Shop, **more: Any) -> Arguments:
    arguments = _created(shop, **more)
    shop.service.confirm_payment(**{**arguments, "idempotency_key": "before-2"})
    return {"payment_id": arguments["payment_id"], "idempotency_key": "swept"}


def _authorized(shop: Shop) -> Arguments:
    return _charged(shop, capture="manual")


def _to_raise(shop: Shop) -> Arguments:
    held = _charged(shop, capture="manual", incremental_authorization=True)
    return {**held, "amount": (1500, _EUR)}


def _to_change(shop: Shop) -> Arguments:
    arguments = {**_created(shop), "amount": (700, _EUR)}
    del arguments["payment_method"]
    return arguments


def _part_of_charged(shop: Shop) -> Arguments:
    return {**_charged(shop), "amount": (600, _EUR)}


def _never_heard_of(shop: Shop) -> Arguments:
    """Leave a confirmation whose request was lost, and let its payer leave."""
    arguments = _created(shop)
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="confirm_payment", times=None)
    try:
        shop.service.confirm_payment(**arguments)
    except OutcomeUnknown:
        shop.sim.faults.clear()
        shop.world.by = timedelta(minutes=11)
        return arguments
    raise AssertionError("the confirmation was heard of")


_SUCCEEDED: Final = ("succeeded", _AMOUNT, 0)

_BEGINNINGS: Final[dict[str, tuple[Beginning, tuple[str, int, int]]]] = {
    "payment.create": (_nothing, ("requires_payment_method", 0, 0)),
    "payment.confirm": (_created, _SUCCEEDED),
    "payment.capture": (_authorized, _SUCCEEDED),
    "payment.increment_authorization": (_to_raise, ("authorized", 0, 0)),
    "payment.update": (_to_change, ("requires_payment_method", 0, 0)),
    "payment.cancel": (_authorized, ("canceled", 0, 0)),
    "payment.refund": (_part_of_charged, ("succeeded", _AMOUNT, 600)),
}
_LATE: Final[dict[str, tuple[Beginning, tuple[str, int, int]]]] = {
    "payment.confirm": (_never_heard_of, ("canceled", 0, 0))
}


def _paths() -> Iterator[Path]:
    """Return the way through each operation, and the way when its time is over."""
    for name, operation in OPERATIONS.items():
        points = tuple(leg.at.name for leg in operation.legs)
        prepare, moved = _BEGINNINGS[name]
        in_time = points
        if any(leg.late for leg in operation.legs):
            in_time = points[:1]
            late, canceled = _LATE[name]
            yield Path(operation=name, points=points, prepare=late, moved=canceled)
        yield Path(operation=name, points=in_time, prepare=prepare, moved=moved)


PATHS: Final = tuple(_paths())
"""Every leg of every operation is on one of them."""

BOUNDARIES: Final = tuple(
    Boundary(path, number, when)
    for path in PATHS
    for number in range(1, len(path.effects) + 1)
    for when in ("before", "after")
)
