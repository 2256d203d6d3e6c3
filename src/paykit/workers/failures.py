"""What becomes of a failure: words that hold no values, and a pause."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import PurePath
from traceback import walk_tb

__all__ = ["spread", "where"]

_LEAST = 0.75
"""The shortest pause, as a part of the one in the schedule."""


def where(error: BaseException) -> str:
    """
    Return the kind of an error and the line that raised it, without its text.

    The text of a host's or a database's error may hold what was being written: names,
    card numbers, secrets.
    """
    kind = type(error).__name__
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return kind
    frame, line = frames[-1]
    code = frame.f_code
    return f"{kind} in {code.co_name} ({PurePath(code.co_filename).name}:{line})"


def spread(pause: timedelta, of: str, count: int) -> timedelta:
    """
    Return three quarters of `pause` or more, at most all of it.

    What failed together is not tried again together. It follows from what failed (`of`)
    and how often, so that a simulation that is repeated waits just as long.
    """
    digest = hashlib.sha256(f"{of}/{count}".encode()).digest()
    part = int.from_bytes(digest[:4]) / 2**32
    return pause * (_LEAST + (1 - _LEAST) * part)
