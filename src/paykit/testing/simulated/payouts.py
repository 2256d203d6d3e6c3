"""
Payouts to the merchant's bank, and the balance that they come from.

Which movements a payout paid out is known of automatic ones only, and only after the
bank has it. A payout can fail after it was paid: its money then comes back.
Sources: https://docs.stripe.com/payouts and https://docs.stripe.com/api/payouts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from paykit.money import CURRENCIES
from paykit.testing.simulated.account_objects import SimPayout
from paykit.testing.simulated.errors import invalid, refusal
from paykit.testing.simulated.movements import SimBalanceTransaction
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.posting import post
from paykit.testing.simulated.state import State

__all__ = ["advance", "attributed", "balance", "cancel", "create", "pay_out", "update"]

_ARRIVES_AFTER: Final = timedelta(days=2)

_NEXT: Final[Mapping[tuple[str, str], str]] = {
    ("pending", "in_transit"): "payout.updated",
    ("pending", "canceled"): "payout.canceled",
    ("in_transit", "paid"): "payout.paid",
    ("in_transit", "failed"): "payout.failed",
    ("pending", "failed"): "payout.failed",
    ("paid", "failed"): "payout.failed",
}
"""Where a payout may go from each status, and the event that tells."""

_RETURNS: Final = {"failed": "payout_failure", "canceled": "payout_cancel"}
"""The ``type`` of the movement that brings the money back."""


def create(state: State, _target: str, params: Params) -> SimPayout:
    """``POST /v1/payouts``: a manual payout, from what is available."""
    amount, currency = params.number("amount") or 0, params.text("currency") or ""
    currency = currency.lower()
    if currency not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}", code=None, param="currency")
    if amount < 1:
        raise invalid(
            "Invalid positive integer", code="parameter_invalid_integer", param="amount"
        )
    if amount > _totals(state)[0][currency]:
        raise refusal(
            "You have insufficient funds in your Stripe account for this transfer. "
            "One likely reason for this is that your card balance is too low.",
            code="balance_insufficient",
        )
    payout = _new(state, amount, currency, automatic=False)
    payout.description = params.text("description")
    payout.statement_descriptor = params.text("statement_descriptor")
    payout.destination = params.text("destination") or payout.destination
    payout.method = params.text("method") or payout.method
    payout.metadata = params.metadata({})
    state.emit("payout.created", payout)
    return payout


def pay_out(state: State, currency: str) -> SimPayout:
    """
    Pay out everything in `currency`, as Stripe does on its schedule.

    What is still pending becomes available first, so that no test has to wait for it.
    Raises `ProviderError` if there is nothing to pay out.
    """
    rows = [row for row in _unpaid(state) if row.currency == currency]
    amount = sum(row.net for row in rows)
    if amount < 1:
        raise refusal(
            f"There is no balance in {currency}.", code="balance_insufficient"
        )
    payout = _new(state, amount, currency, automatic=True)
    for row in rows:
        row.payout = payout.id
        if not row.is_available(state.now()):
            row.available_on = state.now()
    state.emit("payout.created", payout)
    return payout


def update(state: State, target: str, params: Params) -> SimPayout:
    """``POST /v1/payouts/:id``: metadata only."""
    payout = state.payout(target)
    payout.metadata = params.metadata(payout.metadata)
    state.emit("payout.updated", payout)
    return payout


def cancel(state: State, target: str, _params: Params) -> SimPayout:
    """``POST /v1/payouts/:id/cancel``: manual ones, while they are pending."""
    payout = state.payout(target)
    if payout.automatic:
        raise refusal("Automatic payouts cannot be canceled.", code=None)
    advance(state, payout, "canceled")
    return payout


def advance(state: State, payout: SimPayout, status: str) -> None:
    """Let the bank bring `payout` to `status`; refused if it cannot get there."""
    event = _NEXT.get((payout.status, status))
    if event is None:
        raise refusal(
            f"This payout ({payout.id}) has a status of {payout.status}: it cannot "
            f"become {status}.",
            code=None,
        )
    before: Json = {"status": payout.status}
    payout.status = status
    if status in _RETURNS:
        payout.failure_balance_transaction = _bring_back(state, payout).id
    if status == "failed":
        payout.failure_code = "account_closed"
        payout.failure_message = "The bank account has been closed"
    state.emit(event, payout, before if event == "payout.updated" else None)
    if status == "paid" and payout.automatic:
        payout.reconciliation_status = "completed"
        state.emit("payout.reconciliation_completed", payout)


def attributed(state: State, reference: str) -> str:
    """Return the id of a payout whose movements may be listed; or refuse."""
    payout = state.payout(reference)
    if payout.reconciliation_status != "completed":
        raise refusal(
            f"The balance transactions of payout {payout.id} cannot be listed: its "
            f"reconciliation_status is {payout.reconciliation_status}.",
            code="payout_reconciliation_not_ready",
            param="payout",
        )
    return payout.id


def balance(state: State, _target: str, _params: Params) -> Json:
    """``GET /v1/balance``: what can be paid out, and what not yet."""
    available, pending = _totals(state)
    currencies = sorted({*available, *pending}) or ["usd"]
    return {
        "object": "balance",
        "available": [_funds(available, currency) for currency in currencies],
        "livemode": False,
        "pending": [_funds(pending, currency) for currency in currencies],
    }


def _new(state: State, amount: int, currency: str, *, automatic: bool) -> SimPayout:
    """Take the money out of the balance; a payout's own movement belongs to it."""
    payout = SimPayout(
        id=state.new_id("po"),
        created=state.now(),
        amount=amount,
        currency=currency,
        automatic=automatic,
        arrives=state.now() + _ARRIVES_AFTER,
        reconciliation_status="in_progress" if automatic else "not_applicable",
    )
    state.payouts[payout.id] = payout
    movement = _move(state, payout, "payout", "payout", -amount)
    movement.payout = payout.id if automatic else None
    payout.balance_transaction = movement.id
    return payout


def _bring_back(state: State, payout: SimPayout) -> SimBalanceTransaction:
    kind = _RETURNS[payout.status]
    return _move(state, payout, "payout_reversal", kind, payout.amount)


def _move(
    state: State, payout: SimPayout, category: str, type: str, amount: int
) -> SimBalanceTransaction:
    return post(
        state,
        source=payout.id,
        charge=None,
        category=category,
        type=type,
        amount=amount,
        currency=payout.currency,
    )


def _unpaid(state: State) -> list[SimBalanceTransaction]:
    """Return the movements that no automatic payout has paid out."""
    return [row for row in state.balance.values() if row.payout is None]


def _totals(state: State) -> tuple[Counter[str], Counter[str]]:
    """Return by currency what is available and what is pending."""
    now, available, pending = state.now(), Counter[str](), Counter[str]()
    for row in state.balance.values():
        counter = available if row.is_available(now) else pending
        counter[row.currency] += row.net
    return available, pending


def _funds(amounts: Counter[str], currency: str) -> Json:
    amount = amounts[currency]
    source_types = {"card": amount}
    return {"amount": amount, "currency": currency, "source_types": source_types}
