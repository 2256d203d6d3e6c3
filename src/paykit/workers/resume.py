"""Bring abandoned operations and unknown outcomes to their end (DESIGN section 6)."""

from __future__ import annotations

import logging
from functools import partial

from paykit.engine import Engine, Flow, commit
from paykit.errors import PaykitError
from paykit.operations import OPERATIONS
from paykit.store import operations, work
from paykit.store.tx import Tx
from paykit.store.work import Claimed

__all__ = ["resume_next"]

_log = logging.getLogger("paykit.resume")


def resume_next(engine: Engine) -> Flow[str | None]:
    """Go on with the operation that has been due longest; None if there is none."""
    found = yield from commit(partial(_claim, engine))
    if found is None:
        return None
    claimed, name = found
    try:
        yield from engine.resume(OPERATIONS[name], claimed.id, claimed.lease)
    except PaykitError as error:
        # An answer too: still unknown, unavailable, or a definite refusal.
        _log.info("%s %s: %s", name, claimed.id, type(error).__name__)
        return type(error).__name__
    return "done"


def _claim(engine: Engine, tx: Tx) -> tuple[Claimed, str] | None:
    claimed = work.claim_next(tx, "operation", lease_for=engine.env.policy.lease)
    if claimed is None:
        return None
    row = operations.by_id(tx, claimed.id)
    if row is None:
        work.finish(tx, "operation", claimed.id, claimed.lease)
        return None
    return claimed, row.name
