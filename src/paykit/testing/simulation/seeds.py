"""Many seeds, in one process or several; what they came to, together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final

from paykit.testing.simulation.databases import database
from paykit.testing.simulation.run import Story, simulate
from paykit.testing.simulation.triples import Triple

__all__ = ["Failure", "Outcome", "run_seed", "run_seeds"]

_PARCEL: Final = 25
"""How many seeds a process takes at once: a database of its own costs a moment."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed that broke an invariant, and how."""

    seed: int
    scenario: str
    violations: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What some seeds came to."""

    scenarios: Counter[str] = field(default_factory=Counter)
    """How many seeds told which."""
    failures: list[Failure] = field(default_factory=list)
    met: dict[Triple, int] = field(default_factory=dict)
    """Every (operation, boundary, fault) that happened, and the first seed with it."""

    def add(self, story: Story) -> None:
        """Take one story into account."""
        self.scenarios[story.scenario] += 1
        self._meet(dict.fromkeys(story.met, story.seed))
        if story.violations:
            failure = Failure(story.seed, story.scenario, tuple(story.violations))
            self.failures.append(failure)

    def join(self, other: Outcome) -> None:
        """Take the seeds of another process into account."""
        self.scenarios += other.scenarios
        self._meet(other.met)
        self.failures += other.failures

    def _meet(self, met: Mapping[Triple, int]) -> None:
        for triple, seed in met.items():
            self.met[triple] = min(seed, self.met.get(triple, seed))


def run_seed(url: str, seed: int) -> Story:
    """Tell the story of one seed, on a database of its own on the server at `url`."""
    with _quiet(), database(url) as emptied:
        return simulate(emptied(), seed)


def run_seeds(
    url: str, seeds: Sequence[int], *, jobs: int = 1, stop: bool = False
) -> Iterator[Outcome]:
    """
    Run `seeds` in `jobs` processes; yield the outcome of each parcel when it is there.

    With `stop` nothing is begun after a failure.
    """
    parcels = [seeds[at : at + _PARCEL] for at in range(0, len(seeds), _PARCEL)]
    for outcome in _outcomes(url, parcels, jobs, stop):
        yield outcome
        if stop and outcome.failures:
            return


def _outcomes(
    url: str, parcels: Iterable[Sequence[int]], jobs: int, stop: bool
) -> Iterator[Outcome]:
    if jobs == 1:
        for parcel in parcels:
            yield _run_parcel(url, parcel, stop)
        return
    # Not forked: a child would share the sockets of this process.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_run_parcel, url, one, stop) for one in parcels]
        try:
            for done in as_completed(running):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _run_parcel(url: str, seeds: Sequence[int], stop: bool) -> Outcome:
    outcome = Outcome()
    with _quiet(), database(url) as emptied:
        for seed in seeds:
            outcome.add(simulate(emptied(), seed))
            if stop and outcome.failures:
                break
    return outcome


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: disasters are what this is about, and their log is the story."""
    logger = logging.getLogger("paykit")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
