"""
Read a payment from the PSP again: its state, and what the PSP took as fees.

The gross amounts are booked from the payment itself; balance transactions add fees and
verify the gross, they never post it again (DESIGN law 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Literal, TypeAlias

from paykit.engine import Environment, Flow, ask, commit
from paykit.lifecycle import RefundState
from paykit.money import Money
from paykit.operations.observe import observe_payment
from paykit.operations.observe_dispute import observe_dispute
from paykit.operations.observe_refund import observe_refund
from paykit.psp import (
    Answer,
    BalanceTransaction,
    Conflict,
    DisputeSnapshot,
    ListBalanceTransactions,
    PaymentSnapshot,
    ReadDispute,
    ReadPayment,
    ReadRefund,
    RefundSnapshot,
    Rejected,
    Succeeded,
)
from paykit.psp.facts import balance_fact
from paykit.store import breaks, disputes, ledger, payments, refunds
from paykit.store.chart import PostingKind
from paykit.store.ledger import Posting
from paykit.store.payments import PaymentRow
from paykit.store.tx import Tx

__all__ = ["INCOMPLETE", "Shown", "refresh_payment"]

INCOMPLETE: Final = "balance_incomplete"
"""The break of a payment whose money does not appear on the balance."""

Shown: TypeAlias = Literal["all", "part", "nothing"]
"""How much of what must be on the balance the PSP shows: all of it, not all yet, or
nothing could be read, which says nothing about the payment."""

_REFUSED: Final = (Conflict, Rejected, Succeeded)
"""Answers to a read that say something about the payment; others about the PSP."""

_WAITING: Final = frozenset({RefundState.PENDING, RefundState.REQUIRES_ACTION})
_NOT_OWN: Final = frozenset(
    {"refund", "refund_failure", "charge_failure", "dispute", "dispute_reversal"}
)
"""What comes of a charge later; a list by charge may hold it as well."""

_DISPUTES: Final = frozenset({"dispute", "dispute_reversal"})
"""Movements that are booked, with their fees, where the dispute is observed."""


def refresh_payment(env: Environment, payment_id: str) -> Flow[Shown]:
    """
    Read one payment and its fees now; what the PSP shows of them.

    Once it shows all, the break is closed that was opened because it did not.
    """
    row = yield from commit(partial(_load, payment_id))
    if row.psp_reference is None:
        return "all"
    psp = env.psps.for_binding(row.binding)
    call = psp.prepare(ReadPayment(payment=row.psp_reference), None)
    answer = yield from ask(env, row.binding, call)
    if not isinstance(answer, Succeeded):
        return _unread(answer)
    if not isinstance(answer.snapshot, PaymentSnapshot):
        return "part"
    row = yield from commit(partial(_observe, row, answer.snapshot))
    yield from _waiting_refunds(env, row)
    yield from _disputes(env, row)
    return (yield from _fees(env, row))


def _waiting_refunds(env: Environment, row: PaymentRow) -> Flow[None]:
    """Read the refunds that the PSP has accepted and not yet ended."""
    psp = env.psps.for_binding(row.binding)
    for reference in (yield from commit(partial(_waiting, row))):
        call = psp.prepare(ReadRefund(refund=reference), None)
        answer = yield from ask(env, row.binding, call)
        if isinstance(answer, Succeeded) and isinstance(
            answer.snapshot, RefundSnapshot
        ):
            yield from commit(partial(_observe_refund, row, answer.snapshot))


def _disputes(env: Environment, row: PaymentRow) -> Flow[None]:
    """Read the disputes that we know of: also one that was lost may be won since."""
    psp = env.psps.for_binding(row.binding)
    for reference in (yield from commit(partial(_disputed, row))):
        row = yield from commit(partial(_load, row.id))
        call = psp.prepare(ReadDispute(dispute=reference), None)
        answer = yield from ask(env, row.binding, call)
        if isinstance(answer, Succeeded) and isinstance(
            answer.snapshot, DisputeSnapshot
        ):
            yield from commit(partial(_observe_dispute, row, answer.snapshot))


def _fees(env: Environment, row: PaymentRow) -> Flow[Shown]:
    """Book the fees of the charge and of each refund."""
    psp = env.psps.for_binding(row.binding)
    sources = yield from commit(partial(_sources, row))
    shown = list[Shown]()
    for source, gross in sources:
        call = psp.prepare(ListBalanceTransactions(source=source), None)
        answer = yield from ask(env, row.binding, call)
        found = answer.snapshot if isinstance(answer, Succeeded) else None
        if not isinstance(found, tuple):
            shown.append(_unread(answer))
            continue
        shown.append("all" if _complete(row, found, gross) else "part")
        settled = shown == ["all"] * len(sources)
        yield from commit(partial(_book, row, found, settled))
    return min(shown, key=_WORST_FIRST.index) if shown else "all"


_WORST_FIRST: Final[Sequence[Shown]] = ("nothing", "part", "all")


def _unread(answer: Answer) -> Shown:
    """Return what a read without an object shows: a refusal is an answer."""
    return "part" if isinstance(answer, _REFUSED) else "nothing"


def _complete(row: PaymentRow, found: Sequence[BalanceTransaction], gross: int) -> bool:
    """
    Whether the balance shows `gross`; other currencies cannot be compared.

    A partial capture shows the whole charge and then its reversal, and a list by
    charge may hold the first alone, or the refunds of the charge as well.
    """
    if any(transaction.currency != row.currency for transaction in found):
        return True
    if gross < 0:
        return any(transaction.amount == gross for transaction in found)
    own = [one.amount for one in found if one.category not in _NOT_OWN]
    return bool(own) and (sum(own) == gross or (len(own) == 1 and own[0] > gross))


# -- phases ----------------------------------------------------------------------------


def _load(payment_id: str, tx: Tx) -> PaymentRow:
    return payments.load(tx, payment_id, merchant=None, lock=False)


def _observe(read: PaymentRow, seen: PaymentSnapshot, tx: Tx) -> PaymentRow:
    row = payments.load(tx, read.id, merchant=None, lock=True)
    fresh = row.version == read.version
    return observe_payment(tx, row, seen, cause="refresh", fresh=fresh)


def _waiting(row: PaymentRow, tx: Tx) -> tuple[str, ...]:
    return tuple(
        refund.psp_reference
        for refund in refunds.of_payment(tx, row.id)
        if refund.psp_reference is not None and refund.state in _WAITING
    )


def _observe_refund(read: PaymentRow, seen: RefundSnapshot, tx: Tx) -> None:
    row = payments.load(tx, read.id, merchant=None, lock=True)
    fresh = row.version == read.version
    observe_refund(tx, row, seen, cause="refresh", fresh=fresh)


def _disputed(row: PaymentRow, tx: Tx) -> tuple[str, ...]:
    return tuple(one.psp_reference for one in disputes.of_payment(tx, row.id))


def _observe_dispute(read: PaymentRow, seen: DisputeSnapshot, tx: Tx) -> None:
    row = payments.load(tx, read.id, merchant=None, lock=True)
    fresh = row.version == read.version
    observe_dispute(tx, row, seen, cause="refresh", fresh=fresh)


def _sources(row: PaymentRow, tx: Tx) -> tuple[tuple[str, int], ...]:
    """Return what must show on the balance: (charge or refund, gross amount)."""
    sources: list[tuple[str, int]] = []
    if row.charge_reference is not None and row.captured:
        sources.append((row.charge_reference, row.captured))
    for refund in refunds.of_payment(tx, row.id):
        if refund.psp_reference is None:
            continue
        if refund.state is RefundState.SUCCEEDED:
            sources.append((refund.psp_reference, -refund.amount))
    return tuple(sources)


def _book(
    row: PaymentRow, found: Sequence[BalanceTransaction], settled: bool, tx: Tx
) -> None:
    """Book the fees of one source; `settled` after the last one, if all is shown."""
    postings = [
        Posting(
            kind=PostingKind.FEE if one.fee > 0 else PostingKind.FEE_REFUND,
            fact_key=balance_fact(row.binding, one.reference),
            merchant_id=row.merchant_id,
            payment_id=row.id,
            amount=Money(abs(one.fee), one.currency),
            effective_at=one.created or tx.now,
        )
        for one in found
        if one.fee and one.category not in _DISPUTES
    ]
    if postings:
        ledger.post_later(tx, postings)
    if settled:
        breaks.close_break(tx, row.id, INCOMPLETE)
