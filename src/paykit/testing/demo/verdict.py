"""The end of the demo: what must hold, and what the books look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paykit import (
    Money,
    PaymentState,
    PaymentView,
)
from paykit.store import ledger
from paykit.store.balances import AccountBalance
from paykit.testing.demo.shop import Demo

__all__ = ["as_document", "problems", "show_history", "show_ledger"]


def problems(demo: Demo, payments: Sequence[PaymentView]) -> list[str]:
    """Return every invariant that is off."""
    found = [str(one) for one in _audit(demo)]
    for account in _unbalanced(demo.service.trial_balance()):
        found.append(f"the ledger does not sum to zero in {account}")
    for payment in payments:
        now = demo.service.get_payment(payment.id)
        paid = demo.sim is not None or now.state is not PaymentState.CANCELED
        if paid and now.state is not PaymentState.SUCCEEDED:
            found.append(f"payment {now.id} is {now.state}")
    if demo.sim is not None:
        charges = demo.sim.effects().charges
        found += [f"{one} was charged {n} times" for one, n in charges.items() if n > 1]
    pending = {k: n for k, n in demo.service.health().pending.items() if n}
    if pending and demo.sim is not None:
        found.append(f"work is left: {pending}")
    return found


def _audit(demo: Demo) -> Sequence[object]:
    with demo.database.connect() as connection:
        return ledger.audit(connection)


def _unbalanced(accounts: Sequence[AccountBalance]) -> Iterator[str]:
    for currency in sorted({account.currency for account in accounts}):
        rows = [a for a in accounts if a.currency == currency]
        if sum(a.debits for a in rows) != sum(a.credits for a in rows):
            yield currency


def show_history(demo: Demo, payment: PaymentView) -> None:
    """Print the event log of one payment."""
    demo.timeline.note(f"\n  The history of {payment.id}, which nobody can change")
    for line in demo.service.payment_events(payment.id):
        change = f"{line.from_state} -> {line.to_state}" if line.to_state else ""
        demo.timeline.note(
            f"  {line.sequence:4}  {line.type:36}{change:46}{line.cause[:24]}"
        )


def show_ledger(demo: Demo) -> None:
    """Print the accounts and their sum."""
    demo.timeline.note("\n  The ledger")
    total = 0
    for account in demo.service.trial_balance():
        net = account.debits - account.credits
        total += net
        shown = f"{'-' if net < 0 else ''}{Money(abs(net), account.currency)}"
        demo.timeline.note(f"        {account.code:16}{shown:>16}")
    demo.timeline.note(f"        {'sum':16}{total:>12}")


def as_document(
    demo: Demo, shown: Sequence[PaymentView], found: list[str]
) -> dict[str, object]:
    """Return everything for a machine."""
    return {
        "ok": not found,
        "problems": found,
        "steps": demo.timeline.steps,
        "payments": [
            demo.service.get_payment(p.id).model_dump(mode="json") for p in shown
        ],
        "events": [
            line.model_dump(mode="json")
            for line in demo.service.payment_events(shown[0].id)
        ],
        "ledger": [
            {
                "account": account.code,
                "currency": account.currency,
                "debits": account.debits,
                "credits": account.credits,
            }
            for account in demo.service.trial_balance()
        ],
    }
