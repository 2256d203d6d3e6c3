"""What begins at the PSP and is only followed here: payouts and subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from paykit.operations import PaymentView
from paykit.testing.simulation.cast import MERCHANT, Cast
from paykit.testing.simulation.scenarios.steps import TEN, VISA, pay, refunds

__all__ = ["paid_out", "subscribed"]

_MANY: Final = 30
"""How often the bank, or the payer, may do something."""

_ROUNDS: Final = 6
"""How often the workers come back, so that some of them look at what is overdue."""


def paid_out(cast: Cast) -> None:
    """The PSP pays out what was taken; the bank takes it, and may send it back."""
    dice, controls = cast.stage.dice, cast.sim.controls
    ways = (
        ("in_transit", "paid", "failed")
        if dice.random() < 0.5
        else ("in_transit", "paid")
    )
    payouts: list[str] = []

    def bank() -> None:
        if not payouts or dice.random() < 0.1:
            payouts.append(controls.create_automatic_payout(TEN.currency))
        elif dice.random() < 0.3:
            controls.advance_payout(payouts[-1], dice.choice(ways))

    def paid(payment: PaymentView) -> None:
        if dice.random() < 0.3:
            refunds(cast, payment)

    _take_long(cast, days=(2, 4))
    cast.bystander("bank", bank, rounds=_MANY)
    pay(cast, VISA, paid)


def subscribed(cast: Cast) -> None:
    """Somebody subscribes, pays for some periods and not for others, and may leave."""
    dice, controls = cast.stage.dice, cast.sim.controls
    metadata = {"paykit_merchant": MERCHANT}
    begun = controls.start_subscription(
        metadata, currency=TEN.currency, paid=dice.random() < 0.7
    )
    acts: tuple[Callable[[], None], ...] = (
        lambda: controls.renew_subscription(begun),
        lambda: controls.fail_renewal(begun),
        lambda: _pay_late(cast, begun),
        lambda: controls.cancel_subscription(begun, at_period_end=True),
        lambda: controls.keep_subscription(begun),
    )

    def payer() -> None:
        if dice.random() < 0.03:
            controls.cancel_subscription(begun)
        elif dice.random() < 0.3:
            dice.choice(acts)()

    _take_long(cast, days=(6, 12))
    cast.bystander("payer", payer, rounds=_MANY)
    pay(cast, VISA, lambda payment: None)


def _take_long(cast: Cast, days: tuple[int, int]) -> None:
    """
    Let days pass between the rounds of work, in half of the stories.

    Then something is overdue, and a look repairs what an event did wrong; in the other
    half it shows.
    """
    if cast.stage.dice.random() < 0.5:
        cast.pauses = tuple(timedelta(days=number) for number in days)
        cast.aftermaths = _ROUNDS


def _pay_late(cast: Cast, subscription: str) -> None:
    """Pay what is open; after the end that would rightly be a case for a person."""
    shown = cast.sim.call("read_subscription", subscription)
    if shown["ended_at"] is None:
        cast.sim.controls.pay_invoice(str(shown["latest_invoice"]))
