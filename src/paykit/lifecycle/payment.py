"""
The life of a payment.

The state is what the PSP last showed us, never what we hope for: what we are asking
right now stands in a claim. "Refunded" and "partially refunded" are derived from the
totals. ``payment_failed`` ends an attempt, not the payment.

Statuses before AUTHORIZED can come and go in circles (a declined card is replaced),
so they are re-read and never taken from an event. From AUTHORIZED on the way leads
forward only, and an event proves the step. The last block are corrections: money that
moved although we held the payment for ended.
"""

from __future__ import annotations

from enum import StrEnum, auto

from paykit.lifecycle.table import By, Lifecycle, Transition

__all__ = ["PAYMENT", "PaymentEvent", "PaymentState", "UNFINISHED", "UNSETTLED"]


class PaymentState(StrEnum):
    """Where a payment can stand."""

    CREATING = auto()
    """Recorded here; the PSP has not confirmed yet that it knows of it."""
    REQUIRES_PAYMENT_METHOD = auto()
    REQUIRES_CONFIRMATION = auto()
    REQUIRES_ACTION = auto()
    PROCESSING = auto()
    AUTHORIZED = auto()
    SUCCEEDED = auto()
    CANCELED = auto()
    EXPIRED = auto()
    """The authorization ran out before it was captured."""
    FAILED = auto()
    """The PSP refused to open it, or the payer's bank took all of the money back."""


class PaymentEvent(StrEnum):
    """What can be observed of a payment, and what we may start."""

    NEED_PAYMENT_METHOD = auto()
    NEED_CONFIRMATION = auto()
    NEED_ACTION = auto()
    PROCESS = auto()
    AUTHORIZE = auto()
    SUCCEED = auto()
    CANCEL = auto()
    EXPIRE = auto()
    FAIL = auto()

    START_CREATE = auto()
    START_CONFIRM = auto()
    START_CAPTURE = auto()
    START_INCREMENT = auto()
    START_UPDATE = auto()
    START_CANCEL = auto()
    START_REFUND = auto()


_S, _E, _T, _CMD = PaymentState, PaymentEvent, Transition, By.COMMAND

UNSETTLED = (
    _S.REQUIRES_PAYMENT_METHOD,
    _S.REQUIRES_CONFIRMATION,
    _S.REQUIRES_ACTION,
    _S.PROCESSING,
)
"""The states that can follow one another in circles, until the payment settles."""

UNFINISHED = (*UNSETTLED, _S.AUTHORIZED)
"""The states in which the PSP knows the payment, and something is still to come."""

_OBSERVED = {
    _E.NEED_PAYMENT_METHOD: _S.REQUIRES_PAYMENT_METHOD,
    _E.NEED_CONFIRMATION: _S.REQUIRES_CONFIRMATION,
    _E.NEED_ACTION: _S.REQUIRES_ACTION,
    _E.PROCESS: _S.PROCESSING,
    _E.AUTHORIZE: _S.AUTHORIZED,
    _E.SUCCEED: _S.SUCCEEDED,
    _E.CANCEL: _S.CANCELED,
    _E.EXPIRE: _S.EXPIRED,
}

_WAITING = (
    _S.REQUIRES_PAYMENT_METHOD,
    _S.REQUIRES_CONFIRMATION,
    _S.REQUIRES_ACTION,
)

_STARTABLE = {
    _E.START_CREATE: (_S.CREATING,),
    _E.START_CONFIRM: _WAITING,
    _E.START_UPDATE: _WAITING,
    _E.START_CAPTURE: (_S.AUTHORIZED,),
    _E.START_INCREMENT: (_S.AUTHORIZED,),
    _E.START_CANCEL: UNFINISHED,
    _E.START_REFUND: (_S.AUTHORIZED, _S.SUCCEEDED),
}

# fmt: off
PAYMENT: Lifecycle[PaymentState, PaymentEvent] = Lifecycle(
    name="payment",
    initial=_S.CREATING,
    transitions=(
        # until it settles, anything can be seen after anything
        *(_T(event, source, target)
          for source in (_S.CREATING, *UNSETTLED)
          for event, target in _OBSERVED.items() if source is not target),
        _T(_E.FAIL,           _S.CREATING,                 _S.FAILED),

        # the bank took a debit back that had succeeded, heard of it or not
        *(_T(_E.FAIL, source, _S.FAILED)
          for source in PaymentState if source not in (_S.CREATING, _S.FAILED)),

        _T(_E.SUCCEED,        _S.AUTHORIZED,               _S.SUCCEEDED),
        _T(_E.CANCEL,         _S.AUTHORIZED,               _S.CANCELED),
        _T(_E.EXPIRE,         _S.AUTHORIZED,               _S.EXPIRED),

        # what we may start, and where
        *(_T(command, state, state, _CMD)
          for command, states in _STARTABLE.items() for state in states),

        # corrections: what the PSP shows is accepted even where we held it for over
        _T(_E.SUCCEED,        _S.CANCELED,                 _S.SUCCEEDED),
        _T(_E.SUCCEED,        _S.EXPIRED,                  _S.SUCCEEDED),
        *(_T(event, _S.FAILED, target) for event, target in _OBSERVED.items()),
    ),
)
# fmt: on
