"""
Whatever goes wrong, money moves exactly once.

A few hundred seeds on every run, in small parcels so that the workers can share them;
``nox -s simulate -- --seeds N`` runs any number.
"""

from __future__ import annotations

import os

import pytest
from sqlalchemy import Engine

from paykit.testing.simulation import Weather, simulate
from paykit.testing.simulation.__main__ import fresh
from paykit.testing.simulation.scenarios import SCENARIOS
from tests.databases import Database
from tests.mutants.__main__ import caught_by
from tests.mutants.table import MUTANTS

PARCEL = 8
PARCELS = int(os.environ.get("PAYKIT_TEST_SEEDS", "240")) // PARCEL


@pytest.mark.parametrize("parcel", range(PARCELS))
def test_money_moves_exactly_once(parcel: int) -> None:
    for seed in range(parcel * PARCEL, (parcel + 1) * PARCEL):
        with fresh("sqlite://") as database:
            story = simulate(database, seed)
        assert not story.violations, str(story)


@pytest.mark.parametrize("seed", range(1000, 1008))
def test_money_moves_exactly_once_on_any_database(
    installed: Database, seed: int
) -> None:
    engine: Engine = installed.engine()
    story = simulate(engine, seed)
    assert not story.violations, str(story)


def test_the_same_seed_tells_the_same_story() -> None:
    told = []
    for _ in range(2):
        with fresh("sqlite://") as database:
            told.append(simulate(database, 7).lines)
    assert told[0] == told[1]


def test_every_scenario_is_reached() -> None:
    calm = Weather(**dict.fromkeys(Weather.__dataclass_fields__, 0.0))
    reached = set()
    for seed in range(40):
        with fresh("sqlite://") as database:
            story = simulate(database, seed, calm)
        assert not story.violations, str(story)
        reached.add(story.scenario)
        if reached == set(SCENARIOS):
            return
    pytest.fail(f"only {sorted(reached)}")


@pytest.mark.parametrize(
    "mutant", [m for m in MUTANTS if m.in_ci], ids=lambda mutant: mutant.name
)
def test_a_planted_bug_is_caught(mutant: object) -> None:
    found = next(m for m in MUTANTS if m is mutant)
    assert caught_by(found, seeds=240) is not None, f"{found.name} survived"
