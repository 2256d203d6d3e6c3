"""
The chart of accounts and the posting rules, as data.

Every merchant has these accounts in every currency in which something happened. The
sale is posted gross, the PSP's fee by itself, and a refund does not touch the sale: so
each figure can be compared with the PSP's own report line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["CHART", "RULES", "Account", "AccountCode", "PostingKind", "Rule", "Terms"]


class AccountCode(StrEnum):
    """What an account is for."""

    PSP_BALANCE = "psp_balance"
    """Our money at the PSP, settled or about to be: an asset."""

    SALES = "sales"
    """What was captured, gross: revenue."""

    PSP_FEES = "psp_fees"
    """What the PSP kept for its work: an expense."""

    REFUNDS = "refunds"
    """What went back to payers: set against revenue, so a debit account."""

    DISPUTES = "disputes"
    """What payers' banks took back, less what we won: against revenue, like refunds."""

    PAYOUTS = "payouts"
    """
    What was paid out: on its way to our bank, or there. An asset, which the host clears
    against the bank's statement.
    """


class PostingKind(StrEnum):
    """What happened, as far as the ledger is concerned."""

    CAPTURE = "capture"
    FEE = "fee"
    FEE_REFUND = "fee_refund"
    """The PSP gave a fee back (a balance transaction with a negative fee)."""

    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    """A refund that had succeeded came back to our balance."""

    CHARGE_FAILURE = "charge_failure"
    """A charge that had succeeded failed after all, such as a returned debit."""

    DISPUTE = "dispute"
    """The payer's bank took the disputed amount."""
    DISPUTE_FEE = "dispute_fee"
    DISPUTE_FEE_REFUND = "dispute_fee_refund"
    """The PSP gave the fee of a dispute back, as it does for some that are won."""
    DISPUTE_REINSTATEMENT = "dispute_reinstatement"
    """
    The disputed amount, or a part of it, came back to our balance.

    Not "reversal", as Stripe calls it: in the ledger that is a correction of our own
    books, and the database lets such a kind only mirror what it reverses.
    """

    PAYOUT = "payout"
    """Money left our balance for our bank."""
    PAYOUT_FAILURE = "payout_failure"
    """The bank did not take it, perhaps after days: it is on our balance again."""
    PAYOUT_CANCELLATION = "payout_cancellation"
    BANK_DEBIT = "bank_debit"
    """The PSP took it from our bank, because our balance was negative."""
    BANK_DEBIT_RETURN = "bank_debit_return"
    """The bank took that back, or the PSP gave it up."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How accounts of one code are kept."""

    normal: str
    """The side on which the account grows: ``D`` (debit) or ``C`` (credit)."""

    stripes: int = 1
    """In how many rows PostgreSQL keeps the balance; more for what everybody writes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which account a kind of posting debits, and which it credits."""

    debit: AccountCode
    credit: AccountCode


@dataclass(frozen=True, slots=True)
class Account:
    """One account: a merchant's, for one purpose, in one currency."""

    merchant_id: str
    code: AccountCode
    currency: str

    @property
    def id(self) -> str:
        """The account's primary key; neither code nor currency contains a colon."""
        return f"{self.merchant_id}:{self.code}:{self.currency}"


CHART: Final[Mapping[AccountCode, Terms]] = MappingProxyType(
    {
        AccountCode.PSP_BALANCE: Terms("D", stripes=16),
        AccountCode.SALES: Terms("C", stripes=16),
        AccountCode.PSP_FEES: Terms("D"),
        AccountCode.REFUNDS: Terms("D"),
        AccountCode.DISPUTES: Terms("D"),
        AccountCode.PAYOUTS: Terms("D"),
    }
)
"""How the accounts are kept. Sixteen stripes made one hot account as fast as many."""

RULES: Final[Mapping[PostingKind, Rule]] = MappingProxyType(
    {
        kind: Rule(debit, credit)
        for kind, debit, credit in (
            (PostingKind.CAPTURE, AccountCode.PSP_BALANCE, AccountCode.SALES),
            (PostingKind.FEE, AccountCode.PSP_FEES, AccountCode.PSP_BALANCE),
            (PostingKind.FEE_REFUND, AccountCode.PSP_BALANCE, AccountCode.PSP_FEES),
            (PostingKind.REFUND, AccountCode.REFUNDS, AccountCode.PSP_BALANCE),
            (PostingKind.REFUND_FAILURE, AccountCode.PSP_BALANCE, AccountCode.REFUNDS),
            (PostingKind.CHARGE_FAILURE, AccountCode.SALES, AccountCode.PSP_BALANCE),
            (PostingKind.DISPUTE, AccountCode.DISPUTES, AccountCode.PSP_BALANCE),
            (PostingKind.DISPUTE_FEE, AccountCode.PSP_FEES, AccountCode.PSP_BALANCE),
            (
                PostingKind.DISPUTE_FEE_REFUND,
                AccountCode.PSP_BALANCE,
                AccountCode.PSP_FEES,
            ),
            (
                PostingKind.DISPUTE_REINSTATEMENT,
                AccountCode.PSP_BALANCE,
                AccountCode.DISPUTES,
            ),
            (PostingKind.PAYOUT, AccountCode.PAYOUTS, AccountCode.PSP_BALANCE),
            (PostingKind.PAYOUT_FAILURE, AccountCode.PSP_BALANCE, AccountCode.PAYOUTS),
            (
                PostingKind.PAYOUT_CANCELLATION,
                AccountCode.PSP_BALANCE,
                AccountCode.PAYOUTS,
            ),
            (PostingKind.BANK_DEBIT, AccountCode.PSP_BALANCE, AccountCode.PAYOUTS),
            (
                PostingKind.BANK_DEBIT_RETURN,
                AccountCode.PAYOUTS,
                AccountCode.PSP_BALANCE,
            ),
        )
    }
)
"""The posting rules."""
