"""What the tests expect of an answer, with a message that shows what came instead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paykit.psp import (
    Answer,
    BalanceTransaction,
    Capabilities,
    Conflict,
    PaymentSnapshot,
    Pending,
    RefundSnapshot,
    Rejected,
    Succeeded,
)

__all__ = [
    "balance_in",
    "movements_in",
    "nothing_in",
    "payment_in",
    "refund_in",
    "refused",
    "require",
    "told",
]


def payment_in(answer: Answer) -> PaymentSnapshot:
    """Return the payment of a success."""
    assert isinstance(answer, Succeeded), f"not a success: {answer}"
    assert isinstance(answer.snapshot, PaymentSnapshot), f"no payment: {answer}"
    return answer.snapshot


def refund_in(answer: Answer) -> RefundSnapshot:
    """Return the refund of a success, or of one whose end comes later."""
    assert isinstance(answer, Succeeded | Pending), f"not a success: {answer}"
    assert isinstance(answer.snapshot, RefundSnapshot), f"no refund: {answer}"
    return answer.snapshot


def nothing_in(answer: Answer) -> None:
    """Check that a search says definitely: there is no such thing."""
    assert isinstance(answer, Succeeded), f"not a definite answer: {answer}"
    assert answer.snapshot is None, f"found what does not exist: {answer}"


def movements_in(answer: Answer) -> tuple[BalanceTransaction, ...]:
    """Return the movements on the balance that a list shows."""
    assert isinstance(answer, Succeeded), f"not a success: {answer}"
    assert isinstance(answer.snapshot, tuple), f"no movements: {answer}"
    return answer.snapshot


def balance_in(movements: tuple[BalanceTransaction, ...], currency: str) -> int:
    """Return the sum of `movements`; skips if they are settled in another currency."""
    if any(movement.currency != currency for movement in movements):
        pytest.skip("the test account settles in another currency")
    return sum(movement.amount for movement in movements)


def refused(answer: Answer) -> None:
    """Check that the provider refused for good: invalid, or not in this state."""
    assert isinstance(answer, Rejected | Conflict), f"not refused: {answer}"


def told(answer: Answer) -> Answer:
    """Return `answer` without what differs between an answer and its repetition."""
    return replace(answer, request_id=None, replayed=False)


def require(capable: bool, what: str, capabilities: Capabilities) -> None:
    """Skip a test of what the provider cannot do."""
    if not capable:
        pytest.skip(f"the adapter offers no {what}: {capabilities}")
