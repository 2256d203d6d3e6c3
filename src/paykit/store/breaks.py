"""Reconciliation breaks: where the PSP and we disagree, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from paykit.store.ignoring import insert_or_ignore
from paykit.store.payments import PaymentRow
from paykit.store.schema.breaks import reconciliation_break
from paykit.store.tx import Params, Tx, Write, many

__all__ = ["open_break", "open_breaks"]

_BREAK: Final = insert_or_ignore(reconciliation_break)


def _break_all(connection: Connection, rows: Sequence[Params]) -> None:
    many(_BREAK[connection.dialect.name])(connection, rows)


_OPEN_BREAK: Final = Write(reconciliation_break, 43, _break_all)


def open_break(
    tx: Tx, row: PaymentRow, kind: str, detail: Mapping[str, object]
) -> None:
    """Open a reconciliation break for a person to look at; once per kind."""
    values = {
        "id": f"{row.id}/{kind}",
        "merchant_id": row.merchant_id,
        "payment_id": row.id,
        "kind": kind,
        "detail": dict(detail),
        "opened_at": tx.now,
    }
    tx.later(_OPEN_BREAK, values)


def open_breaks(tx: Tx) -> int:
    """Return how many reconciliation breaks nobody has resolved yet."""
    open_ones = reconciliation_break.c.resolved_at.is_(None)
    return tx.connection.scalar(select(func.count()).where(open_ones)) or 0
