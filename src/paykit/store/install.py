"""Making the tables in one go, for tests and first steps; else see `migrations`."""

from __future__ import annotations

from sqlalchemy import Engine

from paykit.store.schema import metadata
from paykit.store.sqlite import use_wal

__all__ = ["create_all"]


def create_all(engine: Engine) -> None:
    """
    Create every table, trigger and function that is missing.

    For an application that will be upgraded use ``paykit migrate``, which also keeps
    the version of the schema; a test proves that both give the same result.
    """
    use_wal(engine)
    metadata.create_all(engine)
