"""Which processes ask PSPs, so that they can share what a PSP allows."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from paykit.store.schema.base import metadata

__all__ = ["process"]

process = Table(
    "paykit_process",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("seen_ms", BigInteger, nullable=False),
)
"""
One row per process that has asked a PSP lately.

`seen_ms` is when it last said that it lives, in milliseconds by the database's clock.
Whoever counts the living deletes the rows of the others.
"""
