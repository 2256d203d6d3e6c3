"""
What a storm has left, from two sides: the database, and what the PSP has really done.

The PSP's side is the local server's own record of charges, refunds, movements of money
and events; nothing of it comes from paykit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select
from typing_extensions import override

from paykit.store import ledger
from paykit.store.schema import (
    inbox,
    operation,
    payment,
    reconciliation_break,
    refund,
    work,
)
from paykit.testing.simulated import Effects, SimEvent, SimulatedProvider
from tests.storm.calm import AGAIN
from tests.storm.host import heard, told

__all__ = ["Line", "Verdict", "judge"]

_HELD: Final = {"requires_capture": "authorized"}
"""Where our word for a state is not the PSP's."""

_CAME: Final = {"push": "by webhook", "list": "by the list of events"}

_GIVEN_BACK: Final = ("succeeded", "pending", "requires_action")


@dataclass(frozen=True, slots=True)
class Line:
    """One number from both sides; what only one side knows must be zero."""

    what: str
    ours: int
    theirs: int = 0

    @property
    def right(self) -> bool:
        return self.ours == self.theirs


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a storm came to."""

    lines: tuple[Line, ...]
    happened: Mapping[str, int]
    events: Mapping[str, int]
    wrong: tuple[str, ...]
    """What is broken, in words."""
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.wrong and all(line.right for line in self.lines)

    @override
    def __str__(self) -> str:
        """Return the table."""
        head = f"{'':38} {'paykit':>12} {'PSP':>12}"
        rows = [
            f"{line.what:38} {line.ours:>12,} {line.theirs:>12,}"
            f"  {'' if line.right else '<- WRONG'}".rstrip()
            for line in self.lines
        ]
        notes = [f"{name:38} {count:>12,}" for name, count in self.happened.items()]
        seen = [f"{'events: ' + name:38} {n:>12,}" for name, n in self.events.items()]
        end = f"{'PASSED' if self.passed else 'FAILED'} after {self.seconds:.0f} s"
        return "\n".join([*notes, *seen, "", head, *rows, "", *self.wrong, end])


@dataclass(frozen=True)
class _Evidence:
    """Both sides, read once."""

    db: Connection
    sim: SimulatedProvider
    effects: Effects
    payments: Mapping[str, Row[Any]]
    """By the PSP's id, as the refunds."""
    refunds: Mapping[str, Row[Any]]
    pending: Mapping[str, int]
    """By payment: refunds that the PSP has begun and not ended."""

    @classmethod
    def of(cls, db: Connection, sim: SimulatedProvider) -> _Evidence:
        refunds = {row.psp_reference: row for row in db.execute(select(refund))}
        pending: Counter[str] = Counter()
        for row in refunds.values():
            if row.state in _GIVEN_BACK[1:]:
                pending[row.payment_id] += row.amount
        return cls(
            db=db,
            sim=sim,
            effects=sim.effects(),
            payments={row.psp_reference: row for row in db.execute(select(payment))},
            refunds=refunds,
            pending=pending,
        )

    def count(self, statement: Any) -> int:
        return int(self.db.scalar(statement) or 0)


def judge(
    db: Connection,
    sim: SimulatedProvider,
    *,
    orders: int,
    happened: Mapping[str, int],
    wrong: Sequence[str],
    seconds: float,
) -> Verdict:
    """Compare the database with the PSP, and look for what must not be there."""
    found = _Evidence.of(db, sim)
    fates, lost = _fates(found)
    lines = (
        Line("payments", len(found.payments), orders),
        *_money(found),
        *(Line(f"{what} (must be 0)", n) for what, n in _never(found).items()),
        Line("events lost (must be 0)", len(lost)),
    )
    said = [*wrong, *_disagreements(found), *(f"lost: {one}" for one in lost)]
    return Verdict(lines, happened, fates, tuple(said), seconds)


def _money(found: _Evidence) -> Iterator[Line]:
    """Compare what was taken and given back, and the balance to the cent."""
    effects = found.effects
    rows = found.payments.values()
    yield Line(
        "captured, cents",
        sum(row.captured for row in rows),
        sum(effects.captured.values()),
    )
    given = [r.amount for r in found.refunds.values() if r.state in _GIVEN_BACK]
    yield Line("refunded, cents", sum(given), sum(effects.refunded.values()))
    yield Line("refunds", len(given), sum(effects.refunds.values()))
    balances: Counter[str] = Counter()
    for account in ledger.trial_balance(found.db):
        if account.code == "psp_balance":
            balances[account.currency] += account.debits - account.credits
    for currency in sorted({*balances, *effects.balance}):
        theirs = effects.balance.get(currency, 0)
        yield Line(f"balance after fees, {currency} cents", balances[currency], theirs)


def _never(found: _Evidence) -> dict[str, int]:
    """Count what must not be there."""
    effects, count = found.effects, found.count
    twice = sum(charges > 1 for charges in effects.charges.values())
    strangers = len(set(effects.charges) - set(found.payments))
    open_ = select(func.count()).where(operation.c.status.not_in(("done", "failed")))
    left = select(func.count()).where(work.c.queue.not_in(AGAIN))
    dead = select(func.count()).where(inbox.c.status.not_in(("applied", "ignored")))
    answers = select(func.count(func.distinct(told.c.answer)).label("n"))
    two = answers.group_by(told.c.key).having(
        func.count(func.distinct(told.c.answer)) > 1
    )
    return {
        "payments charged twice": twice,
        "charges without a payment here": strangers,
        "operations stuck": count(open_.select_from(operation)),
        "work left": count(left.select_from(work)),
        "events not applied": count(dead.select_from(inbox)),
        "breaks": count(select(func.count()).select_from(reconciliation_break)),
        "keys with two answers": count(
            select(func.count()).select_from(two.subquery())
        ),
        "books that do not balance": len(ledger.audit(found.db)),
        "payments with a wrong delivery": _misheard(found),
    }


def _misheard(found: _Evidence) -> int:
    """Count the payments whose events a handler did not hear once and in order."""
    rows = found.db.execute(select(heard).order_by(heard.c.position))
    sequences: dict[str, list[int]] = {}
    for row in rows:
        sequences.setdefault(row.payment_id, []).append(row.sequence)
    return sum(
        sequences.get(row.id, []) != list(range(1, row.event_sequence + 1))
        for row in found.payments.values()
    )


# -- event by event --------------------------------------------------------------------


def _fates(found: _Evidence) -> tuple[dict[str, int], list[str]]:
    """Return what became of the PSP's events, and those of which nothing is here."""
    columns = select(inbox.c.event_id, inbox.c.status, inbox.c.origin)
    here = {
        row.event_id: f"{row.status}, {_CAME[row.origin]}"
        for row in found.db.execute(columns)
    }
    fates: Counter[str] = Counter()
    lost = []
    for event in found.sim.events():
        fate = here.get(event.id) or _known_anyway(found, event)
        fates[fate or "lost"] += 1
        if fate is None:
            lost.append(f"{event.type} {event.id} of {event.object.get('id')}")
    return dict(sorted(fates.items())), lost


def _known_anyway(found: _Evidence, event: SimEvent) -> str | None:
    """Say so if what a missing event tells is known here, by an answer or a read."""
    thing = event.object
    intent = thing["id"] if thing["object"] == "payment_intent" else None
    intent = str(intent or thing.get("payment_intent"))
    if intent not in found.payments or _differs(found, intent):
        return None
    if thing["object"] == "refund" and thing["id"] not in found.refunds:
        return None
    return "never came, fact known"


def _disagreements(found: _Evidence) -> Iterator[str]:
    """Compare every payment and every refund with the PSP's object."""
    for intent in found.payments:
        if intent is None:
            yield "a payment has no object at the PSP"
        else:
            yield from _differs(found, intent)


def _differs(found: _Evidence, reference: str) -> list[str]:
    """Say in which way a payment is another one here than at the PSP."""
    row, intent = found.payments[reference], found.sim.intent(reference)
    state = _HELD.get(intent.status, intent.status)
    ours = (row.state, row.captured, row.refunded + found.pending[row.id])
    theirs = (
        state,
        found.effects.captured[reference],
        found.effects.refunded[reference],
    )
    if ours == theirs:
        return []
    return [f"{row.id} ({reference}) is {ours}, at the PSP {theirs}"]
