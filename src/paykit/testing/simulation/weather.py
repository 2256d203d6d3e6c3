"""How often what goes wrong, and which faults can meet which effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from paykit.engine import effects

__all__ = ["CALM", "FAULTS", "Weather", "faults_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """
    How often what goes wrong, as probabilities per effect.

    Who goes on after a crash may be of another release: that is a deploy in the middle.
    """

    crash_before: float = 0.02
    """The process dies before the effect; a transaction that was open is gone."""
    crash_after: float = 0.03
    """The process dies when the effect has happened and before it hears of it."""
    suspended: float = 0.04
    """The actor stands still for minutes, while others go on (a paused machine)."""
    preempted: float = 0.04
    """The actor stands still while others go on, and hardly any time passes."""
    lease_stolen: float = 0.02
    """Every lease runs out at once, and who held one is alive and does not know."""
    reply_lost: float = 0.03
    """COMMIT succeeds and its reply is lost; the driver repeats the phase."""
    commit_lost: float = 0.02
    """COMMIT fails and everything is rolled back; the driver repeats the phase."""
    connection_cut: float = 0.02
    """The connection breaks between two statements; the driver repeats the phase."""
    database_down: float = 0.004
    """The database does not come back while the driver repeats the phase."""
    not_sent: float = 0.04
    rate_limited: float = 0.03
    request_lost: float = 0.05
    answer_lost: float = 0.10
    outage: float = 0.003
    """A PSP outage begins: for minutes to an hour nobody gets an answer."""
    not_published: float = 0.05
    """The broker refuses a message."""
    receipt_lost: float = 0.05
    """The broker has taken a message, and its receipt is lost."""
    handler_fails: float = 0.04
    """A handler of the host raises, after it has written."""
    # Not per effect:
    night: float = 0.004
    """Half an hour passes for everybody; per step."""
    skewed: float = 0.5
    """A machine's clock is wrong by up to three minutes; per machine."""
    dropped: float = 0.08
    """The PSP never pushes a webhook again; per delivery."""


CALM: Final = Weather(**dict.fromkeys(Weather.__dataclass_fields__, 0.0))

_ANYWHERE: Final = ("crash_before", "crash_after")
_HELD: Final = ("suspended", "preempted", "lease_stolen")

FAULTS: Final[Mapping[type[object], tuple[str, ...]]] = {
    effects.Commit: (
        *_ANYWHERE,
        *_HELD,
        "reply_lost",
        "commit_lost",
        "connection_cut",
        "database_down",
    ),
    effects.Ask: (
        *_ANYWHERE,
        *_HELD,
        "not_sent",
        "rate_limited",
        "request_lost",
        "answer_lost",
        "outage",
    ),
    effects.Deliver: (
        *_ANYWHERE,
        *_HELD,
        "reply_lost",
        "commit_lost",
        "handler_fails",
    ),
    effects.Sleep: ("crash_before",),
    effects.Publish: (*_ANYWHERE, *_HELD, "not_published", "receipt_lost"),
}
"""Which faults can meet which kind of effect; the names are fields of `Weather`."""


def faults_of(effect: object) -> tuple[str, ...]:
    """Return the faults that can meet `effect`."""
    return FAULTS[type(effect)]
