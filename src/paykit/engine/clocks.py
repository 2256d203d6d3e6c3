"""
What becomes of a payment that stays where it is for too long: policy and decision.

Pure. `ClockPolicy` says after how long what happens, `Stay` is what is known of a
payment or refund in its present state, and `decide` puts the two and the time together.
Who reads, tells and cancels is `paykit.workers.clocks`.

`capture_before` is the PSP's time and compared with ours: minutes of difference do not
matter, because nothing is begun within `ClockPolicy.capture_margin` of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Final

from paykit.lifecycle import UNFINISHED, PaymentState, RefundState

__all__ = [
    "ABANDONED",
    "NOT_CAPTURED",
    "ClockPolicy",
    "Decision",
    "Expiry",
    "Notice",
    "Stay",
    "decide",
]

ABANDONED: Final = "abandoned"
"""Why a payment is canceled whose payer does not come back; a word of Stripe's too."""

NOT_CAPTURED: Final = "authorization_not_captured"
"""Why an authorization is voided that can be captured no more."""

_CANCELABLE: Final = frozenset(
    {
        PaymentState.REQUIRES_PAYMENT_METHOD,
        PaymentState.REQUIRES_CONFIRMATION,
        PaymentState.REQUIRES_ACTION,
    }
)
"""States that wait for the payer, and in which no money is held."""


class Expiry(StrEnum):
    """What is done about an authorization that can be captured no more."""

    VOID = auto()
    """Cancel it, so that the payer has the money back at once."""
    KEEP = auto()
    """Leave it to the PSP, and take in what it shows."""
    REAUTHORIZE = auto()
    """Like KEEP, and tell the host that it needs a new payment for the rest."""


class Notice(StrEnum):
    """What the host is told; the event is ``payment.`` or ``refund.`` and this."""

    AUTHORIZATION_EXPIRING = auto()
    REAUTHORIZATION_REQUIRED = auto()
    STUCK = auto()


class _Moment(StrEnum):
    """What can fall due."""

    WARNING = auto()
    LAST_CAPTURE = auto()
    EXPIRED = auto()
    ABANDONED = auto()
    STUCK = auto()


def _hours(**by_state: float) -> Mapping[PaymentState, timedelta]:
    return MappingProxyType(
        {PaymentState(name): timedelta(hours=hours) for name, hours in by_state.items()}
    )


def _cancel_after() -> Mapping[PaymentState, timedelta]:
    week = 7 * 24
    return _hours(
        requires_action=24, requires_payment_method=week, requires_confirmation=week
    )


def _stuck_after() -> Mapping[PaymentState, timedelta]:
    # A bank debit may be under way for two weeks, and an authorization may last a month
    # (facts: Klarna 28 days, extended authorizations 30).
    return _hours(
        requires_action=2 * 24,
        requires_payment_method=8 * 24,
        requires_confirmation=8 * 24,
        processing=14 * 24,
        authorized=31 * 24,
    )


def _refund_stuck_after() -> Mapping[RefundState, timedelta]:
    days = timedelta(days=10)
    return MappingProxyType(
        {RefundState.PENDING: days, RefundState.REQUIRES_ACTION: days}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPolicy:
    """
    After how long what happens to a payment that stays in one state.

    The first look at a payment comes ten minutes after it has entered its state, so
    shorter times count as ten minutes. Raises `ValueError` for times that contradict
    each other.
    """

    expiry: Expiry = Expiry.VOID
    """What is done about an authorization that can be captured no more."""
    warn_before: timedelta = timedelta(hours=24)
    """How long before an authorization ends the host is warned; at most half of it."""
    capture_margin: timedelta = timedelta(minutes=5)
    """How long before its end an authorization is captured no more."""
    cancel_after: Mapping[PaymentState, timedelta] = field(
        default_factory=_cancel_after
    )
    """When a payer is waited for no more; a state that is not here is never left."""
    stuck_after: Mapping[PaymentState, timedelta] = field(default_factory=_stuck_after)
    """When the host is told that a payment does not move."""
    refund_stuck_after: Mapping[RefundState, timedelta] = field(
        default_factory=_refund_stuck_after
    )
    """When the host is told that a refund does not move."""
    look_again: timedelta = timedelta(hours=1)
    """How long after a look that has not ended the stay the next one comes."""

    def __post_init__(self) -> None:
        """Refuse times that contradict each other."""
        object.__setattr__(self, "expiry", Expiry(self.expiry))
        if not timedelta(0) <= self.capture_margin < self.warn_before:
            raise ValueError("capture_margin must be less than warn_before")
        by_state = (self.cancel_after, self.stuck_after, self.refund_stuck_after)
        times = [self.look_again, *(t for table in by_state for t in table.values())]
        if min(times) <= timedelta(0):
            raise ValueError("times must be more than nothing")
        if not _CANCELABLE.issuperset(self.cancel_after):
            raise ValueError("cancel_after: only states that wait for the payer")
        if not set(UNFINISHED).issuperset(self.stuck_after):
            raise ValueError("stuck_after: only states in which a payment waits")
        for state, after in self.cancel_after.items():
            if self.stuck_after.get(state, timedelta.max) <= after:
                raise ValueError(f"{state}: stuck_after must be more than cancel_after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A payment or a refund in its present state."""

    state: PaymentState | RefundState
    since: datetime
    """When it has entered the state, or its payer last did something in it."""
    capture_before: datetime | None = None
    partly_captured: bool = False
    told: frozenset[Notice] = frozenset()
    """What the host was told during this stay."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is due."""

    read: bool
    """Whether the PSP is asked first; without that nothing is done."""
    notices: tuple[Notice, ...]
    cancel: str | None
    """Why the payment is canceled, if it is."""
    look_at: datetime | None
    """When to decide again; None if nothing can fall due in this state."""


def decide(policy: ClockPolicy, stay: Stay, now: datetime) -> Decision:
    """Return what is due at `now`, and when to decide again."""
    timetable = _timetable(policy, stay)
    due = {moment for moment, at in timetable.items() if at <= now}
    coming = [at for at in timetable.values() if at > now]
    if _Moment.LAST_CAPTURE in due:
        due.discard(_Moment.WARNING)  # too late to do anything about it
    overdue = due - {_Moment.WARNING}
    if overdue:
        coming.append(now + policy.look_again)
    notices = tuple(
        notice
        for moment, notice in _notices(policy).items()
        if moment in due and notice not in stay.told
    )
    return Decision(
        read=bool(notices or overdue),
        notices=notices,
        cancel=_cancel(policy, stay, due),
        look_at=min(coming, default=None),
    )


def _timetable(policy: ClockPolicy, stay: Stay) -> dict[_Moment, datetime]:
    """Return when what falls due, as long as the stay goes on."""
    timetable = {
        moment: stay.since + after
        for moment, after in _limits(policy, stay.state).items()
        if after is not None
    }
    end = stay.capture_before
    if end is not None and stay.state is PaymentState.AUTHORIZED:
        timetable |= {
            _Moment.WARNING: end - min(policy.warn_before, (end - stay.since) / 2),
            _Moment.LAST_CAPTURE: end - policy.capture_margin,
            _Moment.EXPIRED: end,
        }
    return timetable


def _limits(
    policy: ClockPolicy, state: PaymentState | RefundState
) -> dict[_Moment, timedelta | None]:
    # Both have a state ``requires_action``, and those are equal as texts.
    if isinstance(state, RefundState):
        return {_Moment.STUCK: policy.refund_stuck_after.get(state)}
    return {
        _Moment.ABANDONED: policy.cancel_after.get(state),
        _Moment.STUCK: policy.stuck_after.get(state),
    }


def _notices(policy: ClockPolicy) -> dict[_Moment, Notice]:
    notices = {
        _Moment.WARNING: Notice.AUTHORIZATION_EXPIRING,
        _Moment.STUCK: Notice.STUCK,
    }
    if policy.expiry is Expiry.REAUTHORIZE:
        notices[_Moment.LAST_CAPTURE] = Notice.REAUTHORIZATION_REQUIRED
    return notices


def _cancel(policy: ClockPolicy, stay: Stay, due: set[_Moment]) -> str | None:
    if _Moment.ABANDONED in due:
        return ABANDONED
    void = policy.expiry is Expiry.VOID and _Moment.LAST_CAPTURE in due
    # What was captured in part is not canceled: the PSP releases the rest by itself.
    return NOT_CAPTURED if void and not stay.partly_captured else None
