"""
A request that outlives its process: the caller is dead, and the PSP still gets it.

Recovery can come before the PSP knows of the request, or while it is executed.
"""

from __future__ import annotations

import os
import signal
from typing import Any, cast

import pytest

from paykit import OutcomeUnknown
from tests.sweep.late import PATIENCE_SECONDS, LateServer
from tests.sweep.paths import PATHS, Path
from tests.sweep.processes import Processes
from tests.sweep.shop import LEASE, Shop
from tests.sweep.verdict import bare

IN_TIME = [path for path in PATHS if path.effects == ("commit", "ask", "commit")]

pytestmark = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)


def _orphan(
    where: str,
    path: Path,
    arguments: dict[str, Any],
    shop: Shop,
    processes: Processes,
) -> LateServer:
    """Kill a process while its request is `where`."""
    server = cast("LateServer", shop.server)
    server.hold(where)
    dying = processes.start(shop.job(path.method, arguments, 0, "before"))
    assert server.arrived.wait(PATIENCE_SECONDS)
    os.kill(dying.pid, signal.SIGKILL)
    assert dying.ended().status == -signal.SIGKILL
    shop.pass_time(LEASE)
    return server


def _release(server: LateServer) -> None:
    """Let the PSP have the request, and wait until it is done with it."""
    server.let_go.set()
    assert server.answered.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("path", IN_TIME, ids=lambda path: path.name)
def test_a_request_that_arrives_after_its_repetition_does_nothing(
    path: Path, shop: Shop, processes: Processes
) -> None:
    arguments = path.prepare(shop)
    server = _orphan("on its way", path, arguments, shop, processes)
    results = [shop.call(path.method, arguments)]
    _release(server)
    shop.settle()
    results.append(shop.call(path.method, arguments))
    assert len({bare(one) for one in results}) == 1
    assert shop.moved() == path.moved
    assert shop.violations() == []


@pytest.mark.parametrize("path", IN_TIME, ids=lambda path: path.name)
def test_a_request_still_in_work_is_waited_for(
    path: Path, shop: Shop, processes: Processes
) -> None:
    arguments = path.prepare(shop)
    server = _orphan("in work", path, arguments, shop, processes)
    assert isinstance(shop.call(path.method, arguments), OutcomeUnknown)
    _release(server)
    shop.settle()
    results = [shop.call(path.method, arguments) for _ in range(2)]
    assert len({bare(one) for one in results}) == 1
    assert shop.moved() == path.moved
    assert shop.violations() == []
