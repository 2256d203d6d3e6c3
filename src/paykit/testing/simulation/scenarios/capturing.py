"""Authorizations: captured once or in parts, raised, changed, let go."""

from __future__ import annotations

from paykit.money import Money
from paykit.operations import (
    CANCEL_PAYMENT,
    CAPTURE_PAYMENT,
    INCREMENT_AUTHORIZATION,
    UPDATE_PAYMENT,
    PaymentView,
)
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.scenarios.steps import (
    SIX,
    VISA,
    confirm,
    create,
    pay,
    refunds,
)

__all__ = [
    "capture_and_refund",
    "expired",
    "in_parts",
    "increased",
    "manual",
    "updated",
]


def manual(cast: Cast) -> None:
    """An authorization that two capture in part while a third one cancels."""

    def authorized(payment: PaymentView) -> None:
        fields: dict[str, object] = {"payment_id": payment.id, "money": SIX}
        cast.caller("erin", CAPTURE_PAYMENT, "capture-1", fields)
        cast.caller("frank", CAPTURE_PAYMENT, "capture-2", fields)
        cast.caller("grace", CANCEL_PAYMENT, "cancel", {"payment_id": payment.id})

    create(
        cast,
        lambda p: confirm(cast, p, "pm_card_visa", authorized),
        capture="manual",
    )


def capture_and_refund(cast: Cast) -> None:
    """An authorization, captured in part, refunded while the answer is out."""

    def authorized(payment: PaymentView) -> None:
        fields: dict[str, object] = {"payment_id": payment.id, "money": SIX}
        cast.caller(
            "erin", CAPTURE_PAYMENT, "capture", fields, lambda p: refunds(cast, p)
        )

    create(
        cast,
        lambda p: confirm(cast, p, "pm_card_visa", authorized),
        capture="manual",
    )


def in_parts(cast: Cast) -> None:
    """An authorization that several take in parts, one of them the last one."""

    def authorized(payment: PaymentView) -> None:
        for number, caller in enumerate(("erin", "frank", "grace")):
            fields: dict[str, object] = {
                "payment_id": payment.id,
                "money": Money(300, "eur"),
                "final": number == 2,
            }
            key = f"part-{number}"
            cast.caller(caller, CAPTURE_PAYMENT, key, fields, after)

    def after(payment: PaymentView) -> None:
        if cast.stage.dice.random() < 0.3:
            refunds(cast, payment)
        if cast.stage.dice.random() < 0.3:
            fields: dict[str, object] = {
                "payment_id": payment.id,
                "money": Money.zero("eur"),
                "final": True,
            }
            cast.caller("heidi", CAPTURE_PAYMENT, "release", fields)

    pay(cast, VISA, authorized, capture="manual", multicapture=True)


def increased(cast: Cast) -> None:
    """An authorization that two want to raise while a third one captures it."""
    prepaid = "pm_card_mastercard_prepaid"
    method = prepaid if cast.stage.dice.random() < 0.3 else VISA

    def authorized(payment: PaymentView) -> None:
        for number, caller in enumerate(("erin", "frank")):
            more: dict[str, object] = {
                "payment_id": payment.id,
                "money": Money(1200 + 300 * number, "eur"),
            }
            cast.caller(caller, INCREMENT_AUTHORIZATION, f"more-{number}", more, take)
        take(payment)

    def take(payment: PaymentView) -> None:
        if cast.stage.dice.random() < 0.4:
            fields: dict[str, object] = {"payment_id": payment.id}
            cast.caller("grace", CAPTURE_PAYMENT, "capture", fields)

    pay(cast, method, authorized, capture="manual", incremental_authorization=True)


def updated(cast: Cast) -> None:
    """A payment whose amount and description change while the payer confirms it."""

    def created(payment: PaymentView) -> None:
        changes: tuple[dict[str, object], ...] = (
            {"money": SIX},
            {"description": "two books"},
            {"money": Money(700, "eur"), "metadata": {"order": "7"}},
        )
        for number, change in enumerate(changes):
            fields = {"payment_id": payment.id, **change}
            key = f"update-{number}"
            cast.caller(f"erin {number}", UPDATE_PAYMENT, key, fields)
        confirm(cast, payment, VISA, lambda paid: refunds(cast, paid))

    create(cast, created)


def expired(cast: Cast) -> None:
    """An authorization that runs out while it is captured."""

    def runs_out() -> None:
        if cast.stage.dice.random() < 0.3:
            for intent in cast.sim.intents_with("paykit_merchant", "default"):
                cast.sim.expire_authorization(intent.id)

    def authorized(payment: PaymentView) -> None:
        fields: dict[str, object] = {"payment_id": payment.id, "money": SIX}
        cast.caller("erin", CAPTURE_PAYMENT, "capture", fields)

    cast.bystander("issuer", runs_out)
    pay(cast, VISA, authorized, capture="manual")
