"""
The database forgets what the PSP has done (failures, number 33).

A process is killed after the PSP has acted, and then the intent is gone: a replica that
missed the last commits has become the primary, or a row was deleted by hand. The caller
repeats the request, and everything that is sent must come out the same again.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as File
from typing import Any, Final

import pytest

from paykit import NotAllowed
from tests.databases import Database, PostgresServer, sqlite_database
from tests.sweep.paths import BOUNDARIES, Boundary
from tests.sweep.processes import Processes
from tests.sweep.shop import LEASE, Shop, reopened
from tests.sweep.verdict import bare

ASKED = [
    one
    for one in BOUNDARIES
    if (one.kind, one.when) == ("ask", "after") and len(one.path.points) == 1
]
"""The PSP has acted and answered, and the answer dies with the process."""

Backup = Callable[[], Database]


@pytest.fixture
def backup(
    installed: Database, request: pytest.FixtureRequest, tmp_path: File
) -> Iterator[Backup]:
    """Make copies of the database as it is, while nobody is connected."""
    copies: list[Database] = []

    def copy() -> Database:
        if installed.kind == "sqlite":
            path = shutil.copy(tmp_path / "paykit.db", tmp_path / "backup.db")
            copies.append(sqlite_database(File(path)))
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            copies.append(server.create(template=server.name(installed)))
        return copies[-1]

    yield copy
    for database in copies:
        database.dispose()
        if database.kind == "postgresql":
            request.getfixturevalue("postgres").drop(database)


@contextmanager
def forgotten(
    boundary: Boundary, shop: Shop, processes: Processes, backup: Backup
) -> Iterator[tuple[Shop, dict[str, Any], Any]]:
    """Go on with the database as it was before the operation began."""
    path = boundary.path
    arguments = path.prepare(shop)
    shop.engine.dispose()
    before = backup()
    kill(boundary, shop, processes, arguments)
    sent = shop.attempts()
    with reopened(shop, before) as shop:
        yield shop, arguments, sent


def kill(
    boundary: Boundary, shop: Shop, processes: Processes, arguments: dict[str, Any]
) -> None:
    job = shop.job(
        boundary.path.method, arguments, number=boundary.number, when=boundary.when
    )
    assert processes.run(job).status == -signal.SIGKILL


@pytest.mark.parametrize("boundary", ASKED, ids=str)
def test_a_lost_intent_is_rebuilt_byte_by_byte(
    boundary: Boundary, shop: Shop, processes: Processes, backup: Backup
) -> None:
    path = boundary.path
    with forgotten(boundary, shop, processes, backup) as (shop, arguments, sent):
        results = [shop.call(path.method, arguments)]
        again = shop.attempts()
        assert [row for row in again if row["psp_key"] in _keys(sent)] == sent
        assert shop.replays() >= (path.effects[1:].index("ask") == boundary.number - 2)
        shop.settle()
        results += [shop.call(path.method, arguments) for _ in range(2)]
        assert len({bare(one) for one in results}) == 1
        assert shop.moved() == path.moved
        assert shop.violations() == []


@pytest.mark.parametrize("boundary", ASKED, ids=str)
def test_events_of_a_lost_intent_come_before_its_repetition(
    boundary: Boundary, shop: Shop, processes: Processes, backup: Backup
) -> None:
    path = boundary.path
    with forgotten(boundary, shop, processes, backup) as (shop, arguments, _):
        shop.deliver()
        shop.work_once()
        result = shop.call(path.method, arguments)
        # Where the events say it all, there is nothing left that may be started.
        if not isinstance(result, NotAllowed):
            bare(result)
        shop.settle()
        assert shop.moved() == path.moved
        told = path.operation in CHANGE_THE_AMOUNT
        left = shop.violations()
        assert [one for one in left if not (told and "amount_mismatch" in one)] == []


@pytest.mark.parametrize("boundary", ASKED, ids=str)
def test_a_deleted_operation_goes_on_under_its_old_key(
    boundary: Boundary, shop: Shop, processes: Processes
) -> None:
    path = boundary.path
    arguments = path.prepare(shop)
    kill(boundary, shop, processes, arguments)
    sent = shop.attempts()
    deleted = "(SELECT id FROM paykit_operation WHERE idempotency_key = 'swept')"
    assert shop.execute(f"DELETE FROM paykit_work WHERE id IN {deleted}") == 1
    assert shop.execute(f"DELETE FROM paykit_operation WHERE id IN {deleted}") == 1
    shop.pass_time(LEASE)
    results = [shop.call(path.method, arguments)]
    assert shop.attempts() == sent
    shop.settle()
    results += [shop.call(path.method, arguments) for _ in range(2)]
    assert len({bare(one) for one in results}) == 1
    assert shop.moved() == path.moved
    assert shop.violations() == []


CHANGE_THE_AMOUNT: Final = ("payment.update", "payment.increment_authorization")
"""Who has forgotten asking for an amount that the PSP shows has a person look at it."""


def _keys(rows: Any) -> set[str]:
    return {row["psp_key"] for row in rows}
