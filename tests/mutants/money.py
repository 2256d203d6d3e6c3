"""Bugs in refunds and in the ledger."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, mutant

__all__ = ["MONEY"]

MONEY: Final[tuple[Mutant, ...]] = (
    mutant(
        "refused_refund_keeps_its_reservation",
        "what the PSP did not refund can never be refunded",
        (
            "operations/refund_payment.py",
            "        released = release_reservation(row, refund)\n",
            "        released = {}\n",
        ),
        area="refunds",
    ),
    mutant(
        "refund_counted_before_it_succeeds",
        "the customer is told of money that has not moved",
        (
            "operations/observe_refund.py",
            '    if after.state is RefundState.SUCCEEDED:\n        columns["refunded"]',
            '    if after.state not in _OVER:\n        columns["refunded"]',
        ),
        area="refunds",
    ),
    mutant(
        "own_refund_adopted_as_foreign",
        "each refund is counted twice against what was captured",
        (
            "operations/observe_refund.py",
            "        refund_id=refund_of(seen.metadata),\n",
            "        refund_id=None,\n",
        ),
        area="refunds",
    ),
    mutant(
        "refund_not_booked",
        "the books show money that was given back",
        (
            "operations/observe_refund.py",
            '        _post(tx, row, after, PostingKind.REFUND, "succeeded")\n',
            "",
        ),
        area="ledger",
    ),
    mutant(
        "refund_booked_backwards",
        "each refund makes the books richer",
        (
            "store/chart.py",
            "(PostingKind.REFUND, AccountCode.REFUNDS, AccountCode.PSP_BALANCE)",
            "(PostingKind.REFUND, AccountCode.PSP_BALANCE, AccountCode.REFUNDS)",
        ),
        area="ledger",
    ),
    mutant(
        "returned_debit_not_booked",
        "the books show a debit that the bank took back",
        ("operations/observe.py", "    if total <= row.returned:\n", "    if True:\n"),
        area="ledger",
    ),
    mutant(
        "dispute_not_booked",
        "the books show money that the bank took",
        ("operations/observe_dispute.py", "    _post(tx, now, moved)\n", ""),
        area="ledger",
    ),
    mutant(
        "dispute_fact_per_look",
        "a dispute is booked again with every event of it",
        (
            "operations/observe_dispute.py",
            "    moved = [m for m in seen.movements "
            "if m.reference not in known.movements]\n",
            "    moved = list(seen.movements)\n",
        ),
        (
            "operations/observe_dispute.py",
            "fact_key=balance_fact(row.binding, movement.reference),",
            "fact_key=balance_fact(row.binding, str(tx.new_uuid())),",
        ),
        area="ledger",
    ),
)
