"""
How transfers are written on each database: keys first, then the transfers they allow.

PostgreSQL takes one statement for any number of transfers, since a round trip costs
more than a row. SQLite has no round trips and one writer, so plain statements do.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypedDict

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    Connection,
    Executable,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    cast,
    column,
    false,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB

from paykit.store.schema.ledger import ledger_account, ledger_key, ledger_transfer

__all__ = ["WRITERS", "AccountRow", "Key", "TransferRow", "Writer"]

Key = tuple[str, str]
"""Fact key and posting kind: the identity of a transfer."""


class AccountRow(TypedDict):
    """A row of ``paykit_ledger_account``."""

    id: str
    merchant_id: str
    code: str
    currency: str
    normal: str
    stripes: int


class TransferRow(TypedDict):
    """A row of ``paykit_ledger_transfer`` without its id, and the digest of its key."""

    fact_key: str
    kind: str
    journal_id: uuid.UUID
    merchant_id: str
    payment_id: str | None
    debit_id: str
    credit_id: str
    amount: int
    currency: str
    effective_at: datetime
    created_at: datetime
    reverses: int | None
    digest: str


Writer = Callable[[Connection, Sequence[AccountRow], Sequence[TransferRow]], set[Key]]
"""Opens the accounts that are missing, writes the transfers whose keys are new, and
returns those keys. Both sequences are in the order in which rows may be locked."""


_GIVEN: Final = [each for each in ledger_transfer.columns if each.name != "id"]


def _write_on_postgresql(
    connection: Connection,
    accounts: Sequence[AccountRow],
    transfers: Sequence[TransferRow],
) -> set[Key]:
    """Send everything as one statement; PostgreSQL says which keys were new."""
    written = connection.execute(
        _POSTGRESQL,
        {
            "accounts": json.dumps(accounts),
            "transfers": json.dumps(transfers, default=str),
        },
    )
    return {(fact_key, kind) for fact_key, kind in written}


def _rows_of(parameter: str, *columns: Column[Any]) -> TableValuedAlias:
    """Return the JSON array in `parameter` as rows that have `columns`."""
    array = cast(bindparam(parameter, type_=Text), JSONB)
    typed = [column(each.name, each.type) for each in columns]
    rows = func.jsonb_to_recordset(array).table_valued(*typed, name=parameter)
    return rows.render_derived(name=parameter, with_types=True)


def _opened() -> CTE:
    """Return the part that opens accounts; an account that exists is not locked."""
    given = _rows_of("accounts", *ledger_account.columns)
    rows = select(given).order_by(given.c.id)
    return (
        postgresql.insert(ledger_account)
        .from_select(list(ledger_account.columns.keys()), rows)
        .on_conflict_do_nothing()
        .cte("opened")
    )


def _kept(given: TableValuedAlias) -> CTE:
    """Return the part that keeps the keys that are new, and gives out their ids."""
    # Waits for another transaction that has the same key, and then keeps nothing.
    sequence = literal_column(f"'{ledger_transfer.name}_id_seq'", Text)
    rows = select(
        given.c.fact_key,
        given.c.kind,
        func.nextval(sequence, type_=BigInteger),
        given.c.digest,
    ).order_by(given.c.fact_key, given.c.kind)
    return (
        postgresql.insert(ledger_key)
        .from_select(["fact_key", "kind", "transfer_id", "digest"], rows)
        .on_conflict_do_nothing()
        .returning(ledger_key.c.fact_key, ledger_key.c.kind, ledger_key.c.transfer_id)
        .cte("kept")
    )


def _build_postgresql() -> Executable:
    """Return the one statement: accounts, keys, and a transfer for each key kept."""
    given = _rows_of("transfers", *_GIVEN, ledger_key.c.digest)
    kept = _kept(given)
    rows = select(
        kept.c.transfer_id, *(given.c[each.name] for each in _GIVEN)
    ).join_from(
        given,
        kept,
        and_(kept.c.fact_key == given.c.fact_key, kept.c.kind == given.c.kind),
    )
    return (
        insert(ledger_transfer)
        .from_select(["id", *(each.name for each in _GIVEN)], rows)
        .add_cte(_opened())
        .returning(ledger_transfer.c.fact_key, ledger_transfer.c.kind)
    )


_POSTGRESQL: Final = _build_postgresql()

_LOCK: Final = (
    update(ledger_key).where(false()).values(transfer_id=ledger_key.c.transfer_id)
)
"""Changes nothing, but SQLite takes the write lock for it."""

_OPEN: Final = sqlite.insert(ledger_account).on_conflict_do_nothing()

_KNOWN: Final = select(ledger_key.c.fact_key, ledger_key.c.kind).where(
    ledger_key.c.fact_key.in_(bindparam("fact_keys", expanding=True))
)

_NEWEST: Final = select(func.coalesce(func.max(ledger_transfer.c.id), 0))

_KEY: Final = insert(ledger_key)

_TRANSFER: Final = insert(ledger_transfer)


def _write_on_sqlite(
    connection: Connection,
    accounts: Sequence[AccountRow],
    transfers: Sequence[TransferRow],
) -> set[Key]:
    """Lock, look which keys are there, and insert the others."""
    connection.execute(_LOCK)
    if accounts:
        connection.execute(_OPEN, accounts)
    known = _known(connection, transfers)
    new = [row for row in transfers if (row["fact_key"], row["kind"]) not in known]
    if new:
        _insert(connection, new)
    return {(row["fact_key"], row["kind"]) for row in new}


def _known(connection: Connection, transfers: Sequence[TransferRow]) -> set[Key]:
    """Return the keys in the books, of the facts that the transfers are about."""
    fact_keys = sorted({row["fact_key"] for row in transfers})
    found = connection.execute(_KNOWN, {"fact_keys": fact_keys})
    return {(fact_key, kind) for fact_key, kind in found}


def _insert(connection: Connection, transfers: Sequence[TransferRow]) -> None:
    """Insert transfers whose keys are new; the caller holds SQLite's write lock."""
    newest: int = connection.scalars(_NEWEST).one()
    keys: list[Mapping[str, object]] = []
    rows: list[Mapping[str, object]] = []
    for id_, transfer in enumerate(transfers, newest + 1):
        row: dict[str, object] = {**transfer, "id": id_}
        digest = row.pop("digest")
        keys.append(
            {
                "fact_key": transfer["fact_key"],
                "kind": transfer["kind"],
                "transfer_id": id_,
                "digest": digest,
            }
        )
        rows.append(row)
    connection.execute(_KEY, keys)
    connection.execute(_TRANSFER, rows)


WRITERS: Final[Mapping[str, Writer]] = MappingProxyType(
    {"postgresql": _write_on_postgresql, "sqlite": _write_on_sqlite}
)
"""The writer for each dialect."""
