"""
Reading the ledger: balances, and the transfers of a payment.

Balances come from counters that the database keeps: one row an account, or sixteen,
whatever its history.
`paykit.store.audit` proves that the counters are right.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, func, select

from paykit.money import Money
from paykit.store.chart import CHART, Account
from paykit.store.schema.ledger import ledger_account, ledger_balance, ledger_transfer

__all__ = ["AccountBalance", "Transfer", "balance", "transfers_of", "trial_balance"]


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What one account adds up to, in minor units of its currency."""

    account_id: str
    merchant_id: str
    code: str
    currency: str
    normal: str
    """The side on which the account grows: ``D`` (debit) or ``C`` (credit)."""

    debits: int
    credits: int

    @property
    def net(self) -> int:
        """The balance on the account's normal side; negative if it is on the other."""
        difference = self.debits - self.credits
        return difference if self.normal == "D" else -difference


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement as it stands in the books."""

    id: int
    journal_id: uuid.UUID
    """Shared by the transfers that were posted together."""

    fact_key: str
    kind: str
    """A `PostingKind`, or one with ``_reversal``."""

    merchant_id: str
    payment_id: str | None
    debit_id: str
    credit_id: str
    amount: Money
    effective_at: datetime
    """When it happened by the PSP's account."""

    created_at: datetime
    """When we wrote it down."""

    reverses: int | None
    """The transfer that this one takes back."""


_TRANSFERS: Final = (
    select(ledger_transfer)
    .where(ledger_transfer.c.payment_id == bindparam("payment_id"))
    .order_by(ledger_transfer.c.id)
)

_BALANCES: Final = (
    select(
        ledger_account.c.id,
        ledger_account.c.merchant_id,
        ledger_account.c.code,
        ledger_account.c.currency,
        ledger_account.c.normal,
        func.sum(ledger_balance.c.debits).label("debits"),
        func.sum(ledger_balance.c.credits).label("credits"),
    )
    .join_from(ledger_account, ledger_balance)
    .group_by(ledger_account.c.id)
    .order_by(ledger_account.c.currency, ledger_account.c.id)
)

_OF_MERCHANT: Final = _BALANCES.where(
    ledger_account.c.merchant_id == bindparam("merchant_id")
)

_OF_ACCOUNT: Final = _BALANCES.where(ledger_account.c.id == bindparam("account_id"))


def balance(connection: Connection, account: Account) -> AccountBalance:
    """Return what `account` adds up to; zero if nothing was ever posted to it."""
    found = connection.execute(_OF_ACCOUNT, {"account_id": account.id})
    row = found.mappings().one_or_none()
    if row is not None:
        return _balance(row)
    return AccountBalance(
        account_id=account.id,
        merchant_id=account.merchant_id,
        code=account.code.value,
        currency=account.currency,
        normal=CHART[account.code].normal,
        debits=0,
        credits=0,
    )


def trial_balance(
    connection: Connection, merchant: str | None = None
) -> list[AccountBalance]:
    """
    Return all accounts of `merchant`, or of everybody, by currency and account.

    Within each merchant and currency the debits equal the credits, at any moment: the
    list is one snapshot.
    """
    if merchant is None:
        rows = connection.execute(_BALANCES)
    else:
        rows = connection.execute(_OF_MERCHANT, {"merchant_id": merchant})
    return [_balance(row) for row in rows.mappings()]


def _balance(row: RowMapping) -> AccountBalance:
    """Return the row as a value; PostgreSQL adds integers up to a decimal."""
    return AccountBalance(
        account_id=row["id"],
        merchant_id=row["merchant_id"],
        code=row["code"],
        currency=row["currency"],
        normal=row["normal"],
        debits=int(row["debits"]),
        credits=int(row["credits"]),
    )


def transfers_of(connection: Connection, payment_id: str) -> list[Transfer]:
    """Return the transfers of a payment, in the order in which they were written."""
    rows = connection.execute(_TRANSFERS, {"payment_id": payment_id}).mappings()
    return [_transfer(row) for row in rows]


def _transfer(row: RowMapping) -> Transfer:
    amount = Money(row["amount"], row["currency"])
    same = {
        field.name: row[field.name]
        for field in fields(Transfer)
        if field.name != "amount"
    }
    return Transfer(amount=amount, **same)
