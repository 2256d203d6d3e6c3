"""Troubles that last: a PSP that is down, a rush of payers, a shop left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from paykit.engine import Ask
from paykit.operations import CREATE_PAYMENT, PaymentView
from paykit.testing.simulation.cast import LATER, Cast
from paykit.testing.simulation.scenarios.afterwards import slow_refunds
from paykit.testing.simulation.scenarios.capturing import (
    capture_and_refund,
    in_parts,
    increased,
)
from paykit.testing.simulation.scenarios.paying import automatic, challenged
from paykit.testing.simulation.scenarios.steps import TEN, confirm, refunds

__all__ = ["forgotten", "given_up", "in_doubt", "outage", "rush", "several"]

_PAYERS: Final = 15

_LONG: Final = (timedelta(hours=1), timedelta(hours=8), timedelta(days=2))

_ANY: Final[tuple[Callable[[Cast], None], ...]] = (
    automatic,
    challenged,
    capture_and_refund,
    in_parts,
    increased,
    slow_refunds,
)


def several(cast: Cast) -> None:
    """Three payments at once, each with its own payer; some money goes back."""

    def paid(payment: PaymentView) -> None:
        if cast.stage.dice.random() < 0.4:
            refunds(cast, payment)

    def created(number: int) -> Callable[[PaymentView], None]:
        return lambda payment: confirm(
            cast, payment, then=paid, key=f"confirm-{number}"
        )

    for number in range(3):
        key, fields = f"create-{number}", {"money": TEN}
        then = created(number)
        cast.caller(f"alice {number}", CREATE_PAYMENT, key, {**fields}, then)


def rush(cast: Cast) -> None:
    """Nothing breaks, and more payers come at once than the PSP wants to be asked."""
    cast.stage.change_weather()
    for number in range(_PAYERS):
        fields: dict[str, object] = {"money": TEN}
        cast.caller(f"payer {number}", CREATE_PAYMENT, f"create-{number}", fields)


def outage(cast: Cast) -> None:
    """The PSP is down for hours or days, from somewhere in the middle of it."""
    dice, disasters = cast.stage.dice, cast.stage.disasters

    def psp() -> None:
        if disasters.outage_until is None and dice.random() < 0.3:
            disasters.outage_until = cast.stage.world.time + dice.choice(_LONG)

    cast.bystander("psp", psp)
    dice.choice(_ANY)(cast)


def in_doubt(cast: Cast) -> None:
    """The PSP is down for two days; a person has what is in doubt looked at again."""
    cast.looks_again = 0.5
    _in_doubt(cast, timedelta(hours=3))


def given_up(cast: Cast) -> None:
    """The PSP is down for two days; then a person says that it was not executed."""
    _in_doubt(cast, timedelta(hours=12))


def _in_doubt(cast: Cast, pause: timedelta) -> None:
    """Nobody hears what became of a request, and every `pause` somebody looks."""
    stage = cast.stage

    def goes_down() -> None:
        stage.disasters.outage_until = stage.world.time + timedelta(days=2)

    cast.pauses, cast.aftermaths, cast.only = (pause,), 8, ("resume",)
    if stage.dice.random() < 0.85:
        goes_down()
    fields: dict[str, object] = {"money": TEN}
    cast.quitter("alice", CREATE_PAYMENT, "create", fields, dies_of=Ask, then=goes_down)


def forgotten(cast: Cast) -> None:
    """Nobody works for longer than the PSP lists its events."""
    cast.pauses = (*LATER[1:2], timedelta(days=40))
    cast.stage.dice.choice((automatic, challenged))(cast)
