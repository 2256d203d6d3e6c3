"""
The life of a payout.

It begins at the PSP and is moved by the PSP alone, so every row is an observation. What
is told late is skipped: any state may be followed by any later one, and by no earlier
one. PAID is no end: a bank may send the money back, days later (Stripe: "some payouts
that fail might initially show as paid"). What was canceled or has failed stays so;
whoever wants the money paid out makes another payout.
"""

from __future__ import annotations

from enum import StrEnum, auto

from paykit.lifecycle.table import Lifecycle, Transition

__all__ = ["PAYOUT", "PayoutEvent", "PayoutState"]


class PayoutState(StrEnum):
    """Where a payout can stand; the PSP's words, in the order of its life."""

    PENDING = auto()
    """It has left our balance, and the bank has not been asked yet."""
    IN_TRANSIT = auto()
    PAID = auto()
    """The bank has it, as far as the PSP knows."""
    FAILED = auto()
    CANCELED = auto()


class PayoutEvent(StrEnum):
    """What can be observed of a payout."""

    SEND = auto()
    PAY = auto()
    FAIL = auto()
    CANCEL = auto()


_S, _E, _T = PayoutState, PayoutEvent, Transition

# fmt: off
PAYOUT: Lifecycle[PayoutState, PayoutEvent] = Lifecycle(
    name="payout",
    initial=_S.PENDING,
    transitions=(
        _T(_E.SEND,    _S.PENDING,     _S.IN_TRANSIT),
        _T(_E.PAY,     _S.PENDING,     _S.PAID),
        _T(_E.FAIL,    _S.PENDING,     _S.FAILED),
        _T(_E.CANCEL,  _S.PENDING,     _S.CANCELED),

        _T(_E.PAY,     _S.IN_TRANSIT,  _S.PAID),
        _T(_E.FAIL,    _S.IN_TRANSIT,  _S.FAILED),
        _T(_E.CANCEL,  _S.IN_TRANSIT,  _S.CANCELED),

        # corrections: the bank sent the money back
        _T(_E.FAIL,    _S.PAID,        _S.FAILED),
        _T(_E.CANCEL,  _S.PAID,        _S.CANCELED),
    ),
)
# fmt: on
