"""pytest in a process of its own, for runs of the suite that are to fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Final
from xml.etree import ElementTree

__all__ = ["report_on"]

_ROOT: Final = Path(__file__).parents[2]


def report_on(module: ModuleType, report: Path) -> ElementTree.Element:
    """Run the tests in `module`, and return the report that pytest writes."""
    command = [
        *(sys.executable, "-m", "pytest", str(module.__file__)),
        *("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("--tb=no", "-q", f"--junitxml={report}"),
    ]
    subprocess.run(command, cwd=_ROOT, capture_output=True, check=False)
    return ElementTree.parse(report).getroot()
