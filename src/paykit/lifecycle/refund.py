"""
The life of a refund.

A refund that succeeded can still fail, up to a month later: the money comes back to
us and the customer has nothing (Stripe: ``failure_balance_transaction``). FAILED is
final; whoever wants the money returned starts another refund.
"""

from __future__ import annotations

from enum import StrEnum, auto

from paykit.lifecycle.table import Lifecycle, Transition

__all__ = ["REFUND", "RefundEvent", "RefundState"]


class RefundState(StrEnum):
    """Where a refund can stand."""

    CREATING = auto()
    """Recorded here; the PSP has not confirmed yet that it knows of it."""
    PENDING = auto()
    REQUIRES_ACTION = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELED = auto()


class RefundEvent(StrEnum):
    """What can be observed of a refund."""

    PEND = auto()
    NEED_ACTION = auto()
    SUCCEED = auto()
    FAIL = auto()
    CANCEL = auto()


_S, _E, _T = RefundState, RefundEvent, Transition

# fmt: off
REFUND: Lifecycle[RefundState, RefundEvent] = Lifecycle(
    name="refund",
    initial=_S.CREATING,
    transitions=(
        _T(_E.PEND,         _S.CREATING,         _S.PENDING),
        _T(_E.NEED_ACTION,  _S.CREATING,         _S.REQUIRES_ACTION),
        _T(_E.SUCCEED,      _S.CREATING,         _S.SUCCEEDED),
        _T(_E.FAIL,         _S.CREATING,         _S.FAILED),
        _T(_E.CANCEL,       _S.CREATING,         _S.CANCELED),

        _T(_E.NEED_ACTION,  _S.PENDING,          _S.REQUIRES_ACTION),
        _T(_E.SUCCEED,      _S.PENDING,          _S.SUCCEEDED),
        _T(_E.FAIL,         _S.PENDING,          _S.FAILED),
        _T(_E.CANCEL,       _S.PENDING,          _S.CANCELED),

        _T(_E.PEND,         _S.REQUIRES_ACTION,  _S.PENDING),
        _T(_E.SUCCEED,      _S.REQUIRES_ACTION,  _S.SUCCEEDED),
        _T(_E.FAIL,         _S.REQUIRES_ACTION,  _S.FAILED),
        _T(_E.CANCEL,       _S.REQUIRES_ACTION,  _S.CANCELED),

        # a correction: the bank sent the money back
        _T(_E.FAIL,         _S.SUCCEEDED,        _S.FAILED),
    ),
)
# fmt: on
