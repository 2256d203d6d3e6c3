"""
The text of a migration: SQL in a file of its own, one per version and dialect.

A migration that has run somewhere never changes again, whatever becomes of the tables'
definitions. Statements are separated by blank lines; lines that begin with ``--`` are
comments.
"""

from __future__ import annotations

from importlib.resources import files

from paykit.errors import UsageError

__all__ = ["frozen"]


def frozen(version: str, dialect: str) -> list[str]:
    """Return the statements of `version`, such as ``v001``, on `dialect`, in order."""
    file = files("paykit.store.migrations") / f"{version}.{dialect}.sql"
    if not file.is_file():
        raise UsageError(f"paykit has no tables for the database {dialect!r}")
    lines = file.read_text("utf-8").splitlines()
    code = "\n".join(line for line in lines if not line.startswith("--"))
    return [statement for statement in code.strip().split("\n\n") if statement]
