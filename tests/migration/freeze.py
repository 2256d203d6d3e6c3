"""
Write the newest migration's text anew: ``python -m tests.migration.freeze``.

Only for a version that nobody has run yet. Once a version is released its text stays as
it is, and the change becomes the next version.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_mock_engine

import paykit.store.migrations
from paykit.store.schema import metadata
from tests.databases import KINDS, Kind

VERSION: Final = "v001"

_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}

_HEADER: Final = f"""\
-- {VERSION} for {{kind}}: every table, index, trigger and function.
-- A blank line ends a statement. Never change this file once it is released.

"""


def text_of(kind: Kind) -> str:
    """Return what creating every table runs, as a migration's text."""
    found: list[str] = []

    def note(statement: Any, *_: object) -> None:
        compiled = str(statement.compile(dialect=engine.dialect)).strip()
        lines = (line.rstrip().replace("\t", "    ") for line in compiled.split("\n"))
        found.append("\n".join(line for line in lines if line))

    engine = create_mock_engine(f"{_DRIVERS[kind]}://", note, paramstyle="named")
    metadata.create_all(engine, checkfirst=False)
    return _HEADER.format(kind=kind) + "\n\n".join(_sorted_indexes(found)) + "\n"


def _sorted_indexes(found: list[str]) -> Iterator[str]:
    """Put the indexes of each table in order: SQLAlchemy keeps them in a set."""
    for are_indexes, run in groupby(found, lambda text: "CREATE INDEX" in text):
        group = list(run)
        yield from sorted(group) if are_indexes else group


def main() -> None:
    """Write one file per dialect."""
    directory = Path(str(paykit.store.migrations.__file__)).parent
    for kind in KINDS:
        path = directory / f"{VERSION}.{kind}.sql"
        path.write_text(text_of(kind), "utf-8")


if __name__ == "__main__":
    main()
