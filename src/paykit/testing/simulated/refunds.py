"""The endpoints of refunds, and how pending ones come to their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paykit.testing.simulated import disputes
from paykit.testing.simulated.amounts import check_part
from paykit.testing.simulated.balance import post_refund, post_refund_failure
from paykit.testing.simulated.errors import (
    ProviderError,
    charge_already_refunded,
    invalid,
    missing,
    unexpected_state,
)
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import SimCharge, SimIntent, SimRefund
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = ["create", "settle", "update"]

_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")

_COURSE: Final[Mapping[str, tuple[str, str | None]]] = {
    "succeeds": ("succeeded", None),
    "pending": ("pending", "succeeded"),
    "fails_later": ("succeeded", "failed"),
}
"""How a refund starts, and what it becomes when it settles."""


def create(state: State, _target: str, params: Params) -> SimRefund:
    """``POST /v1/refunds``, by payment or by charge."""
    reason = params.text("reason")
    if reason is not None and reason not in _REASONS:
        message = f"Invalid reason: must be one of {', '.join(_REASONS)}"
        raise invalid(message, code=None, param="reason")
    intent, charge = _refunded(state, params)
    disputes.check_refundable(state, charge)
    amount = _ceiling(charge, params.number("amount"))
    status, becomes = _COURSE[METHODS[charge.payment_method].refund]
    refund = SimRefund(
        id=state.new_id("re"),
        created=state.now(),
        intent=intent.id,
        charge=charge.id,
        amount=amount,
        currency=charge.currency,
        status=status,
        becomes=becomes,
        reason=reason,
        metadata=params.metadata({}),
    )
    state.refunds[refund.id] = refund
    charge.amount_refunded += amount
    if status == "succeeded":
        post_refund(state, refund)
    state.emit("refund.created", refund)
    state.emit("charge.refunded", charge)
    disputes.refunded(state, charge)
    return refund


def update(state: State, target: str, params: Params) -> SimRefund:
    """``POST /v1/refunds/:id``: metadata only."""
    refund = state.refund(target)
    refund.metadata = params.metadata(refund.metadata)
    state.emit("refund.updated", refund)
    return refund


def settle(state: State, refund: SimRefund) -> None:
    """Let `refund` become what its payment method says; a settled one stays."""
    outcome, refund.becomes = refund.becomes, None
    if outcome == "succeeded":
        refund.status = outcome
        post_refund(state, refund)
        state.emit("refund.updated", refund, {"status": "pending"})
    elif outcome == "failed":
        _fail(state, refund)


def _fail(state: State, refund: SimRefund) -> None:
    """Give the money back to the account: the payer's bank did not take it."""
    charge = state.charge(refund.charge)
    refund.status = "failed"
    refund.failure_reason = "expired_or_canceled_card"
    charge.amount_refunded -= refund.amount
    post_refund_failure(state, refund)
    state.emit("refund.updated", refund, {"status": "succeeded"})
    state.emit("refund.failed", refund)


def _refunded(state: State, params: Params) -> tuple[SimIntent, SimCharge]:
    """Return what is to be refunded; raises if it was never captured."""
    by_intent, by_charge = params.text("payment_intent"), params.text("charge")
    if by_intent is not None:
        intent = state.intent(by_intent, param="payment_intent")
        charge = state.latest_charge(intent)
    elif by_charge is not None:
        charge = state.charge(by_charge)
        intent = state.intent(charge.intent)
    else:
        raise missing("payment_intent")
    if charge is None or not charge.amount_captured or charge.status != "succeeded":
        raise unexpected_state(
            f"This PaymentIntent ({intent.id}) does not have a successful charge to "
            "refund.",
            intent,
        )
    return intent, charge


def _ceiling(charge: SimCharge, asked: int | None) -> int:
    """Return the amount to refund; never more than what is left of the charge."""
    if asked is not None:
        check_part(asked, charge.currency, "amount")
    if charge.refundable == 0:
        raise charge_already_refunded(charge.id)
    amount = charge.refundable if asked is None else asked
    if amount > charge.refundable:
        raise _too_large(amount, charge)
    return amount


def _too_large(amount: int, charge: SimCharge) -> ProviderError:
    """Stripe gives this refusal no code."""
    error = invalid(
        f"Refund amount ({amount}) is greater than unrefunded amount on charge "
        f"({charge.refundable})",
        code=None,
        param="amount",
    )
    error.executed = True
    return error
