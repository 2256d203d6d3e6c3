"""Alarms about webhooks: opened and closed by what was seen, or closed by a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from paykit.engine import Flow, commit
from paykit.errors import NotFound
from paykit.operations.commands import Command, build
from paykit.store import alarms
from paykit.store.alarms import Alarm, AlarmKind
from paykit.store.tx import Tx

__all__ = ["announce", "close_alarm", "list_alarms", "set_alarms"]

_log: Final = logging.getLogger("paykit.alarms")

_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class _Close(Command, frozen=True):
    kind: Annotated[AlarmKind, Field(strict=False)]
    subject: _Name
    actor: _Name


def set_alarms(
    tx: Tx,
    subject: str,
    verdicts: Mapping[AlarmKind, str | None],
    *,
    again: bool = False,
) -> tuple[str, ...]:
    """
    Open what has a text and close what has none; what has changed, for `announce`.

    What is open already stays as it is, with the time and the text of its opening; but
    with `again` it has happened once more, and that is added.
    """
    changes: list[str] = []
    for kind, detail in verdicts.items():
        if detail is None:
            if alarms.close_alarm(tx, kind, subject):
                changes.append(f"{kind} of {subject} is over")
        elif alarms.open_alarm(tx, kind, subject, detail, again=again):
            changes.append(f"{kind} of {subject}: {detail}")
    return tuple(changes)


def announce(changes: tuple[str, ...]) -> None:
    """Log what has changed, after the commit."""
    for change in changes:
        _log.warning("alarm: %s", change)


def list_alarms(closed: bool, tx: Tx) -> tuple[Alarm, ...]:
    """Return the open alarms, oldest first; with `closed` those that are over too."""
    return alarms.list_alarms(tx, closed=closed)


def close_alarm(kind: AlarmKind | str, subject: str, actor: str) -> Flow[None]:
    """
    Close an alarm by hand, as a `gap` can only be; `actor` is written down.

    It opens again if what it tells of is seen again. Raises `NotFound` if it is not
    open, `InvalidRequest` for a kind that there is not.
    """
    asked = build(_Close, {"kind": kind, "subject": subject, "actor": actor})
    yield from commit(partial(_close, asked))
    _log.warning("alarm: %s of %s was closed by %s", kind, subject, asked.actor)


def _close(asked: _Close, tx: Tx) -> None:
    if not alarms.close_alarm(tx, asked.kind, asked.subject, by=asked.actor):
        raise NotFound(f"no open alarm {asked.kind} of {asked.subject}")
