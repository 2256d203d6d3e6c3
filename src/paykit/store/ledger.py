"""
Writing the ledger: postings become transfers, each fact once; nothing is ever changed.

`post` and `reverse` write inside the caller's open transaction and never commit. Call
them last in it: the rows of the balances stay locked until the commit. What the chart
knows is in `paykit.store.chart`, what can be read in `paykit.store.balances`; what the
tables guarantee against SQL by hand in `paykit.store.schema.ledger`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Connection, RowMapping, bindparam, select

from paykit.clock import World
from paykit.errors import (
    LedgerConflict,
    NotAllowed,
    NotFound,
    UsageError,
)
from paykit.money import Money
from paykit.store.audit import Discrepancy, audit
from paykit.store.balances import (
    AccountBalance,
    Transfer,
    balance,
    transfers_of,
    trial_balance,
)
from paykit.store.chart import CHART, RULES, Account, AccountCode, PostingKind
from paykit.store.ledger_writers import WRITERS, AccountRow, Key, TransferRow
from paykit.store.schema.ledger import ledger_key, ledger_transfer
from paykit.store.tx import Params, Tx, Write

__all__ = [
    "Account",
    "AccountBalance",
    "AccountCode",
    "Discrepancy",
    "Posting",
    "PostingKind",
    "Transfer",
    "audit",
    "balance",
    "post",
    "post_later",
    "reverse",
    "transfers_of",
    "trial_balance",
]

_REVERSAL: Final = "_reversal"

_DIGESTS = select(ledger_key.c.fact_key, ledger_key.c.kind, ledger_key.c.digest).where(
    ledger_key.c.fact_key.in_(bindparam("fact_keys", expanding=True))
)

_JOURNAL = (
    select(ledger_transfer)
    .where(ledger_transfer.c.journal_id == bindparam("journal_id"))
    .order_by(ledger_transfer.c.id)
)


@dataclass(frozen=True, slots=True)
class Posting:
    """
    One thing that happened to money, to be put in the books once.

    Fact key and kind are its identity: the same fact may come in a response, an event
    and a report (DESIGN law 8). Raises `ValueError` for a time without a zone.
    """

    kind: PostingKind
    fact_key: str
    """From `paykit.psp.facts`."""

    merchant_id: str
    payment_id: str | None
    """Our payment, if the fact belongs to one."""

    amount: Money
    effective_at: datetime
    """When it happened by the PSP's account, aware."""

    def __post_init__(self) -> None:
        _check_aware(self.effective_at)

    @property
    def accounts(self) -> tuple[Account, Account]:
        """The accounts to debit and to credit, by the posting rules."""
        rule, currency = RULES[self.kind], self.amount.currency
        return (
            Account(self.merchant_id, rule.debit, currency),
            Account(self.merchant_id, rule.credit, currency),
        )


def post(connection: Connection, postings: Sequence[Posting], *, world: World) -> int:
    """
    Post what happened in one business event; return how many postings were new.

    Each fact stands for itself: what is in the books already, with the same accounts
    and amount, is skipped, and so is an amount of zero. Payment and time are not
    compared, because the same fact may be seen before it is linked, and at two times.
    One statement on PostgreSQL. Raises `LedgerConflict` if a fact was posted with
    another amount or other accounts; the other facts have been posted then, so that
    the caller may open a break and commit.
    """
    postings = [posting for posting in postings if posting.amount.minor]
    journal_id, now = world.new_uuid(), world.now()
    return _write(
        connection,
        {account for posting in postings for account in posting.accounts},
        [_transfer(posting, journal_id, now) for posting in postings],
    )


def post_later(tx: Tx, postings: Sequence[Posting]) -> None:
    """
    Post what happened in one business event before the phase ends, after all else.

    Other events of the phase go with it, so that the books are locked once and last.
    `LedgerConflict` is raised then; see `post`.
    """
    journal_id, now = tx.new_uuid(), tx.now
    for posting in postings:
        if posting.amount.minor:
            transfer = _transfer(posting, journal_id, now)
            tx.later(_POST, {"posting": posting, "transfer": transfer})


def _post_all(connection: Connection, rows: Sequence[Params]) -> None:
    postings = [cast("Posting", row["posting"]) for row in rows]
    _write(
        connection,
        {account for posting in postings for account in posting.accounts},
        [cast("TransferRow", row["transfer"]) for row in rows],
    )


_POST: Final = Write(ledger_transfer, 90, _post_all)


def reverse(
    connection: Connection,
    journal_id: uuid.UUID,
    *,
    effective_at: datetime,
    world: World,
) -> int:
    """
    Reverse all transfers of a journal that are not reversed yet; return how many.

    This corrects our own books; a refund is a business event of its own. The mirrors
    form a journal too. A second call returns 0. Raises `NotFound` if there is no such
    journal, and `NotAllowed` if it is a reversal: post what is right instead.
    """
    _check_aware(effective_at)
    originals = connection.execute(_JOURNAL, {"journal_id": journal_id}).mappings()
    mirror_id, now = world.new_uuid(), world.now()
    mirrors = [
        _mirror(original, mirror_id, now, effective_at) for original in originals
    ]
    if not mirrors:
        raise NotFound(f"no journal {journal_id}")
    return _write(connection, set(), mirrors)


def _check_aware(moment: datetime) -> None:
    """Raise `ValueError` for a time that nobody could place."""
    if moment.tzinfo is None:
        raise ValueError("effective_at has no time zone")


def _transfer(posting: Posting, journal_id: uuid.UUID, now: datetime) -> TransferRow:
    """Return the transfer that the posting rules make of `posting`."""
    debit, credit = posting.accounts
    return {
        "fact_key": posting.fact_key,
        "kind": posting.kind.value,
        "journal_id": journal_id,
        "merchant_id": posting.merchant_id,
        "payment_id": posting.payment_id,
        "debit_id": debit.id,
        "credit_id": credit.id,
        "amount": posting.amount.minor,
        "currency": posting.amount.currency,
        "effective_at": posting.effective_at,
        "created_at": now,
        "reverses": None,
        "digest": _digest(debit.id, credit.id, posting.amount.minor),
    }


def _mirror(
    original: RowMapping, journal_id: uuid.UUID, now: datetime, effective_at: datetime
) -> TransferRow:
    """Return the transfer that undoes `original`; its key follows from the original."""
    if original["reverses"] is not None:
        raise NotAllowed(f"transfer {original['id']} is itself a reversal")
    debit_id, credit_id = original["credit_id"], original["debit_id"]
    return {
        "fact_key": original["fact_key"],
        "kind": original["kind"] + _REVERSAL,
        "journal_id": journal_id,
        "merchant_id": original["merchant_id"],
        "payment_id": original["payment_id"],
        "debit_id": debit_id,
        "credit_id": credit_id,
        "amount": original["amount"],
        "currency": original["currency"],
        "effective_at": effective_at,
        "created_at": now,
        "reverses": original["id"],
        "digest": _digest(debit_id, credit_id, original["amount"]),
    }


def _digest(debit_id: str, credit_id: str, amount: int) -> str:
    """Return what a replay must agree in; merchant and currency are in the accounts."""
    fields = "\n".join((debit_id, credit_id, str(amount)))
    return hashlib.sha256(fields.encode()).hexdigest()


def _write(
    connection: Connection, accounts: set[Account], transfers: Sequence[TransferRow]
) -> int:
    """Write the transfers whose keys are new, then compare all with their keys."""
    if not transfers:
        return 0
    wanted: dict[Key, TransferRow] = {}
    for transfer in transfers:
        wanted.setdefault(_key(transfer), transfer)
    dialect = connection.dialect.name
    if dialect not in WRITERS:
        raise UsageError(f"the ledger cannot be written on {dialect}")
    rows = [wanted[key] for key in sorted(wanted)]
    written = WRITERS[dialect](connection, _account_rows(accounts), rows)
    digests = {key: wanted[key]["digest"] for key in written}
    digests |= _stored_digests(connection, wanted.keys() - written)
    for transfer in transfers:
        if digests[_key(transfer)] != transfer["digest"]:
            raise _conflict(_key(transfer))
    return len(written)


def _key(transfer: TransferRow) -> Key:
    return (transfer["fact_key"], transfer["kind"])


def _account_rows(accounts: set[Account]) -> list[AccountRow]:
    """Return the accounts as rows, in the order in which they may be locked."""
    return [
        {
            "id": account.id,
            "merchant_id": account.merchant_id,
            "code": account.code.value,
            "currency": account.currency,
            "normal": CHART[account.code].normal,
            "stripes": CHART[account.code].stripes,
        }
        for account in sorted(accounts, key=lambda account: account.id)
    ]


def _stored_digests(connection: Connection, keys: Set[Key]) -> dict[Key, str]:
    """Return what the books say of `keys`, and perhaps of others of the same facts."""
    if not keys:
        return {}
    fact_keys = sorted({fact_key for fact_key, _ in keys})
    return {
        (row.fact_key, row.kind): row.digest
        for row in connection.execute(_DIGESTS, {"fact_keys": fact_keys})
    }


def _conflict(key: Key) -> LedgerConflict:
    fact_key, kind = key
    return LedgerConflict(f"{kind} of {fact_key} has other accounts or another amount")
