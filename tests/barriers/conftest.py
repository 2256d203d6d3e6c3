"""Which databases a barrier is tried on, and how often."""

from __future__ import annotations

import pytest

from tests.databases import Database


@pytest.fixture
def rounds(installed: Database) -> int:
    """Twenty on PostgreSQL; on SQLite writers queue, so four tell as much."""
    return 20 if installed.kind == "postgresql" else 4
