"""
Plant each bug in a copy of the source and let the simulation look for it.

``python -m tests.mutants [--seeds N] [--jobs N] [NAME ...]``: prints for each its area,
the seed that caught it and the scenario of that seed, and ends with an error if one
survives. The seed that caught it last is tried first.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.table import MUTANTS, Mutant

__all__ = ["Caught", "caught_by", "main", "planted", "unplanted"]

_SOURCE: Final = Path(__file__).parents[2] / "src" / "paykit"
_FOUND: Final = re.compile(r"^seed (\d+) \((\w+)\):\n  (\w+)", re.MULTILINE)
_TIMEOUT: Final = 1500
"""Seconds for all seeds of one mutant; one that hangs the simulation is caught, too."""


@dataclass(frozen=True, slots=True)
class Caught:
    """How a mutant was found."""

    seed: str
    """The first seed that failed, or how the whole simulation broke."""
    scenario: str
    invariant: str


def caught_by(mutant: Mutant, seeds: int) -> Caught | None:
    """Return what found the bug within so many seeds, or None if it survived."""
    with planted(mutant) as folder:
        if mutant.seed is not None:
            found = _simulated(folder, ["--start", str(mutant.seed), "--seeds", "1"])
            if found is not None:
                return found
        return _simulated(folder, ["--seeds", str(seeds)])


@contextmanager
def planted(mutant: Mutant) -> Iterator[str]:
    """Yield a folder with a copy of the package that has the bug."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "paykit"
        shutil.copytree(_SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for patch in mutant.patches:
            path = copy / patch.file
            text = path.read_text(encoding="utf-8")
            if text.count(patch.old) != 1:
                places = text.count(patch.old)
                raise LookupError(f"{patch.file}: {places} places for {patch.old!r}")
            path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")
        yield folder


def unplanted(mutant: Mutant) -> list[str]:
    """Return the patches for which there is not exactly one place any more."""
    places = {
        patch: (_SOURCE / patch.file).read_text(encoding="utf-8").count(patch.old)
        for patch in mutant.patches
    }
    return [f"{p.file}: {n} places for {p.old!r}" for p, n in places.items() if n != 1]


def _simulated(folder: str, seeds: list[str]) -> Caught | None:
    command = [sys.executable, "-m", "paykit.testing.simulation", "--stop", *seeds]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return Caught("hangs", "", "")
    if done.returncode == 0:
        return None
    found = _FOUND.search(done.stdout)
    if found is None:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return Caught(f"crash: {last[:100]}", "", "")
    return Caught(*found.groups())


def main() -> int:
    """Run the chosen mutants; non-zero if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=600, help="for each; 600")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once; 2")
    args = parser.parse_args()
    chosen = [m for m in MUTANTS if not args.names or m.name in args.names]
    survivors = []
    with ThreadPoolExecutor(args.jobs) as pool:
        verdicts = pool.map(lambda mutant: _verdict(mutant, args.seeds), chosen)
        for mutant, (line, caught) in zip(chosen, verdicts, strict=True):
            print(line, flush=True)
            if not caught:
                survivors.append(mutant.name)
    print(f"{len(chosen)} mutants, {len(survivors)} survived {survivors}")
    return 1 if survivors else 0


def _verdict(mutant: Mutant, seeds: int) -> tuple[str, bool]:
    """Return a line about a mutant, and whether it was found."""
    name = f"{mutant.area} {mutant.name} ({mutant.harm})"
    try:
        caught = caught_by(mutant, seeds)
    except LookupError as error:
        return f"{name}: STALE, {error}", False
    if caught is None:
        return f"{name}: SURVIVED {seeds} seeds", False
    if not caught.scenario:
        return f"{name}: {caught.seed}", True
    where = f"seed {caught.seed} of {caught.scenario}"
    return f"{name}: {where} breaks {caught.invariant}", True


if __name__ == "__main__":
    sys.exit(main())
