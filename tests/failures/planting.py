"""Plant a bug in a copy of the source, and see if the tests of its number find it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.failures.promises import numbered_tests
from tests.mutants.table import Mutant, Patch

__all__ = ["Verdict", "run"]

_ROOT: Final = Path(__file__).parents[2]
_SOURCE: Final = _ROOT / "src" / "paykit"

_FAILED: Final = 1
"""How pytest ends if tests ran and some failed; any other end proves nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant, in one word, and how that is known."""

    word: str
    """``killed``, ``SURVIVED``, ``STALE`` (does not apply) or ``BROKEN`` (no tests)."""
    detail: str


def _tried(mutant: Mutant) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "paykit"
        shutil.copytree(_SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for patch in mutant.patches:
            places = _planted(copy, patch)
            if places != 1:
                return Verdict("STALE", f"{patch.file}: {places} x {patch.old!r}")
        return _judged(_tested(folder, int(mutant.name[:2])))


def _planted(copy: Path, patch: Patch) -> int:
    """Apply the patch if there is exactly one place for it; return how many."""
    path = copy / patch.file
    text = path.read_text("utf-8") if path.exists() else ""
    places = text.count(patch.old)
    if places == 1:
        path.write_text(text.replace(patch.old, patch.new), "utf-8")
    return places


def _tested(folder: str, number: int) -> subprocess.CompletedProcess[str]:
    """Run the tests of one number against the copy in `folder`, on SQLite."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *numbered_tests()[number]),
            *("-m", "not postgres", "-q", "-x", "--tb=line", "-p", "no:randomly"),
            # Not the real source: the copy, which PYTHONPATH finds first.
            *("-p", "no:cacheprovider", "-o", "pythonpath="),
        ],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": folder},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def _judged(done: subprocess.CompletedProcess[str]) -> Verdict:
    lines = (done.stdout + done.stderr).strip().splitlines() or [""]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    detail = (failed or lines)[-1].strip()[:150]
    if done.returncode == _FAILED:
        return Verdict("killed", detail)
    return Verdict("SURVIVED" if done.returncode == 0 else "BROKEN", detail)


def run(mutants: Sequence[Mutant], numbers: set[int]) -> int:
    """Try the mutants of the numbers in the command line; non-zero if one lives."""
    parser = argparse.ArgumentParser(prog="python -m tests.failures.mutants")
    parser.add_argument("numbers", nargs="*", type=int, help="such as 2 or 38")
    wanted = set(parser.parse_args().numbers) or numbers
    alive = []
    for mutant in mutants:
        if int(mutant.name[:2]) in wanted:
            verdict = _tried(mutant)
            print(f"{verdict.word} {mutant.name} ({mutant.harm})", flush=True)
            print(f"    {verdict.detail}", flush=True)
            if verdict.word != "killed":
                alive.append(f"{mutant.name} {verdict.word}")
    print(f"{len(alive)} not killed {alive}")
    return 1 if alive else 0
