"""
Payments to begin a test with, made by the real operations.

A test of a refund does not care how its payment came about. These run the service's own
operations against the provider of the test, so that the rows, the events and the books
are what they are in production.
"""

from __future__ import annotations

from typing import Final, Literal

from paykit.money import Money
from paykit.operations import PaymentView
from paykit.service import PaymentService

__all__ = ["authorized_payment", "paid_payment"]

_TEN_EUROS: Final = Money(1000, "eur")

_VISA: Final = "pm_card_visa"


def paid_payment(
    service: PaymentService,
    amount: Money = _TEN_EUROS,
    *,
    reference: str | None = None,
) -> PaymentView:
    """Return a payment that has been taken from a card."""
    return _confirmed(service, amount, reference, "automatic")


def authorized_payment(
    service: PaymentService,
    amount: Money = _TEN_EUROS,
    *,
    reference: str | None = None,
) -> PaymentView:
    """Return a payment that a card's issuer holds, to be captured or canceled."""
    return _confirmed(service, amount, reference, "manual")


def _confirmed(
    service: PaymentService,
    amount: Money,
    reference: str | None,
    capture: Literal["automatic", "manual"],
) -> PaymentView:
    name = service.engine.env.world.new_uuid()
    payment = service.create_payment(
        amount=amount,
        reference=reference,
        capture=capture,
        idempotency_key=f"create-{name}",
    )
    return service.confirm_payment(
        payment.id, payment_method=_VISA, idempotency_key=f"confirm-{name}"
    )
