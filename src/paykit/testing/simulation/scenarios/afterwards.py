"""What happens to money that was taken: refunds, disputes, debits that come back."""

from __future__ import annotations

from typing import Literal

from paykit.engine import Ask
from paykit.operations import CONFIRM_PAYMENT, CREATE_PAYMENT, PaymentView
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.scenarios.steps import (
    TEN,
    VISA,
    confirm,
    create,
    pay,
    refunds,
)

__all__ = [
    "disputed",
    "refreshed",
    "returned_debit",
    "slow_refunds",
    "unheard",
]


def slow_refunds(cast: Cast) -> None:
    """Refunds that the bank ends later: some succeed, some come back."""
    fails = cast.stage.dice.random() < 0.5
    method = "pm_card_refundFail" if fails else "pm_card_pendingRefund"
    cast.bystander("bank", cast.sim.settle_refunds)

    def paid(payment: PaymentView) -> None:
        refunds(cast, payment)
        _look(cast, payment)

    create(cast, lambda p: confirm(cast, p, method, paid))


def _look(cast: Cast, payment: PaymentView) -> None:
    """Somebody wants to see it now, and again."""
    for number in range(2):
        if cast.stage.dice.random() < 0.5:
            cast.refresher(f"heidi {number}", payment.id)


def disputed(cast: Cast) -> None:
    """A payer who disputes the payment while it is refunded; the bank decides later."""
    outcomes: tuple[Literal["won", "lost"], ...] = ("won", "lost")
    outcome = cast.stage.dice.choice(outcomes)
    opened: list[str] = []

    def bank() -> None:
        for intent in cast.sim.intents_with("paykit_merchant", "default"):
            if not opened:
                opened.append(cast.sim.controls.open_dispute(intent.id))
            elif cast.stage.dice.random() < 0.3:
                cast.refresher("heidi", intent.metadata["paykit_payment_id"])
            elif cast.stage.dice.random() < 0.3:
                cast.sim.controls.resolve_dispute(opened[0], outcome)

    def paid(payment: PaymentView) -> None:
        refunds(cast, payment)

    cast.bystander("bank", bank)
    pay(cast, VISA, paid)


def returned_debit(cast: Cast) -> None:
    """A bank debit that settles days later, and may still be taken back."""

    def bank() -> None:
        cast.sim.settle_charges()
        for intent in cast.sim.intents_with("paykit_merchant", "default"):
            if intent.status == "succeeded" and cast.stage.dice.random() < 0.3:
                cast.sim.return_debit(intent.id)

    cast.bystander("bank", bank)
    pay(cast, "pm_success_de", lambda payment: None)


def refreshed(cast: Cast) -> None:
    """A host that asks for the newest state again and again."""

    def payer() -> None:
        for intent in cast.sim.intents_with("paykit_merchant", "default"):
            cast.sim.complete_authentication(intent.id, True)

    def look(payment: PaymentView) -> None:
        for number in range(3):
            cast.refresher(f"heidi {number}", payment.id)
        if payment.captured:
            refunds(cast, payment)

    cast.bystander("payer", payer)
    method = cast.stage.dice.choice((VISA, "pm_card_threeDSecure2Required"))

    def created(payment: PaymentView) -> None:
        look(payment)
        confirm(cast, payment, method, look)

    create(cast, created)


def unheard(cast: Cast) -> None:
    """A caller dies before it hears that it was paid; somebody looks hours later."""

    def look(payment: PaymentView) -> None:
        for number in range(3):
            cast.refresher(f"heidi {number}", payment.id)

    def created(payment: PaymentView) -> None:
        cast.quitter(
            "carol",
            CONFIRM_PAYMENT,
            "confirm",
            {"payment_id": payment.id, "payment_method": VISA},
            dies_of=Ask,
            then=lambda: look(payment),
        )

    cast.caller("alice", CREATE_PAYMENT, "create", {"money": TEN}, created)
