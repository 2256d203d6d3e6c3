"""
Erase the bodies of old webhooks; what they told stands in the books.

They hold payers' names and addresses, and nobody needs them for ever. The rows stay:
the PSP may send an event again, and the id tells that it is a repetition. What is
pending or dead is never erased, however old it is.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from paykit.engine import Environment, Flow, commit
from paykit.store import dead_letters
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["AT_ONCE", "erase_old"]

AT_ONCE: Final = 500
"""How many bodies one transaction erases."""

_SOON: Final = timedelta(seconds=1)


def erase_old(env: Environment, job: Claimed) -> Flow[timedelta | None]:
    """Erase one lot; how soon the next one is due, None if there is none."""
    erased = yield from commit(partial(_erase, env.policy.keep_bodies))
    return _SOON if erased == AT_ONCE else None


def _erase(keep: timedelta, tx: Tx) -> int:
    return dead_letters.erase_bodies(tx, before=tx.now - keep, at_most=AT_ONCE)
