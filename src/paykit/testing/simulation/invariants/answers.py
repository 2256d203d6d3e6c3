"""Answers: all callers of one key are told one thing, it is true, and it comes soon."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from paykit.errors import NotAllowed, PaykitError, PspRejected
from paykit.lifecycle import PaymentState
from paykit.operations import PaymentView, RefundView
from paykit.store.schema import operation
from paykit.testing.simulation.cast import Cast
from paykit.testing.simulation.performing import Crash
from paykit.testing.simulation.releases import LIMITS

__all__ = [
    "asked_within_limits",
    "nobody_waits_long",
    "same_answer_for_all",
    "told_the_truth",
]

_PATIENCE: Final = 60.0
"""Seconds that paykit may make a caller wait on purpose."""

_WINDOW: Final = timedelta(seconds=2)
_AT_ONCE: Final = 6
"""Requests beyond the limit: actors are held up between their turn and their request,
and two processes do not know of each other at first."""

_CALLERS: Final = ("call", "finish", "refresh")


def same_answer_for_all(cast: Cast, db: Connection) -> Iterator[str]:
    """Whoever used one key was told one thing, or an error that is true."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for heard in cast.heard:
        match heard.result:
            case PaymentView() | RefundView():
                bare = heard.result.model_copy(update={"client_secret": None})
                told[heard.operation, heard.key].add(bare.model_dump_json())
            case Crash() | PaykitError() | OperationalError():
                continue
            case other:
                yield f"{heard.caller} was told {other!r}"
    for key, texts in told.items():
        if len(texts) > 1:
            yield f"{key}: {len(texts)} different results: {sorted(texts)}"


def told_the_truth(cast: Cast, db: Connection) -> Iterator[str]:
    """Nobody was told of a decline when the PSP had acted, or the other way round."""
    for row in db.execute(select(operation).where(operation.c.status == "done")):
        result: dict[str, Any] = row.result
        if row.name == "payment.confirm":
            yield from _true_confirmation(cast, db, row.id, result)
    for heard in cast.heard:
        if isinstance(heard.result, NotAllowed | PspRejected):
            continue
        if (
            isinstance(heard.result, PaymentView)
            and heard.operation == "payment.capture"
            and heard.result.multicapture is None
            and heard.result.state is not PaymentState.SUCCEEDED
        ):
            yield f"{heard.caller} was told that a capture left {heard.result.state}"


def _true_confirmation(
    cast: Cast, db: Connection, operation_id: str, result: dict[str, Any]
) -> Iterator[str]:
    key = f"pk1:{operation_id}:confirmation_claimed:1"
    remembered = cast.sim.remembered(key)
    if remembered is None:
        return
    declined = remembered == 402
    code = (result.get("decline") or {}).get("code", "")
    if code.startswith("payment_intent_authentication"):
        # The answer was lost, and the payer has failed the challenge since.
        return
    if result["state"] == PaymentState.CANCELED:
        return
    if declined != (result.get("decline") is not None):
        yield f"{operation_id}: PSP said {remembered}, we said {result.get('decline')}"


def nobody_waits_long(cast: Cast, db: Connection) -> Iterator[str]:
    """No call of a payer waits without an end, however the PSP is."""
    for who in _CALLERS:
        waited = cast.stage.waits.get(who, 0.0)
        if waited > _PATIENCE:
            yield f"a {who} was made to wait for {waited:.0f} seconds"


def asked_within_limits(cast: Cast, db: Connection) -> Iterator[str]:
    """All machines together ask for no more than the PSP allows."""
    most = LIMITS.per_second * _WINDOW.total_seconds() + _AT_ONCE
    asked = [at for at, _ in cast.stage.disasters.asked]
    for first, moment in enumerate(asked):
        within = bisect_left(asked, moment + _WINDOW) - first
        if within > most:
            yield f"{within} requests within {_WINDOW} from {moment}"
            return
