"""Paying: accepted, declined, challenged, or left in the middle."""

from __future__ import annotations

from collections.abc import Callable

from paykit.operations import (
    CANCEL_PAYMENT,
    CONFIRM_PAYMENT,
    CREATE_PAYMENT,
    PaymentView,
)
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.scenarios.steps import (
    TEN,
    confirm,
    create,
    refunds,
)

__all__ = [
    "abandoned",
    "automatic",
    "challenged",
    "declined",
    "flapping",
    "overtaken",
]


def automatic(cast: Cast) -> None:
    """A payment, and refunds of 60 % that cannot all be made."""

    def paid(payment: PaymentView) -> None:
        refunds(cast, payment)

    create(cast, lambda p: confirm(cast, p, "pm_card_visa", paid))


def declined(cast: Cast) -> None:
    """A card without money, then a good one."""
    bad = "pm_card_visa_chargeDeclinedInsufficientFunds"

    def again(payment: PaymentView) -> None:
        confirm(cast, payment, "pm_card_visa", key="confirm-again")

    create(cast, lambda p: confirm(cast, p, bad, again))


def challenged(cast: Cast) -> None:
    """3-D Secure, passed or failed, while somebody cancels now and then."""
    success = cast.stage.dice.random() < 0.6

    def payer() -> None:
        for intent in cast.sim.intents_with("paykit_merchant", "default"):
            cast.sim.complete_authentication(intent.id, success)

    def cancel(payment: PaymentView) -> None:
        if cast.stage.dice.random() < 0.3:
            fields: dict[str, object] = {"payment_id": payment.id}
            cast.caller("grace", CANCEL_PAYMENT, "cancel", fields)

    cast.bystander("payer", payer)
    method = "pm_card_threeDSecure2Required"
    create(cast, lambda p: confirm(cast, p, method, cancel))


def flapping(cast: Cast) -> None:
    """A payer who fails the challenge again and again, so that the state goes round."""

    def payer() -> None:
        for intent in cast.sim.intents_with("paykit_merchant", "default"):
            cast.sim.complete_authentication(intent.id, False)

    def again(attempt: int) -> Callable[[PaymentView], None]:
        def confirm(payment: PaymentView) -> None:
            fields: dict[str, object] = {
                "payment_id": payment.id,
                "payment_method": "pm_card_threeDSecure2Required",
            }
            then = again(attempt + 1) if attempt < 4 else None
            cast.caller("carol", CONFIRM_PAYMENT, f"confirm-{attempt}", fields, then)

        return confirm

    cast.bystander("payer", payer, rounds=25)
    cast.worker("worker 3", rounds=20)
    create(cast, again(1))


def overtaken(cast: Cast) -> None:
    """Nothing breaks, but workers are slow: what one has read is old when it is used.

    The payer fails the challenge once and webhooks come at once, so that nothing that
    comes later puts an old state right again.
    """
    cast.stage.change_weather(preempted=0.3)

    def payer() -> None:
        for intent in cast.sim.intents_with("paykit_merchant", "default"):
            cast.sim.complete_authentication(intent.id, False)

    def leave(payment: PaymentView) -> None:
        cast.bystander("payer", payer, rounds=4)

    for number in range(3, 6):
        cast.worker(f"worker {number}", rounds=20, only=("inbox",))
    fields: dict[str, object] = {"money": TEN}
    method = "pm_card_threeDSecure2Required"

    def confirm(payment: PaymentView) -> None:
        challenge: dict[str, object] = {
            "payment_id": payment.id,
            "payment_method": method,
        }
        cast.caller("carol", CONFIRM_PAYMENT, "confirm", challenge, leave)

    cast.caller("alice", CREATE_PAYMENT, "create", fields, confirm)


def abandoned(cast: Cast) -> None:
    """A payer whose shop dies before it can ask; nobody may be charged hours later."""

    def confirm(payment: PaymentView) -> None:
        fields: dict[str, object] = {
            "payment_id": payment.id,
            "payment_method": "pm_card_visa",
        }
        cast.quitter("carol", CONFIRM_PAYMENT, "confirm", fields)

    cast.caller("alice", CREATE_PAYMENT, "create", {"money": TEN}, confirm)
