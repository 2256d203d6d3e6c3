"""What must hold when everything has come to its end, whatever happened before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from sqlalchemy import Connection

from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.invariants import answers, followed, history, money

__all__ = ["CHECKS", "Check", "violations"]

Check: TypeAlias = Callable[[Cast, Connection], Iterator[str]]
"""Yields, in words, where it is broken."""

CHECKS: Final[tuple[Check, ...]] = (
    money.one_payment_at_the_psp,
    money.same_state_and_totals,
    money.refunds_one_to_one,
    money.ledger_equals_the_balance,
    history.nothing_left_to_do,
    history.history_without_gaps,
    history.history_is_what_happened,
    history.no_event_lost,
    history.delivered_once_in_order,
    history.published_in_order,
    money.reservations_add_up,
    money.nobody_charged_late,
    money.one_key_per_attempt,
    answers.same_answer_for_all,
    answers.told_the_truth,
    answers.nobody_waits_long,
    answers.asked_within_limits,
    money.one_capture_per_success,
    followed.payouts_are_booked,
    followed.subscriptions_are_followed,
)


def violations(cast: Cast, connection: Connection) -> list[str]:
    """Return every invariant that is broken, in words."""
    return [
        f"{check.__name__}: {text}"
        for check in CHECKS
        for text in _broken(check, cast, connection)
    ]


def _broken(check: Check, cast: Cast, connection: Connection) -> list[str]:
    """Return where one is broken; what cannot even be checked is."""
    try:
        return list(check(cast, connection))
    except Exception as error:
        return [f"raised {error!r}"]
