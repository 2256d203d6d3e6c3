"""
The audit: adds the transfers up again and compares them with everything kept beside.

The triggers make each finding impossible while they stand; an owner can drop them, and
a restore or a broken disk asks nobody. So the books are proved from the transfers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    Select,
    String,
    Subquery,
    and_,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from paykit.store.schema.ledger import (
    ledger_account,
    ledger_balance,
    ledger_key,
    ledger_transfer,
)

__all__ = ["Discrepancy", "audit"]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something in the books that cannot be: a bug, or somebody's work."""

    check: str
    """The check that found it: a key of the table below, such as ``balance``."""

    subject: str
    """The account, transfer or fact that it is about."""

    expected: str
    """What the transfers say."""

    found: str
    """What is kept beside them."""


def audit(connection: Connection) -> list[Discrepancy]:
    """
    Return every discrepancy of the ledger; none, if the books are right.

    Reads all transfers. Each check is one statement and so sees one moment, also while
    others write.
    """
    return [
        Discrepancy(check, str(subject), str(expected), str(found))
        for check, statement in _CHECKS.items()
        for subject, expected, found in connection.execute(statement)
    ]


_key, _transfer, _kept = ledger_key, ledger_transfer, ledger_balance


def _text(*parts: ColumnElement[Any]) -> ColumnElement[str]:
    """Return the parts as one text, with a space between them."""
    texts: list[ColumnElement[str]] = [cast(part, String) for part in parts]
    return reduce(lambda text, part: text + literal(" ") + part, texts)


def _sides() -> Subquery:
    """Return every amount that an account was debited or credited, and its counters."""
    amount, nothing = _transfer.c.amount, literal(0, BigInteger)
    columns = ("account", "debit", "credit", "kept_debit", "kept_credit")

    def named(*values: ColumnElement[Any]) -> Select[Any]:
        return select(*(v.label(n) for v, n in zip(values, columns, strict=True)))

    return union_all(
        named(_transfer.c.debit_id, amount, nothing, nothing, nothing),
        named(_transfer.c.credit_id, nothing, amount, nothing, nothing),
        named(_kept.c.account_id, nothing, nothing, _kept.c.debits, _kept.c.credits),
    ).subquery("side")


def _balances() -> Executable:
    """Accounts whose counters are not the sums of their transfers."""
    side = _sides()
    debits, credits = func.sum(side.c.debit), func.sum(side.c.credit)
    kept_debits, kept_credits = (
        func.sum(side.c.kept_debit),
        func.sum(side.c.kept_credit),
    )
    return (
        select(side.c.account, _text(debits, credits), _text(kept_debits, kept_credits))
        .group_by(side.c.account)
        .having(or_(debits != kept_debits, credits != kept_credits))
        .order_by(side.c.account)
    )


def _trial() -> Executable:
    """Merchants and currencies whose debits are not their credits."""
    owner = (ledger_account.c.merchant_id, ledger_account.c.currency)
    debits, credits = func.sum(_kept.c.debits), func.sum(_kept.c.credits)
    return (
        select(_text(*owner), _text(debits), _text(credits))
        .join_from(_kept, ledger_account)
        .group_by(*owner)
        .having(debits != credits)
        .order_by(*owner)
    )


def _of_owner(account_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the account is of the transfer's merchant and currency."""
    return exists().where(
        ledger_account.c.id == account_id,
        ledger_account.c.merchant_id == _transfer.c.merchant_id,
        ledger_account.c.currency == _transfer.c.currency,
    )


def _accounts() -> Executable:
    """Transfers with an account that is missing, or of another merchant or currency."""
    debit, credit = _transfer.c.debit_id, _transfer.c.credit_id
    return (
        select(
            _text(_transfer.c.id),
            _text(_transfer.c.merchant_id, _transfer.c.currency),
            _text(debit, credit),
        )
        .where(not_(and_(_of_owner(debit), _of_owner(credit))))
        .order_by(_transfer.c.id)
    )


def _named() -> ColumnElement[bool]:
    """Whether key and transfer belong together."""
    return and_(
        _key.c.fact_key == _transfer.c.fact_key,
        _key.c.kind == _transfer.c.kind,
        _key.c.transfer_id == _transfer.c.id,
    )


def _keys() -> Executable:
    """Transfers without the key that makes them unique."""
    fact = _text(_transfer.c.fact_key, _transfer.c.kind)
    return (
        select(fact, _text(_transfer.c.id), literal("no key"))
        .where(~exists(literal(1)).where(_named()).correlate(_transfer))
        .order_by(_transfer.c.id)
    )


def _lost() -> Executable:
    """Keys without their transfer."""
    fact = _text(_key.c.fact_key, _key.c.kind)
    return (
        select(fact, literal("no transfer"), _text(_key.c.transfer_id))
        .where(~exists(literal(1)).where(_named()).correlate(_key))
        .order_by(_key.c.transfer_id)
    )


def _reversals() -> Executable:
    """Reversals that are not the mirror of what they name."""
    original = _transfer.alias("original")
    mirrored = exists().where(
        original.c.id == _transfer.c.reverses,
        original.c.reverses.is_(None),
        original.c.debit_id == _transfer.c.credit_id,
        original.c.credit_id == _transfer.c.debit_id,
        original.c.amount == _transfer.c.amount,
    )
    return (
        select(
            _text(_transfer.c.id),
            literal("a mirror"),
            _text(_transfer.c.reverses, _transfer.c.amount),
        )
        .where(_transfer.c.reverses.is_not(None), not_(mirrored))
        .order_by(_transfer.c.id)
    )


_CHECKS: Final[Mapping[str, Executable]] = MappingProxyType(
    {
        "balance": _balances(),
        "trial": _trial(),
        "account": _accounts(),
        "key": _keys(),
        "transfer": _lost(),
        "reversal": _reversals(),
    }
)
