"""
Plant each bug in a copy of the source and let the simulation look for it.

``python -m tests.mutants [--seeds N] [NAME ...]``: prints the seed that caught each
mutant, and ends with an error if one survives.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.table import MUTANTS, Mutant

__all__ = ["caught_by", "main"]

_SOURCE = Path(__file__).parents[2] / "src" / "paykit"
_SEED = re.compile(r"^seed (\d+) ", re.MULTILINE)


def caught_by(mutant: Mutant, seeds: int) -> str | None:
    """Return the seed that fails with this bug, ``crash: ...``, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "paykit"
        shutil.copytree(_SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for patch in mutant.patches:
            _apply(copy / patch.file, patch.old, patch.new)
        done = _simulate(folder, seeds)
    if done.returncode == 0:
        return None
    found = _SEED.search(done.stdout)
    return found.group(1) if found else f"crash: {_last_line(done.stderr)}"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:120]


def _apply(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"{path.name}: {text.count(old)} places for {old!r}")
    path.write_text(text.replace(old, new), encoding="utf-8")


def _simulate(folder: str, seeds: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "paykit.testing.simulation", "--stop"]
    return subprocess.run(
        [*command, "--seeds", str(seeds)],
        env={**os.environ, "PYTHONPATH": folder},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def main() -> int:
    """Run the chosen mutants; non-zero if one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=600)
    args = parser.parse_args()
    survivors = []
    for mutant in MUTANTS:
        if args.names and mutant.name not in args.names:
            continue
        seed = caught_by(mutant, args.seeds)
        print(f"{mutant.name}: {seed or 'SURVIVED'} ({mutant.harm})", flush=True)
        if seed is None:
            survivors.append(mutant.name)
    print(f"{len(survivors)} survivors {survivors}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
