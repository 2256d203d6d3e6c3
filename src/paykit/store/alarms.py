"""Alarms: what is wrong with webhooks, opened and closed by what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Final

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from paykit.store.schema.watching import alarm
from paykit.store.tx import Tx

__all__ = ["Alarm", "AlarmKind", "close_alarm", "list_alarms", "open_alarm"]


class AlarmKind(StrEnum):
    """What can be wrong; the subject of each is a binding."""

    SILENCE = auto()
    """Payments were made, and nothing has been pushed for a long time."""
    UNHEARD = auto()
    """Payments are settled here, and no webhook about them was pushed."""
    ENDPOINT = auto()
    """No endpoint at the PSP is enabled and hears what paykit needs."""
    NOT_LISTED = auto()
    """The PSP's list of events could not be read to its end for a long time."""
    GAP = auto()
    """The list was not read for longer than the PSP keeps events: some are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One kind of alarm about one binding."""

    kind: AlarmKind
    subject: str
    detail: str
    """What was seen, for a person; no secret and no payer's data."""
    opened_at: datetime
    """When it was told, last if more than once."""
    closed_at: datetime | None
    """When it was seen to be over; None while it is open."""
    closed_by: str | None
    """Who has closed it by hand; None if it was seen to be over."""


def _opening(
    insert: postgresql.Insert | sqlite.Insert, *, again: bool
) -> ReturningInsert[tuple[str]]:
    detail, is_over = insert.excluded.detail, alarm.c.closed_at.is_not(None)
    both = alarm.c.detail.concat("; ").concat(detail)
    return insert.on_conflict_do_update(
        index_elements=[alarm.c.kind, alarm.c.subject],
        set_={
            "detail": case((is_over, detail), else_=both),
            "opened_at": insert.excluded.opened_at,
            "closed_at": None,
            "closed_by": None,
        },
        where=None if again else is_over,
    ).returning(alarm.c.kind)


_OPEN: Final = {
    (dialect, again): _opening(insert, again=again)
    for dialect, insert in (
        ("postgresql", postgresql.insert(alarm)),
        ("sqlite", sqlite.insert(alarm)),
    )
    for again in (False, True)
}
_CLOSE: Final = (
    update(alarm)
    .where(
        alarm.c.kind == bindparam("at_kind"),
        alarm.c.subject == bindparam("at_subject"),
        alarm.c.closed_at.is_(None),
    )
    .values(closed_at=bindparam("now"), closed_by=bindparam("by"))
)


def open_alarm(
    tx: Tx, kind: AlarmKind, subject: str, detail: str, *, again: bool = False
) -> bool:
    """
    Open an alarm; False if it is open already, and then nothing changes.

    With `again` it has happened once more: an open one then tells of both.
    """
    row = {
        "kind": kind.value,
        "subject": subject,
        "detail": detail,
        "opened_at": tx.now,
        "closed_at": None,
        "closed_by": None,
    }
    opening = _OPEN[tx.connection.dialect.name, again]
    return tx.on(alarm).execute(opening, row).first() is not None


def close_alarm(
    tx: Tx, kind: AlarmKind, subject: str, *, by: str | None = None
) -> bool:
    """Close an alarm; False if it is not open."""
    at = {"at_kind": kind.value, "at_subject": subject, "now": tx.now, "by": by}
    return tx.on(alarm).execute(_CLOSE, at).rowcount == 1


def list_alarms(tx: Tx, *, closed: bool = False) -> tuple[Alarm, ...]:
    """Return the open alarms, oldest first; with `closed` those that are over too."""
    order = (alarm.c.opened_at, alarm.c.kind, alarm.c.subject)
    statement = select(alarm).order_by(*order)
    if not closed:
        statement = statement.where(alarm.c.closed_at.is_(None))
    rows = tx.on(alarm).execute(statement)
    return tuple(Alarm(**{**row._mapping, "kind": AlarmKind(row.kind)}) for row in rows)
