"""The benchmarks run; how fast anything is, is asserted nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import find_postgres

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"


@pytest.mark.slow
def test_every_path_is_measured_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    options = ["--items", "2", "--rounds", "1", "--json", str(out)]
    server = find_postgres()
    if server is not None:
        options += ["--postgres", server]
    done = subprocess.run(
        [sys.executable, str(RUN), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text(encoding="utf-8"))["results"]
    by_path = {(r["path"], r["database"]): r for r in results}
    assert by_path["create", "sqlite"]["commits"] == 2
    assert by_path["receipt", "sqlite"]["statements"] == 1
    assert by_path["drain-10", "sqlite"]["commits"] == 1
    crowds = {path for path, _ in by_path if path.startswith("create-")}
    assert len(crowds) == (10 if server else 0)
