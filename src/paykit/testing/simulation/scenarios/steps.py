"""What many scenarios begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from paykit.money import Money
from paykit.operations import (
    CONFIRM_PAYMENT,
    CREATE_PAYMENT,
    REFUND_PAYMENT,
    PaymentView,
)
from paykit.testing.simulation.cast import Cast

__all__ = ["SIX", "TEN", "Then", "VISA", "confirm", "create", "pay", "refunds"]

TEN: Final = Money(1000, "eur")
SIX: Final = Money(600, "eur")
VISA: Final = "pm_card_visa"

Then = Callable[[PaymentView], None]
"""What follows, once for each caller who was told of it."""


def create(cast: Cast, then: Then, **fields: object) -> None:
    """Two callers create with one key; what follows is begun by both as well."""
    for caller in ("alice", "bob"):
        cast.caller(caller, CREATE_PAYMENT, "create", {"money": TEN, **fields}, then)


def confirm(
    cast: Cast,
    payment: PaymentView,
    method: str = VISA,
    then: Then | None = None,
    key: str = "confirm",
) -> None:
    """Two callers confirm with one key."""
    fields: dict[str, object] = {"payment_id": payment.id, "payment_method": method}
    for caller in ("carol", "dave"):
        cast.caller(caller, CONFIRM_PAYMENT, key, fields, then)


def pay(cast: Cast, method: str, then: Then, **fields: object) -> None:
    """Create and confirm."""
    create(cast, lambda payment: confirm(cast, payment, method, then), **fields)


def refunds(cast: Cast, payment: PaymentView) -> None:
    """Three callers want 60 % back, two of them with one key."""
    for number, caller in enumerate(("erin", "frank", "grace")):
        fields: dict[str, object] = {"payment_id": payment.id, "money": SIX}
        cast.caller(caller, REFUND_PAYMENT, f"refund-{number % 2}", fields)
