"""Deliberate bugs: each can be planted, and the simulation finds it."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutants.__main__ import caught_by, unplanted
from tests.mutants.table import AREAS, MUTANTS, Mutant

CI = [mutant for mutant in MUTANTS if mutant.in_ci]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_can_still_be_planted(mutant: Mutant) -> None:
    assert not unplanted(mutant)


def test_there_are_thirty_bugs_and_some_of_each_kind() -> None:
    areas = Counter(mutant.area for mutant in MUTANTS)
    assert set(areas) == set(AREAS)
    assert min(areas.values()) >= 3
    assert areas.total() >= 30
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mutant", CI, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    assert caught_by(mutant, seeds=60) is not None, f"{mutant.name} survived"
