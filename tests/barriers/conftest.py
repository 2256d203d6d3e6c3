"""Which databases a barrier is tried on, and how often."""

from __future__ import annotations

import pytest

from tests.databases import Database


@pytest.fixture
def rounds(installed: Database) -> int:
    """Many on PostgreSQL; on SQLite writers queue, so fewer tell as much."""
    return 12 if installed.kind == "postgresql" else 3
