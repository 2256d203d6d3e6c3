"""
Fact keys: the identity of what happened, from the PSP's data alone.

The same fact has the same key in a response, an event, a list and a report, so its
effects can be unique per fact and not per message (DESIGN law 8). A key never ends in
our ids, which a lost row could change.
"""

from __future__ import annotations

__all__ = ["balance_fact", "capture_fact", "charge_failed_fact", "refund_fact"]


def capture_fact(binding: str, charge: str, captured_total: int) -> str:
    """`charge` has had `captured_total` minor units captured, all told."""
    return f"{binding}/capture/{charge}/{captured_total}"


def charge_failed_fact(binding: str, charge: str) -> str:
    """`charge`, which had succeeded, failed after all (a returned debit)."""
    return f"{binding}/charge_failed/{charge}"


def refund_fact(binding: str, refund: str, outcome: str) -> str:
    """`refund` came to `outcome`: ``succeeded``, or ``failed`` after that."""
    return f"{binding}/refund/{refund}/{outcome}"


def balance_fact(binding: str, transaction: str) -> str:
    """The balance transaction moved our balance at the PSP, and had its fee."""
    return f"{binding}/balance/{transaction}"
