"""Bring abandoned operations and unknown outcomes to their end (DESIGN section 6)."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError

from paykit.engine import Engine, Flow, commit
from paykit.engine.resolving import break_off
from paykit.errors import LeaseLost, PaykitError, UsageError
from paykit.operations import OPERATIONS
from paykit.store import operations, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed
from paykit.workers.failures import where

__all__ = ["resume_next"]

_log = logging.getLogger("paykit.resume")

_UNKNOWN: Final = timedelta(minutes=1)
"""When an operation is looked at again that this release does not know."""


def resume_next(engine: Engine) -> Flow[str | None]:
    """Go on with the operation that has been due longest; None if there is none."""
    found = yield from commit(partial(_claim, engine))
    if found is None:
        return None
    claimed, name = found
    if name not in OPERATIONS:
        return "unknown"
    try:
        op = OPERATIONS[name]
        yield from engine.resume(op, claimed.id, claimed.lease, counted=True)
    except (OperationalError, InterfaceError):
        raise  # the database is not there, so nothing can be given back either
    except Exception as error:
        if isinstance(error, PaykitError) and not isinstance(error, UsageError):
            # An answer too: still unknown, unavailable, or a definite refusal.
            _log.info("%s %s: %s", name, claimed.id, type(error).__name__)
        else:
            yield from _break_off(engine, claimed, error)
        return type(error).__name__
    return "done"


def _break_off(engine: Engine, claimed: Claimed, error: Exception) -> Flow[None]:
    """Give back what our code cannot go on with: a person sees it in the end."""
    _log.error("%s could not be gone on with: %s", claimed.id, where(error))
    env, why = engine.env, where(error)
    with suppress(LeaseLost):  # another worker has it
        yield from commit(lambda tx: break_off(tx, env, claimed.id, claimed.lease, why))


def _claim(engine: Engine, tx: Tx) -> tuple[Claimed, str] | None:
    claimed = work.claim_next(tx, "operation", lease_for=engine.env.policy.lease)
    if claimed is None:
        return None
    row = operations.by_id(tx, claimed.id)
    if row is None:
        work.finish(tx, "operation", claimed.id, claimed.lease)
        return None
    if row.name not in OPERATIONS:
        # A newer release knows it, and has the whole schedule left.
        lease = claimed.lease
        work.postpone(tx, "operation", row.id, lease, delay=_UNKNOWN, counted=False)
    return claimed, row.name
