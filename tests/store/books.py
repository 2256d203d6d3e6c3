"""What the ledger's tests share: open books, and few words for what is done to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine

from paykit.clock import SYSTEM
from paykit.money import Money
from paykit.store import ledger
from paykit.store.ledger import Posting, PostingKind
from paykit.store.sqlite import immediate

__all__ = ["NOON", "open_books", "post", "posting", "reverse"]

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


@contextmanager
def open_books(engine: Engine) -> Iterator[Connection]:
    """Run a transaction of its own, committed at the end."""
    with immediate(engine).begin() as connection:
        yield connection


def posting(
    kind: PostingKind,
    fact: str,
    minor: int = 1000,
    currency: str = "eur",
    *,
    merchant: str = "shop",
    payment: str | None = "pay_1",
    late: timedelta = timedelta(0),
) -> Posting:
    """Return a posting of `kind` for `fact`."""
    return Posting(kind, fact, merchant, payment, Money(minor, currency), NOON + late)


def post(books: Connection, postings: Sequence[Posting]) -> int:
    """Post in the real world."""
    return ledger.post(books, postings, world=SYSTEM)


def reverse(books: Connection, journal_id: uuid.UUID) -> int:
    """Reverse in the real world."""
    return ledger.reverse(
        books, journal_id, effective_at=NOON + timedelta(days=1), world=SYSTEM
    )
