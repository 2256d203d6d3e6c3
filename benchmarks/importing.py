"""What ``import paykit`` costs beside the libraries that it cannot do without."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

__all__ = ["ratio"]


def _seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def ratio(rounds: int) -> float:
    """
    Return the time to import paykit by that for SQLAlchemy's ORM and pydantic's models.

    Not ``import pydantic``: it loads nothing before its names are used.
    """
    ours, theirs = [], []
    for _ in range(rounds + 2):
        ours.append(_seconds("import paykit"))
        theirs.append(_seconds("import sqlalchemy.orm; from pydantic import BaseModel"))
    return statistics.median(ours) / statistics.median(theirs)
