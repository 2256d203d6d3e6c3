"""The page about the promises; ``python -m tests.failures.page`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.failures.mutants import MUTANTS, number_of
from tests.failures.promises import PROMISES, numbered_tests

__all__ = ["PAGE", "page"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "promises.md"

_HEAD: Final = """\
# What paykit promises when something fails

Each row is one way in which payments go wrong elsewhere, told by what does not happen
here. Where there is no test, there is no promise. The name of a test begins with the
number of its row: `pytest tests/failures -k test_02` proves one of them, on SQLite and
on PostgreSQL.

A test that cannot fail proves nothing. So each row has one or more *mutants*: patches
that put the usual bug back. `python -m tests.failures.mutants 2` applies those of a row
to a copy of the source, and expects its tests to fail. The patches are in
`tests/failures/mutants.py`.

This page is made by `python -m tests.failures.page` from `tests/failures/promises.py`
and from the tests themselves.

| no. | promise | tests | mutants |
|-----|---------|-------|---------|
"""


def page() -> str:
    """Return the page as it should be."""
    return _HEAD + "".join(f"{line}\n" for line in _rows())


def _rows() -> Iterator[str]:
    tests = numbered_tests()
    for promise in PROMISES:
        named = [f"`{name}`" for name in tests.get(promise.number, [])]
        bugs = [f"`{m.name}`" for m in MUTANTS if number_of(m) == promise.number]
        cells = (str(promise.number), promise.text, "<br>".join(named))
        yield f"| {' | '.join(cells)} | {'<br>'.join(bugs)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
