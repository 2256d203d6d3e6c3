"""Small parts that the record phases share."""

from __future__ import annotations

from typing import TypeAlias

from paykit import psp

__all__ = ["Definite", "definite", "payment_in"]

Definite: TypeAlias = (
    psp.Succeeded | psp.ActionRequired | psp.Pending | psp.Declined | psp.Rejected
)
"""The answers that a record phase can be given; the engine keeps the others away."""


def definite(answer: psp.Answer) -> Definite:
    """Narrow `answer`; anything else would be a bug of the engine."""
    if not isinstance(answer, Definite):
        raise AssertionError(f"{type(answer).__name__} is not for recording")
    return answer


def payment_in(answer: Definite) -> psp.PaymentSnapshot:
    """Return the payment that an answer to a payment command shows."""
    snapshot = None if isinstance(answer, psp.Rejected) else answer.snapshot
    if not isinstance(snapshot, psp.PaymentSnapshot):
        raise AssertionError(f"{type(answer).__name__} shows no payment")
    return snapshot
