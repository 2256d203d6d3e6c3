"""Moments as Stripe writes them: whole Unix seconds, and RFC 3339 in version 2."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["rfc3339", "seconds"]


def seconds(moment: datetime | None) -> int | None:
    """Return `moment` in Unix seconds; None if there is none."""
    return None if moment is None else int(moment.timestamp())


def rfc3339(moment: datetime) -> str:
    """Return `moment` as ``2026-11-21T13:31:32.000Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
