"""The virtual environments of `scripts/test` and `scripts/demo`, made when needed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Lower than what pyproject.toml says, it could not even be parsed to say so.
OLDEST_PYTHON = (3, 11)


def ensure(name: str, *, extras: str, groups: Sequence[str] = ()) -> Path:
    """
    Return the directory of programs of the environment `name`, ready for use.

    paykit is installed in it as editable, with `extras` and the dependency groups
    `groups`. It is made anew when pyproject.toml or the Python has changed, and reused
    otherwise; one that was left half made counts as changed.
    """
    if sys.version_info < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        sys.exit(f"paykit needs Python {needed} or newer: python{needed} {sys.argv[0]}")
    home = ROOT / name
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    stamp = home / "paykit-stamp"
    wanted = _fingerprint(extras, groups)
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        print(f"making {name}, once ...", flush=True)
        venv.create(home, clear=True, with_pip=True)
        _install(programs / "python", extras, groups)
        stamp.write_text(wanted, "utf-8")
    return programs


def _fingerprint(extras: str, groups: Sequence[str]) -> str:
    """Return what an environment depends on, so that a change of it is seen."""
    project = (ROOT / "pyproject.toml").read_bytes()
    # The place too: an environment that was moved or copied does not work.
    parts = [hashlib.sha256(project).hexdigest(), str(ROOT), sys.version, extras]
    return "\n".join([*parts, *groups])


def _install(python: Path, extras: str, groups: Sequence[str]) -> None:
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--upgrade", "pip>=25.1"])  # the first to know --group
    chosen = [f"--group={group}" for group in groups]
    _run([*pip, "--editable", f".[{extras}]", *chosen])


def _run(command: Sequence[str]) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"this failed, see above: {' '.join(command)}")
