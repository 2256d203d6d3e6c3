from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Database, PostgresServer, sqlite_database


@pytest.fixture
def twin(
    database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """A second empty database of the same kind as `database`."""
    if database.kind == "sqlite":
        other = sqlite_database(tmp_path / "twin.db")
        yield other
        other.dispose()
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        other = server.create()
        yield other
        server.drop(other)
