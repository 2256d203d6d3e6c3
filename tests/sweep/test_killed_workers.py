"""
Workers that are killed, as real processes on PostgreSQL.

`test_duties` crashes at every boundary; here are two of each duty, one after another,
so that the second worker is killed while it does what the first one has left.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import pytest

from paykit import PaymentState
from paykit.workers.duties import chosen, run_duty
from tests.sweep.duties import make_busy, registered
from tests.sweep.handler import HEARD, misheard
from tests.sweep.handler import note as heard
from tests.sweep.processes import Processes
from tests.sweep.shop import Shop

pytestmark = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)

_DEATHS: Final = (3, 6)
"""After which of its effects a worker dies: mostly with the answer of the PSP."""

_LATER: Final[Mapping[str, timedelta]] = {"clock": timedelta(days=8)}
_SOON: Final = timedelta(minutes=5)

FED = [duty for duty in registered() if duty != "relay"]
"""The relay has work only where there is a broker; `test_duties` has one."""


def prepare(shop: Shop, duty: str) -> None:
    """Leave work to `duty`, and let its time come."""
    shop.service.on("*")(heard)
    shop.execute(HEARD["postgresql"])
    make_busy(shop.service, shop.sim)
    shop.deliver()
    later = _LATER.get(duty, _SOON)
    shop.world.by += later
    shop.pass_time(later)
    for name in chosen(shop.service):
        if name == duty:
            break
        run_duty(shop.service, name)


@pytest.mark.parametrize("duty", FED)
def test_a_duty_that_is_killed_twice_is_done_once(
    duty: str, shop: Shop, processes: Processes
) -> None:
    prepare(shop, duty)
    for number in _DEATHS:
        ended = processes.run(shop.job(duty, {}, number, "after"))
        assert (ended.status, ended.failure) == (-signal.SIGKILL, None), ended.trace
        assert ended.trace[-1].startswith(f"after {number} ")
        shop.pass_time(_SOON)
    shop.settle()
    for held in shop.service.list_payments(state=PaymentState.AUTHORIZED).items:
        shop.service.cancel_payment(held.id, idempotency_key=f"cancel-{held.id}")
    shop.settle()
    shop.pass_time(_SOON)
    shop.work_once()
    assert shop.violations() == []
    assert misheard(shop.engine) == []
