"""
What confirming, capturing and canceling share: claim the payment, observe the answer.

Each is one question about a payment that the PSP knows, so evidence is always a read of
that one object.
"""

from __future__ import annotations

from paykit import psp
from paykit.engine import Context, Done, Failed, Step
from paykit.errors import InProgress, NotAllowed, PspRejected
from paykit.lifecycle import PAYMENT, PaymentEvent, fire
from paykit.operations.observe import observe_payment, read_again
from paykit.operations.record import definite
from paykit.operations.views import PaymentView, payment_view, with_decline
from paykit.store import claims, operations, payments
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = ["claim_payment", "known_reference", "record_answer"]


def claim_payment(
    tx: Tx,
    ctx: Context,
    payment_id: str,
    command: PaymentEvent,
    *,
    supersedes: frozenset[PaymentEvent] = frozenset(),
) -> PaymentRow:
    """
    Lock the payment and claim it for `command`.

    Raises `NotFound`, `IllegalTransition` if its state does not allow the command, and
    `InProgress` if another command is under way.
    """
    row = payments.load(tx, payment_id, merchant=ctx.merchant, lock=True)
    if row.binding != ctx.binding:
        raise NotAllowed(
            f"payment {row.id} belongs to {row.binding}, this merchant now uses "
            f"{ctx.binding}; use a service for the former account"
        )
    holder = claims.claimed_by(tx, row.id)
    if holder is None or holder[0] != ctx.operation_id:
        fire(PAYMENT, row.state, command)
        claims.claim_command(
            tx,
            row.id,
            command,
            ctx.operation_id,
            holder=holder,
            supersedes=supersedes,
        )
        if holder is not None:
            # It was taken over: nobody wants that to be sent any more, only known.
            operations.withdraw(tx, holder[0])
    return row


def known_reference(row: PaymentRow) -> str:
    """Return the PSP's id of the payment; raises `InProgress` while it has none."""
    if row.psp_reference is None:
        raise InProgress(f"payment {row.id} is still being created; repeat the call")
    return row.psp_reference


def record_answer(
    tx: Tx, ctx: Context, payment_id: str, version: int, answer: psp.Answer
) -> Step[PaymentView]:
    """
    Release the claim and take in what the answer shows.

    `version` is that of the payment when it was asked: if anything changed since, the
    answer may be older than what we know, and the payment is read again. A decline is a
    result that says why, whatever was asked for.
    """
    row = payments.load(tx, payment_id, merchant=None, lock=True)
    claims.release_claim(tx, row.id, ctx.operation_id)
    heard = definite(answer)
    if isinstance(heard, psp.Rejected):
        read_again(tx, row.id)
        return Failed(PspRejected(heard.message, code=heard.code))
    fresh = row.version == version
    if not fresh or heard.snapshot is None:
        read_again(tx, row.id)
    if isinstance(heard.snapshot, psp.PaymentSnapshot):
        cause = ctx.operation_id
        row = observe_payment(tx, row, heard.snapshot, cause=cause, fresh=fresh)
    view = payment_view(row)
    if isinstance(heard, psp.Declined):
        view = with_decline(view, heard.decline)
    return Done(view)
