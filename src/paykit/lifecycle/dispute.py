"""
The life of a dispute.

It begins at the PSP and is moved by the PSP alone, so every row is an observation. The
networks know few ways that are surely never taken: an inquiry may become a dispute,
what was lost is won later, and either can be appealed. So any status may be seen after
any other, and order is not the table's to tell: a status counts when it has been read
just now (see `paykit.operations.observe_dispute`).
"""

from __future__ import annotations

from enum import StrEnum, auto

from paykit.lifecycle.table import Lifecycle, Transition

__all__ = [
    "DISPUTE",
    "DISPUTE_CLOSED",
    "DISPUTE_FUNDS_GONE",
    "DisputeEvent",
    "DisputeState",
]


class DisputeState(StrEnum):
    """Where a dispute can stand; the PSP's words, and one of ours."""

    UNRECOGNIZED = auto()
    """Recorded here; the PSP has shown no status yet that we know."""
    WARNING_NEEDS_RESPONSE = auto()
    """An inquiry: no money has moved yet, and a full refund settles it."""
    WARNING_UNDER_REVIEW = auto()
    WARNING_CLOSED = auto()
    NEEDS_RESPONSE = auto()
    UNDER_REVIEW = auto()
    APPEAL_NEEDS_RESPONSE = auto()
    APPEAL_UNDER_REVIEW = auto()
    WON = auto()
    LOST = auto()
    PREVENTED = auto()
    """Settled with the payer's bank before it became a dispute."""


class DisputeEvent(StrEnum):
    """What can be observed of a dispute."""

    INQUIRE = auto()
    REVIEW_INQUIRY = auto()
    CLOSE_INQUIRY = auto()
    NEED_RESPONSE = auto()
    REVIEW = auto()
    APPEAL = auto()
    REVIEW_APPEAL = auto()
    WIN = auto()
    LOSE = auto()
    PREVENT = auto()


_S, _E = DisputeState, DisputeEvent

DISPUTE_CLOSED = frozenset({_S.WARNING_CLOSED, _S.WON, _S.LOST, _S.PREVENTED})
"""Where nobody waits for anything; each of them may still be corrected."""

DISPUTE_FUNDS_GONE = frozenset(
    {
        _S.NEEDS_RESPONSE,
        _S.UNDER_REVIEW,
        _S.APPEAL_NEEDS_RESPONSE,
        _S.APPEAL_UNDER_REVIEW,
        _S.LOST,
    }
)
"""Where the payer's bank has the disputed amount: from the opening, not the loss on."""

_OBSERVED = {
    _E.INQUIRE: _S.WARNING_NEEDS_RESPONSE,
    _E.REVIEW_INQUIRY: _S.WARNING_UNDER_REVIEW,
    _E.CLOSE_INQUIRY: _S.WARNING_CLOSED,
    _E.NEED_RESPONSE: _S.NEEDS_RESPONSE,
    _E.REVIEW: _S.UNDER_REVIEW,
    _E.APPEAL: _S.APPEAL_NEEDS_RESPONSE,
    _E.REVIEW_APPEAL: _S.APPEAL_UNDER_REVIEW,
    _E.WIN: _S.WON,
    _E.LOSE: _S.LOST,
    _E.PREVENT: _S.PREVENTED,
}

DISPUTE: Lifecycle[DisputeState, DisputeEvent] = Lifecycle(
    name="dispute",
    initial=_S.UNRECOGNIZED,
    transitions=tuple(
        Transition(event, source, target)
        for source in DisputeState
        for event, target in _OBSERVED.items()
        if source is not target
    ),
)
