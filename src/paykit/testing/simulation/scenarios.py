"""What the callers want, by scenario; the seed picks one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from paykit.money import Money
from paykit.operations import (
    CANCEL_PAYMENT,
    CAPTURE_PAYMENT,
    CONFIRM_PAYMENT,
    CREATE_PAYMENT,
    REFUND_PAYMENT,
    PaymentView,
)
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.stage import CALM

__all__ = ["SCENARIOS"]

_TEN: Final = Money(1000, "eur")
_SIX: Final = Money(600, "eur")


def _create(cast: Cast, then: Callable[[PaymentView], None], **fields: object) -> None:
    """Two callers create with one key; what follows is begun by both as well."""
    for caller in ("alice", "bob"):
        cast.caller(caller, CREATE_PAYMENT, "create", {"money": _TEN, **fields}, then)


def _confirm(
    cast: Cast,
    payment: PaymentView,
    method: str,
    then: Callable[[PaymentView], None] | None = None,
    key: str = "confirm",
) -> None:
    fields: dict[str, object] = {"payment_id": payment.id, "payment_method": method}
    for caller in ("carol", "dave"):
        cast.caller(caller, CONFIRM_PAYMENT, key, fields, then)


def _refunds(cast: Cast, payment: PaymentView) -> None:
    for number, caller in enumerate(("erin", "frank", "grace")):
        fields: dict[str, object] = {"payment_id": payment.id, "money": _SIX}
        cast.caller(caller, REFUND_PAYMENT, f"refund-{number % 2}", fields)


def automatic(cast: Cast) -> None:
    """A payment, and refunds of 60 % that cannot all be made."""

    def paid(payment: PaymentView) -> None:
        _refunds(cast, payment)

    _create(cast, lambda p: _confirm(cast, p, "pm_card_visa", paid))


def manual(cast: Cast) -> None:
    """An authorization that two capture in part while a third one cancels."""

    def authorized(payment: PaymentView) -> None:
        fields: dict[str, object] = {"payment_id": payment.id, "money": _SIX}
        cast.caller("erin", CAPTURE_PAYMENT, "capture-1", fields)
        cast.caller("frank", CAPTURE_PAYMENT, "capture-2", fields)
        cast.caller("grace", CANCEL_PAYMENT, "cancel", {"payment_id": payment.id})

    _create(
        cast,
        lambda p: _confirm(cast, p, "pm_card_visa", authorized),
        capture="manual",
    )


def capture_and_refund(cast: Cast) -> None:
    """An authorization, captured in part, refunded while the answer is out."""

    def authorized(payment: PaymentView) -> None:
        fields: dict[str, object] = {"payment_id": payment.id, "money": _SIX}
        cast.caller(
            "erin", CAPTURE_PAYMENT, "capture", fields, lambda p: _refunds(cast, p)
        )

    _create(
        cast,
        lambda p: _confirm(cast, p, "pm_card_visa", authorized),
        capture="manual",
    )


def declined(cast: Cast) -> None:
    """A card without money, then a good one."""
    bad = "pm_card_visa_chargeDeclinedInsufficientFunds"

    def again(payment: PaymentView) -> None:
        _confirm(cast, payment, "pm_card_visa", key="confirm-again")

    _create(cast, lambda p: _confirm(cast, p, bad, again))


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
    _create(cast, lambda p: _confirm(cast, p, method, cancel))


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
    _create(cast, again(1))


def overtaken(cast: Cast) -> None:
    """Nothing breaks, but workers are slow: what one has read is old when it is used.

    The payer fails the challenge once and webhooks come at once, so that nothing that
    comes later puts an old state right again.
    """
    cast.stage.weather = replace(CALM, preempted=0.3)

    def payer() -> None:
        for intent in cast.sim.intents_with("paykit_merchant", "default"):
            cast.sim.complete_authentication(intent.id, False)

    def leave(payment: PaymentView) -> None:
        cast.bystander("payer", payer, rounds=4)

    for number in range(3, 6):
        cast.worker(f"worker {number}", rounds=20)
    fields: dict[str, object] = {"money": _TEN}
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

    cast.caller("alice", CREATE_PAYMENT, "create", {"money": _TEN}, confirm)


def slow_refunds(cast: Cast) -> None:
    """Refunds that the bank ends later: some succeed, some come back."""
    fails = cast.stage.dice.random() < 0.5
    method = "pm_card_refundFail" if fails else "pm_card_pendingRefund"
    cast.bystander("bank", cast.sim.settle_refunds)

    def paid(payment: PaymentView) -> None:
        _refunds(cast, payment)

    _create(cast, lambda p: _confirm(cast, p, method, paid))


SCENARIOS: Final[Mapping[str, Callable[[Cast], None]]] = {
    scenario.__name__: scenario
    for scenario in (
        automatic,
        manual,
        capture_and_refund,
        declined,
        challenged,
        flapping,
        overtaken,
        abandoned,
        slow_refunds,
    )
}
