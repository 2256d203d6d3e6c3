"""
Whatever goes wrong, money moves exactly once.

Some seeds on every run, in small parcels so that the test processes can share them;
``nox -s simulate -- --seeds N`` runs any number.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count, islice

import pytest
from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from paykit.testing.simulation import Weather, aims, invariants, simulate
from paykit.testing.simulation.__main__ import main
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.databases import database, fresh
from paykit.testing.simulation.run import all_triples
from paykit.testing.simulation.scenarios import SCENARIOS
from paykit.testing.simulation.seeds import run_seed, run_seeds
from paykit.testing.simulation.triples import Boundary, Triple
from paykit.testing.simulation.weather import FAULTS
from tests.databases import Database, postgres_url

PARCEL = 5
SEEDS = int(os.environ.get("PAYKIT_TEST_SEEDS", "120"))

CALM = Weather(**dict.fromkeys(Weather.__dataclass_fields__, 0.0))

FEW = 40
"""Seeds of which it is told how much they reach."""
REACHED = 330
"""So many triples at least; ``nox -s simulate -- --triples`` asks for all."""


@pytest.mark.parametrize("parcel", range(SEEDS // PARCEL))
def test_money_moves_exactly_once(parcel: int) -> None:
    seeds = range(1000 + parcel * PARCEL, 1000 + (parcel + 1) * PARCEL)
    for outcome in run_seeds("sqlite://", seeds):
        assert not outcome.failures


@pytest.mark.parametrize("seed", range(2000, 2004))
def test_money_moves_exactly_once_on_any_database(
    installed: Database, seed: int
) -> None:
    story = simulate(installed.engine(), seed)
    assert not story.violations, str(story)


def test_the_seeds_reach_what_can_go_wrong_and_nothing_that_is_not_known() -> None:
    met: set[Triple] = set()
    unforeseen: set[Boundary] = set()
    with database() as emptied:
        for seed in range(FEW):
            story = simulate(emptied(), seed)
            assert not story.violations, str(story)
            met |= story.met
            unforeseen |= story.unforeseen
    assert not unforeseen, sorted(map(str, unforeseen))
    assert len(met) >= REACHED, f"{len(met)} of {len(all_triples())}"


def test_every_operation_and_every_duty_has_triples() -> None:
    who = {triple.boundary.who for triple in all_triples()}
    assert who >= {"payment.create", "payment.update", "payment.refund", "inbox"}
    faults = {triple.fault for triple in all_triples()}
    assert faults == {name for names in FAULTS.values() for name in names}
    assert faults <= set(Weather.__dataclass_fields__)


def test_every_aim_is_one_that_a_seed_can_have() -> None:
    triples = all_triples()
    names = {name for one in triples for name in aims.keys_of(one)}
    assert names >= {*aims.SCENES, *aims.WEATHERS}
    assert set(SCENARIOS) >= {
        name for scenes in aims.SCENES.values() for name in scenes
    }


def test_a_new_boundary_changes_the_aims_of_few_seeds() -> None:
    triples = all_triples()
    aimed = {seed: aims.target_of(seed, triples) for seed in range(300)}
    assert len(set(aimed.values())) > 200
    new = next(iter(aimed.values()))
    before = [one for one in triples if one != new]
    changed = [s for s, was in aimed.items() if aims.target_of(s, before) != was]
    assert changed == [seed for seed, target in aimed.items() if target == new]


def test_the_same_seed_tells_the_same_story_in_another_process() -> None:
    here = run_seed("sqlite://", 7).digest
    there = subprocess.run(
        [sys.executable, "-c", _TELL.format(url="sqlite://")],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here


_TELL = (
    "from paykit.testing.simulation.seeds import run_seed\n"
    "print(run_seed('{url}', 7).digest)"
)


@pytest.mark.parametrize("seed", [5, 7, 11])
def test_the_same_seed_tells_the_same_story_on_both_databases(seed: int) -> None:
    told = {run_seed(url, seed).digest for url in ("sqlite://", postgres_url())}
    assert len(told) == 1


def test_a_server_that_was_given_stays_as_it_is() -> None:
    admin = create_engine(postgres_url(), poolclass=NullPool)
    before = _databases(admin.connect())
    with database(postgres_url()) as emptied:
        name = str(emptied().url.database)
        assert name.startswith("paykit_sim_")
        assert name in _databases(admin.connect())
    after = _databases(admin.connect())
    assert name not in after
    # Other tests make databases of their own at the same time.
    foreign = {one for one in before if not one.startswith("paykit_")}
    assert foreign <= after
    assert not inspect(admin).has_table("paykit_payment")


def _databases(connection: Connection) -> set[str]:
    with connection:
        return set(connection.scalars(text("SELECT datname FROM pg_database")))


def test_a_database_is_empty_again_for_the_next_seed() -> None:
    with database(postgres_url()) as emptied:
        first = simulate(emptied(), 3)
        assert simulate(emptied(), 3).digest == first.digest


def test_a_seed_that_fails_prints_the_line_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never_holds(cast: Cast, db: Connection) -> Iterator[str]:
        yield "broken"

    monkeypatch.setattr(invariants, "CHECKS", (never_holds,))
    assert main(["--seeds", "1", "--start", "3"]) == 1
    out = capsys.readouterr().out
    assert "never_holds: broken" in out
    assert "repeat: python -m paykit.testing.simulation --seed 3" in out
    assert "of 1 triples" not in out


def test_every_scenario_can_be_told() -> None:
    reached = set()
    with database() as emptied:
        for seed in range(200):
            story = simulate(emptied(), seed, CALM)
            assert not story.violations, str(story)
            reached.add(story.scenario)
            if reached == set(aims.scenes_of(None)):
                return
    pytest.fail(f"only {sorted(reached)}")


@pytest.mark.parametrize("name", sorted({*SCENARIOS} - {*aims.scenes_of(None)}))
def test_a_scenario_for_those_who_aim_at_it_is_told_by_them(name: str) -> None:
    triples = all_triples()
    scenes = ((s, aims.scenes_of(aims.target_of(s, triples))) for s in count())
    seeds = (seed for seed, names in scenes if name in names)
    with database() as emptied:
        stories = (simulate(emptied(), seed) for seed in islice(seeds, 10))
        story = next(story for story in stories if story.scenario == name)
    assert not story.violations, str(story)


def test_an_unknown_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="mysql"), fresh("mysql://nowhere/none"):
        pass
