"""
The ledger's tables: accounts, fact keys, transfers, and the balances they add up to.

One transfer row is one debit account, one credit account and one positive amount, so an
unbalanced movement cannot be written down (DESIGN 8). What the columns cannot say is in
`paykit.store.schema.ledger_triggers`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from paykit.store.ddl import append_only, install
from paykit.store.schema import ledger_triggers
from paykit.store.schema.base import Id, UtcDateTime, metadata

__all__ = [
    "ledger_account",
    "ledger_balance",
    "ledger_key",
    "ledger_transfer",
]

_AccountId = String(128)
_Code = String(32)
_Currency = String(3)
_Kind = String(64)
_FactKey = String(512)

# SQLite gives a column of its own row number to INTEGER PRIMARY KEY, not to BIGINT.
_TransferId = BigInteger().with_variant(Integer, "sqlite")


def _whole(*columns: str) -> CheckConstraint:
    """Refuse 1.5 minor units, and a sum that SQLite has turned into a float."""
    text = " AND ".join(f"typeof({column}) = 'integer'" for column in columns)
    return CheckConstraint(text, name="whole").ddl_if(dialect="sqlite")


ledger_account = Table(
    "paykit_ledger_account",
    metadata,
    Column("id", _AccountId, primary_key=True),
    Column("merchant_id", Id, nullable=False),
    Column("code", _Code, nullable=False),
    Column("currency", _Currency, nullable=False),
    Column("normal", String(1), nullable=False),
    Column("stripes", SmallInteger, nullable=False, server_default="1"),
    UniqueConstraint("id", "merchant_id", "currency"),
    CheckConstraint(
        "id = merchant_id || ':' || code || ':' || currency", name="id_from_parts"
    ),
    CheckConstraint("code NOT LIKE '%:%'", name="code_plain"),
    CheckConstraint("normal IN ('D', 'C')", name="normal_side"),
    CheckConstraint("stripes BETWEEN 1 AND 64", name="stripes_bounded"),
    sqlite_with_rowid=False,
)
"""One account of one merchant in one currency; opened by its first transfer, and never
changed. `normal` is the side on which it grows; `stripes` the number of balance rows
that share its writers."""

ledger_key = Table(
    "paykit_ledger_key",
    metadata,
    Column("fact_key", _FactKey, primary_key=True),
    Column("kind", _Kind, primary_key=True),
    Column("transfer_id", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    sqlite_with_rowid=False,
)
"""The identity of every transfer: one per fact and posting kind, for ever. Never
archived, so that a replay is known years later, when the transfer itself is in another
place; `digest` tells whether it said the same."""

ledger_transfer = Table(
    "paykit_ledger_transfer",
    metadata,
    Column("id", _TransferId, Identity(), primary_key=True, autoincrement=True),
    Column("journal_id", Uuid, nullable=False, index=True),
    Column("fact_key", _FactKey, nullable=False),
    Column("kind", _Kind, nullable=False),
    Column("merchant_id", Id, nullable=False),
    Column("payment_id", Id, index=True),
    Column("debit_id", _AccountId, nullable=False),
    Column("credit_id", _AccountId, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", _Currency, nullable=False),
    Column("effective_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("reverses", BigInteger),
    CheckConstraint("id > 0", name="id_positive"),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("debit_id <> credit_id", name="two_accounts"),
    _whole("amount"),
    # One merchant and one currency on both sides; so each of them sums to zero.
    ForeignKeyConstraint(
        ["debit_id", "merchant_id", "currency"],
        [
            ledger_account.c.id,
            ledger_account.c.merchant_id,
            ledger_account.c.currency,
        ],
    ),
    ForeignKeyConstraint(
        ["credit_id", "merchant_id", "currency"],
        [
            ledger_account.c.id,
            ledger_account.c.merchant_id,
            ledger_account.c.currency,
        ],
    ),
)
"""One movement of money; transfers of one `journal_id` were posted together.

Ordered and paged by `id`: the order in which ids were given out, which is not the order
of commits. `effective_at` is the PSP's time, `created_at` ours. A transfer that
`reverses` another is its mirror; it has the original's fact key, and its kind with
``_reversal``, so that the key table lets it happen once."""

Index(None, ledger_transfer.c.debit_id, ledger_transfer.c.id)
Index(None, ledger_transfer.c.credit_id, ledger_transfer.c.id)

ledger_balance = Table(
    "paykit_ledger_balance",
    metadata,
    Column("account_id", _AccountId, ForeignKey(ledger_account.c.id), primary_key=True),
    Column("stripe", SmallInteger, primary_key=True, autoincrement=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("last_transfer_id", BigInteger, nullable=False),
    CheckConstraint("debits >= 0 AND credits >= 0", name="not_negative"),
    _whole("debits", "credits"),
    sqlite_with_rowid=False,
)
"""What the transfers of an account add up to, written by the database alone. An account
has up to `stripes` rows, so that concurrent writers need not wait for one another."""

append_only(ledger_account, quietly=True)
append_only(ledger_key)
append_only(ledger_transfer)
install(ledger_balance, ledger_triggers.balance_guard())
install(ledger_transfer, ledger_triggers.transfer_guard())
