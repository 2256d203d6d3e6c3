"""
How many processes share what a PSP allows.

A PSP counts the requests of an account, not of a process. So each process that asks one
says every few seconds that it lives, in a table, and uses its part of the limits: one
of as many as live. It does so right before it asks and at most once per `EVERY`, which
is one small commit; nobody else has to know, no thread and no leader is needed, and a
process that asks nothing takes no part.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from paykit.store.processes import count_living
from paykit.store.tx import Tx

__all__ = ["EVERY", "LIVES", "Registration"]

_log = logging.getLogger("paykit.engine")

EVERY: Final = timedelta(seconds=10)
"""How often a process says that it lives."""

LIVES: Final = timedelta(seconds=30)
"""For how long it is counted after that."""


@dataclass(slots=True)
class Registration:
    """This process among those that share the limits."""

    living: int = 1
    """How many there were when they were counted last, this one included."""
    _name: str | None = None
    _pid: int | None = None
    _at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """
        Whether to `register` now; notes that somebody does, so that one thread does.

        A fork is another process, with a name of its own.
        """
        if self._pid != os.getpid():
            self._pid, self._name, self._at = os.getpid(), None, None
        if self._at is not None and abs(now - self._at) < EVERY:
            return False
        self._at = now
        return True

    def register(self, tx: Tx) -> None:
        """Say that this process lives, and count the others; a phase of its own."""
        self._name = self._name or str(tx.new_uuid())
        self.living = max(1, count_living(tx, self._name, within=LIVES))

    def failed(self, error: Exception) -> None:
        """Go on with the last count: no payment fails because of this table."""
        _log.warning("processes could not be counted: %s", type(error).__name__)
