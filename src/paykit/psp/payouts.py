"""
What a PSP says about payouts, in our words.

They move money between our balance there and our bank, and most are started by the
PSP itself. The rules of `paykit.psp.snapshots` hold for them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from paykit.psp.snapshots import BalanceTransaction

__all__ = ["PayoutSnapshot", "PayoutStatus"]


class PayoutStatus(StrEnum):
    """Where a payout stands at the PSP."""

    PENDING = auto()
    IN_TRANSIT = auto()
    PAID = auto()
    """The bank has it, as far as anybody knows: it may still fail, days later."""
    FAILED = auto()
    CANCELED = auto()
    UNRECOGNIZED = auto()
    """A word we do not know; see `PayoutSnapshot.raw_status`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutSnapshot:
    """
    A payout at the PSP.

    Its money leaves our balance when it is made, and comes back if it fails or is
    canceled. An event tells which movements there are by their ids alone.
    """

    reference: str
    status: PayoutStatus
    raw_status: str
    amount: int
    """In minor units of `currency`; negative if the PSP takes it from our bank."""
    currency: str
    automatic: bool
    """Whether the PSP started it, on the account's schedule."""
    arrival: datetime | None
    """When the bank is expected to have it."""
    failure_code: str | None
    """The PSP's word, such as ``account_closed``; an open string."""
    movements: tuple[BalanceTransaction, ...]
    """What it has moved on our balance, as far as that is shown here."""
    named: tuple[str, ...]
    """The ids of what else it has moved: a read shows these movements."""
