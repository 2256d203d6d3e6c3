"""
What changing a payment's amount needs, whoever changes it.

The amount is what was agreed with the payer, so what the PSP shows is compared with it.
A command that changes it says first, in the same transaction as its claim, what it is
to become: then that is no mismatch when the PSP shows it, before or after its answer.
The column itself changes only when the PSP has shown it; a database trigger lets it
become nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

from paykit import psp
from paykit.engine import Context, Step
from paykit.operations.observe import amount_changed
from paykit.operations.payment_command import record_answer
from paykit.operations.record import Definite, definite
from paykit.operations.views import PaymentView
from paykit.store import payments
from paykit.store.events import NewEvent
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = ["ask_for", "record_change"]

_OUTDATED = 0
"""No version of a payment: what is compared with it is never fresh."""


def ask_for(tx: Tx, ctx: Context, row: PaymentRow, amount: int) -> PaymentRow:
    """Write down what the amount of a claimed payment is to become, in minor units."""
    changes = {"amount_asked": amount}
    return payments.save(tx, row, changes, cause=ctx.operation_id)


def record_change(
    tx: Tx,
    ctx: Context,
    payment_id: str,
    version: int,
    answer: psp.Answer,
    *,
    columns: Mapping[str, object] | None = None,
) -> Step[PaymentView]:
    """
    Record the answer to a command that may have changed the amount.

    `columns` are written if it succeeded; after a decline the payment stays as it was.
    For `version` see `record_answer`.
    """
    row = payments.load(tx, payment_id, merchant=None, lock=True)
    fresh = row.version == version
    row = _settle(tx, ctx, row, definite(answer), columns or {})
    version = row.version if fresh else _OUTDATED
    return record_answer(tx, ctx, payment_id, version, answer)


def _settle(
    tx: Tx,
    ctx: Context,
    row: PaymentRow,
    answer: Definite,
    columns: Mapping[str, object],
) -> PaymentRow:
    """Write what the command came to; what it asked for is over, whatever came."""
    changes: dict[str, object] = {}
    happened: list[NewEvent] = []
    if isinstance(answer, psp.Succeeded):
        changes |= columns
        if _shows(answer, row.amount_asked) and row.amount != row.amount_asked:
            assert row.amount_asked is not None
            changes["amount"] = row.amount_asked
            happened.append(amount_changed(row, row.amount_asked))
    if isinstance(answer, psp.Declined):
        happened.append(_declined(row, answer.decline))
    if row.amount_asked is not None:
        changes["amount_asked"] = None
    return payments.save(tx, row, changes, cause=ctx.operation_id, happened=happened)


def _shows(answer: psp.Succeeded, amount: int | None) -> bool:
    """Whether the PSP shows `amount`: an answer to a command is never outdated."""
    seen = answer.snapshot
    return isinstance(seen, psp.PaymentSnapshot) and seen.amount == amount


def _declined(row: PaymentRow, decline: psp.Decline) -> NewEvent:
    return NewEvent(
        type="payment.increment_declined",
        data={
            "amount": row.amount_asked,
            "code": decline.code,
            "decline_code": decline.decline_code,
            "currency": row.currency,
        },
    )
