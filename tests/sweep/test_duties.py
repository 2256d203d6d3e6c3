"""
Every duty of a worker, crashed at every boundary of it.

Duties come from the registry and boundaries from a run, so a new duty is swept as soon
as it is one. A crash is an exception here that nothing survives; real processes are
killed in `test_killed_workers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import pytest

from paykit import PaymentService
from paykit.testing.sweep import Crash, Life, MortalDriver
from paykit.workers.duties import run_duty
from paykit.workers.inbox import process_next
from tests.sweep.duties import Busy, Memory, busy_before, copied, registered, wrong

Act = Callable[[PaymentService], object]
Recover = Callable[[Busy], list[str]]

_ROWS: Final[Mapping[str, int]] = {"inbox": 100}
"""How many rows a duty may do; two tell as much as many, but of different events."""

_ALONE: Final = 5

_NEVER: Final = 10**9
"""A boundary that nothing reaches."""

_BOUNDARIES_MIN: Final = 2
"""A duty that had nothing to do has fewer: it has found nothing to claim."""


def act_of(duty: str) -> Act:
    return partial(run_duty, name=duty, at_most=_ROWS.get(duty, 2))


def inbox_one_by_one(service: PaymentService) -> None:
    """Apply webhooks alone, as is done when a batch fails."""
    for _ in range(_ALONE):
        service.run(process_next(service.engine.env))


def crash(
    memory: Memory, act: Act, number: int, recover: Recover = wrong
) -> tuple[Life, list[str]]:
    """Die at one boundary; return the life, and what is wrong after the recovery."""
    life = Life(number)
    with copied(memory) as shop:
        _live(shop, act, life)
        return life, recover(shop)


def _live(shop: Busy, act: Act, life: Life) -> None:
    driver = shop.service.driver
    shop.service.driver = MortalDriver.of(driver, life, shop.clock)
    try:
        with suppress(Crash):
            act(shop.service)
    finally:
        shop.service.driver = driver


def sweep_act(memory: Memory, act: Act, recover: Recover = wrong) -> None:
    """Crash at every boundary of what `act` does, and look what is wrong then."""
    life, found = crash(memory, act, _NEVER, recover)
    assert (life.over, found) == (False, [])
    assert len(life.reached) > _BOUNDARIES_MIN, "nothing was due"
    for number, name in enumerate(life.reached):
        dying, found = crash(memory, act, number, recover)
        assert dying.reached == life.reached[: number + 1]
        assert found == [], f"after a crash at boundary {number}, {name}"


@pytest.mark.parametrize("duty", registered())
def test_a_duty_that_crashes_anywhere_is_done_once(duty: str) -> None:
    sweep_act(busy_before(duty), act_of(duty))


def test_webhooks_applied_one_by_one_survive_a_crash_anywhere() -> None:
    sweep_act(busy_before("inbox"), inbox_one_by_one)
