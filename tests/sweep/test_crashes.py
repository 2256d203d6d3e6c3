"""
Every operation, killed right before and right after everything that it does.

The process is real and so are its death, its HTTP and its database. Afterwards the
caller repeats the request and the worker runs. Who comes first differs: what is true
after an effect is also true before the next one, so both orders meet every state.
"""

from __future__ import annotations

import signal

import pytest

from paykit import InProgress
from paykit.operations import OPERATIONS
from tests.sweep.paths import BOUNDARIES, PATHS, Boundary, Path
from tests.sweep.processes import Processes
from tests.sweep.shop import LEASE, Shop
from tests.sweep.verdict import bare

POSTGRESQL = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)
SQLITE = pytest.mark.parametrize("installed", ["sqlite"], indirect=True)


@POSTGRESQL
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_the_boundaries_are_those_of_a_run_that_nobody_kills(
    path: Path, shop: Shop, processes: Processes
) -> None:
    arguments = path.prepare(shop)
    ended = processes.run(shop.job(path.method, arguments, 0, "before"))
    assert (ended.status, ended.failure) == (0, None)
    assert ended.trace[: len(path.trace)] == path.trace
    # A result may be completed by a read; no other commit may follow.
    assert not [line for line in ended.trace[len(path.trace) :] if "commit" in line]
    assert {row["recovery_point"] for row in shop.attempts()} == set(path.points)


def test_every_leg_of_every_operation_is_swept() -> None:
    swept = {(path.operation, point) for path in PATHS for point in path.points}
    assert swept == {
        (name, leg.at.name) for name, op in OPERATIONS.items() for leg in op.legs
    }


@POSTGRESQL
@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
def test_a_killed_operation_has_its_effect_once(
    boundary: Boundary, shop: Shop, processes: Processes
) -> None:
    _sweep(boundary, shop, processes)


@SQLITE
@pytest.mark.parametrize(
    "boundary",
    [one for one in BOUNDARIES if (one.kind, one.when) != ("ask", "before")],
    ids=str,
)
def test_a_killed_operation_has_its_effect_once_in_a_file(
    boundary: Boundary, shop: Shop, processes: Processes
) -> None:
    _sweep(boundary, shop, processes)


def _sweep(boundary: Boundary, shop: Shop, processes: Processes) -> None:
    path = boundary.path
    arguments = path.prepare(shop)
    _kill(boundary, shop, processes, arguments)
    at_once = shop.call(path.method, arguments)
    assert isinstance(at_once, InProgress) == _is_held(boundary)
    shop.pass_time(LEASE)
    if boundary.when == "after":
        shop.settle()
        assert _open_operations(shop) == 0
    results = [shop.call(path.method, arguments)]
    shop.settle()
    results += [shop.call(path.method, arguments) for _ in range(2)]
    assert len({bare(one) for one in results}) == 1
    assert shop.moved() == path.moved
    assert shop.violations() == []


def _is_held(boundary: Boundary) -> bool:
    """Whether the dead process still has the lease: from its first commit on."""
    last = len(boundary.path.effects)
    return (1, "before") != (boundary.number, boundary.when) != (last, "after")


def _kill(
    boundary: Boundary, shop: Shop, processes: Processes, arguments: dict[str, object]
) -> None:
    path = boundary.path
    job = shop.job(path.method, arguments, boundary.number, boundary.when)
    ended = processes.run(job)
    assert ended.status == -signal.SIGKILL
    last = path.trace.index(f"{boundary.when} {boundary.number} {boundary.kind}")
    assert ended.trace == path.trace[: last + 1]


def _open_operations(shop: Shop) -> int:
    rows = shop.rows("SELECT id FROM paykit_operation WHERE status = 'open'")
    return len(rows)
