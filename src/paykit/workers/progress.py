"""What a worker has done so far, and which of its duties pauses after failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from paykit.workers.failures import where

__all__ = ["PAUSES", "DutyReport", "Progress", "WorkReport", "WorkerReport"]

PAUSES: Final = (
    timedelta(seconds=1),
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(minutes=1),
)
"""How long a duty pauses after its first, second... failure in a row."""


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What a round did: how often each duty came to which end."""

    done: Mapping[str, Mapping[str, int]]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Duties that ended with an error, and which; the others have had their turn."""

    @property
    def total(self) -> int:
        """How many rows were worked on."""
        return sum(sum(ends.values()) for ends in self.done.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyReport:
    """One duty of one worker, since it was started."""

    ends: Mapping[str, int] = field(default_factory=dict)
    """How many rows came to which end."""
    errors: int = 0
    """How often the duty itself failed; a row that failed is among `ends`."""
    last_error: str | None = None
    """Its kind and where it was raised, without its text."""
    last_error_at: datetime | None = None
    failures: int = 0
    """In a row, the last time included; 0 after a time that went well."""
    paused_until: datetime | None = None

    def after(
        self, ends: Mapping[str, int], error: Exception | None, now: datetime
    ) -> DutyReport:
        """Return it after a turn that came to these `ends`, and maybe to an `error`."""
        total = dict(Counter(self.ends) + Counter(ends))
        if error is None:
            return replace(self, ends=total, failures=0, paused_until=None)
        pause = PAUSES[min(self.failures, len(PAUSES) - 1)]
        return replace(
            self,
            ends=total,
            errors=self.errors + 1,
            last_error=where(error),
            last_error_at=now,
            failures=self.failures + 1,
            paused_until=now + pause,
        )

    def may_run(self, now: datetime) -> bool:
        """Whether its pause is over; it is if the clock has gone back behind it."""
        if self.paused_until is None or self.last_error_at is None:
            return True
        return not self.last_error_at <= now < self.paused_until


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """A worker since it was started, for a liveness probe or a metrics endpoint."""

    started_at: datetime
    last_round_at: datetime | None
    """When it last came round; old if it hangs in a handler, None before the first."""
    rounds: int
    duties: Mapping[str, DutyReport]


class Progress:
    """The worker's own book-keeping; written by its loop, read by anybody."""

    def __init__(self, names: Iterable[str], now: datetime) -> None:
        self._report = WorkerReport(
            started_at=now,
            last_round_at=None,
            rounds=0,
            duties={name: DutyReport() for name in names},
        )

    @property
    def report(self) -> WorkerReport:
        """What has been done so far; never changes once it is returned."""
        return self._report

    def ready(self, now: datetime) -> list[str]:
        """Return the duties that need not pause."""
        duties = self._report.duties
        return [name for name, duty in duties.items() if duty.may_run(now)]

    def round(
        self,
        done: Mapping[str, Mapping[str, int]],
        failed: Mapping[str, Exception],
        now: datetime,
    ) -> WorkReport:
        """Take in what a round did, and return it."""
        duties = dict(self._report.duties)
        for name, ends in done.items():
            duties[name] = duties[name].after(ends, failed.get(name), now)
        self._report = replace(
            self._report,
            last_round_at=now,
            rounds=self._report.rounds + 1,
            duties=duties,
        )
        return WorkReport(done, {name: where(error) for name, error in failed.items()})
