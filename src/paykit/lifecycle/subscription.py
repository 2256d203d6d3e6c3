"""
The life of a subscription.

It begins at the PSP and is moved there, so every row is an observation. While it lives
its statuses come in circles (past due and active again), so any may be seen after any
other, and order is not the table's to tell: a status counts when it has been read just
now (see `paykit.operations.observe_subscription`). What has ended never comes back: who
subscribes again gets another subscription (Stripe: docs/billing/subscriptions/cancel).
"""

from __future__ import annotations

from enum import StrEnum, auto

from paykit.lifecycle.table import Lifecycle, Transition

__all__ = [
    "SUBSCRIPTION",
    "SUBSCRIPTION_ENDED",
    "SubscriptionEvent",
    "SubscriptionState",
]


class SubscriptionState(StrEnum):
    """Where a subscription can stand; the PSP's words, and one of ours."""

    UNRECOGNIZED = auto()
    """Recorded here; the PSP has shown no status yet that we know."""
    INCOMPLETE = auto()
    """Its first invoice is not paid yet."""
    INCOMPLETE_EXPIRED = auto()
    """Its first invoice was not paid in time."""
    TRIALING = auto()
    ACTIVE = auto()
    PAST_DUE = auto()
    """An invoice could not be collected, and the PSP goes on trying."""
    UNPAID = auto()
    """The PSP has stopped trying."""
    PAUSED = auto()
    CANCELED = auto()


class SubscriptionEvent(StrEnum):
    """What can be observed of a subscription."""

    AWAIT_PAYMENT = auto()
    EXPIRE = auto()
    TRY_OUT = auto()
    ACTIVATE = auto()
    FALL_DUE = auto()
    GIVE_UP = auto()
    PAUSE = auto()
    CANCEL = auto()


_S, _E = SubscriptionState, SubscriptionEvent

SUBSCRIPTION_ENDED = frozenset({_S.INCOMPLETE_EXPIRED, _S.CANCELED})
"""Where nothing leads out of."""

_OBSERVED = {
    _E.AWAIT_PAYMENT: _S.INCOMPLETE,
    _E.EXPIRE: _S.INCOMPLETE_EXPIRED,
    _E.TRY_OUT: _S.TRIALING,
    _E.ACTIVATE: _S.ACTIVE,
    _E.FALL_DUE: _S.PAST_DUE,
    _E.GIVE_UP: _S.UNPAID,
    _E.PAUSE: _S.PAUSED,
    _E.CANCEL: _S.CANCELED,
}

SUBSCRIPTION: Lifecycle[SubscriptionState, SubscriptionEvent] = Lifecycle(
    name="subscription",
    initial=_S.UNRECOGNIZED,
    transitions=tuple(
        Transition(event, source, target)
        for source in SubscriptionState
        if source not in SUBSCRIPTION_ENDED
        for event, target in _OBSERVED.items()
        if source is not target
    ),
)
