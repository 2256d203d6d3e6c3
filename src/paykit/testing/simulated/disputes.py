"""
Chargebacks and inquiries: how they begin, are answered and end, and what they move.

The money of a chargeback leaves when it is opened, with a fee; losing it moves nothing
more, and winning it brings the amount back, also after it was lost. An inquiry moves
nothing unless it escalates. Sources: https://docs.stripe.com/disputes/how-disputes-work
and https://docs.stripe.com/testing#disputes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from paykit.testing.simulated import fraud_warnings, reviews
from paykit.testing.simulated.claims import SimDispute
from paykit.testing.simulated.errors import invalid, refusal
from paykit.testing.simulated.methods import METHODS
from paykit.testing.simulated.objects import Json, SimCharge
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.posting import post
from paykit.testing.simulated.render_claims import EVIDENCE
from paykit.testing.simulated.state import State

__all__ = [
    "Outcome",
    "check_refundable",
    "close",
    "open_dispute",
    "open_for",
    "refunded",
    "resolve",
    "update",
]

Outcome: TypeAlias = Literal["won", "lost", "closed", "escalated"]
"""How the card's network decides: `closed` and `escalated` are for inquiries."""

_INQUIRY: Final = "inquiry"
_REASONS: Final = (
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)
"""Why a payment is charged back, in Stripe's words."""

_FEE: Final = 1500
"""What Stripe takes for a chargeback, in minor units: 15.00; it is not given back."""

_ANSWER_WITHIN: Final = timedelta(days=7)

_LONGEST_EVIDENCE: Final = 150_000
"""How many characters all pieces of evidence may have together."""

_NEXT: Final[Mapping[tuple[str, str], str]] = {
    ("submit", "needs_response"): "under_review",
    ("submit", "warning_needs_response"): "warning_under_review",
    ("accept", "needs_response"): "lost",
    ("won", "needs_response"): "won",
    ("won", "under_review"): "won",
    # The network may change its mind long after.
    ("won", "lost"): "won",
    ("lost", "needs_response"): "lost",
    ("lost", "under_review"): "lost",
    ("closed", "warning_needs_response"): "warning_closed",
    ("closed", "warning_under_review"): "warning_closed",
    ("escalated", "warning_needs_response"): "needs_response",
    ("escalated", "warning_under_review"): "needs_response",
}
"""What each step makes of a status; any other step is refused."""

_DECISIVE: Final[Mapping[tuple[str, str], Outcome]] = {
    ("chargeback", "winning_evidence"): "won",
    ("chargeback", "losing_evidence"): "lost",
    ("inquiry", "winning_evidence"): "closed",
    ("inquiry", "losing_evidence"): "closed",
    ("inquiry", "escalate_inquiry_evidence"): "escalated",
}
"""What Stripe's test words in ``uncategorized_text`` decide at once."""

_CHARGED_BACK: Final = ("needs_response", "under_review", "lost")
"""The statuses in which the charge's money is with the cardholder."""


def open_for(state: State, charge: SimCharge) -> None:
    """Dispute `charge` if its test card is one that does that."""
    kind = METHODS[charge.payment_method].dispute
    if kind is not None:
        open_dispute(state, charge, kind)


def open_dispute(
    state: State, charge: SimCharge, kind: str, amount: int | None = None
) -> SimDispute:
    """
    Open a dispute about `charge`; its `kind` is Stripe's reason, or ``inquiry``.

    The `amount` may be more than what was charged; without one it is what was captured.
    """
    method = METHODS[charge.payment_method]
    inquiry = kind == _INQUIRY
    if not inquiry and kind not in _REASONS:
        message = f"Invalid kind: must be {_INQUIRY} or one of {', '.join(_REASONS)}"
        raise invalid(message, code=None, param="kind")
    dispute = SimDispute(
        id=state.new_id("du"),
        created=state.now(),
        charge=charge.id,
        intent=charge.intent,
        amount=charge.amount_captured if amount is None else amount,
        currency=charge.currency,
        reason="general" if inquiry else kind,
        status="warning_needs_response" if inquiry else "needs_response",
        case_type=_INQUIRY if inquiry else "chargeback",
        brand=method.brand if method.type == "card" else None,
        due_by=state.now() + _ANSWER_WITHIN,
    )
    state.disputes[dispute.id] = dispute
    charge.disputed = True
    if not inquiry:
        _withdraw(state, dispute)
    state.emit("charge.dispute.created", dispute)
    if not inquiry:
        state.emit("charge.dispute.funds_withdrawn", dispute)
        _overtake_refunds(state, charge)
    reviews.close_all(state, charge, "disputed")
    fraud_warnings.look_again(state, charge)
    return dispute


def update(state: State, target: str, params: Params) -> SimDispute:
    """``POST /v1/disputes/:id``: evidence is submitted unless ``submit`` is false."""
    dispute = state.dispute(target)
    evidence = params.table("evidence")
    if evidence:
        _check_evidence(dispute, {**dispute.evidence, **evidence})
    dispute.metadata = params.metadata(dispute.metadata)
    method = params.text("intended_submission_method")
    dispute.intended_submission_method = method or dispute.intended_submission_method
    merged = {**dispute.evidence, **evidence}
    dispute.evidence = {name: value for name, value in merged.items() if value != ""}
    staged = params.values.get("submit") is False
    asked = evidence or params.flag("submit")
    if asked and dispute.evidence and not staged:
        _submit(state, dispute)
    else:
        state.emit("charge.dispute.updated", dispute)
    return dispute


def close(state: State, target: str, _params: Params) -> SimDispute:
    """``POST /v1/disputes/:id/close``: accepts the loss."""
    dispute = state.dispute(target)
    _advance(state, dispute, "accept")
    return dispute


def resolve(state: State, dispute: SimDispute, outcome: Outcome) -> None:
    """Let the network decide; raises `ProviderError` if it cannot decide that now."""
    _advance(state, dispute, outcome)


def check_refundable(state: State, charge: SimCharge) -> None:
    """Refuse to refund a charge whose money a chargeback has already taken."""
    for dispute in _about(state, charge):
        if dispute.status in _CHARGED_BACK:
            raise refusal(
                f"Charge {charge.id} has been charged back; cannot issue a refund.",
                code="charge_disputed",
            )


def refunded(state: State, charge: SimCharge) -> None:
    """Close the inquiries about a charge that was refunded in full."""
    if charge.refundable == 0:
        reviews.close_all(state, charge, "refunded")
        for dispute in _about(state, charge):
            if ("closed", dispute.status) in _NEXT:
                _advance(state, dispute, "closed")
    fraud_warnings.look_again(state, charge)


def _submit(state: State, dispute: SimDispute) -> None:
    """Send the evidence in; Stripe's test words decide at once."""
    dispute.late = state.now() > dispute.due_by
    dispute.submissions += 1
    _advance(state, dispute, "submit")
    word = dispute.evidence.get("uncategorized_text")
    outcome = _DECISIVE.get((dispute.case_type, str(word)))
    if outcome is not None:
        _advance(state, dispute, outcome)


def _advance(state: State, dispute: SimDispute, step: str) -> None:
    """Take a step of the table, with its money and events; or refuse it."""
    status = _NEXT.get((step, dispute.status))
    if status is None:
        raise refusal(
            f"This dispute ({dispute.id}) has a status of {dispute.status}: "
            f"{step} is not possible.",
            code=None,
        )
    before: Json = {"status": dispute.status}
    dispute.status = status
    if step == "won":
        _move(state, dispute, "dispute_reversal", dispute.amount)
    elif step == "escalated":
        dispute.case_type, dispute.due_by = "chargeback", state.now() + _ANSWER_WITHIN
        _withdraw(state, dispute)
    _tell(state, dispute, step, before)


def _tell(state: State, dispute: SimDispute, step: str, before: Json) -> None:
    """Emit what a step is told as."""
    match step:
        case "submit":
            state.emit("charge.dispute.updated", dispute, before)
        case "escalated":
            state.emit("charge.dispute.updated", dispute, before)
            state.emit("charge.dispute.funds_withdrawn", dispute)
            _overtake_refunds(state, state.charge(dispute.charge))
        case "won":
            state.emit("charge.dispute.closed", dispute)
            state.emit("charge.dispute.funds_reinstated", dispute)
        case _:
            state.emit("charge.dispute.closed", dispute)


def _withdraw(state: State, dispute: SimDispute) -> None:
    _move(state, dispute, "dispute", -dispute.amount, _FEE)


def _move(
    state: State, dispute: SimDispute, category: str, amount: int, fee: int = 0
) -> None:
    """Post what the dispute moves; its ``type`` alone does not say which way."""
    movement = post(
        state,
        source=dispute.id,
        charge=dispute.charge,
        category=category,
        type="adjustment",
        amount=amount,
        currency=dispute.currency,
        fee=fee,
    )
    dispute.movements = [*dispute.movements, movement]


def _overtake_refunds(state: State, charge: SimCharge) -> None:
    """Let pending refunds fail: the cardholder has the money already."""
    for refund in state.refunds.values():
        if refund.charge == charge.id and refund.status == "pending":
            refund.status, refund.becomes = "failed", None
            refund.failure_reason = "charge_for_pending_refund_disputed"
            charge.amount_refunded -= refund.amount
            state.emit("refund.updated", refund, {"status": "pending"})
            state.emit("refund.failed", refund)


def _check_evidence(dispute: SimDispute, evidence: Mapping[str, object]) -> None:
    for name in evidence:
        if name not in EVIDENCE:
            raise invalid(
                f"Received unknown parameter: evidence[{name}]",
                code="parameter_unknown",
                param=f"evidence[{name}]",
            )
    if ("submit", dispute.status) not in _NEXT:
        raise refusal(
            f"This dispute ({dispute.id}) has a status of {dispute.status}: its "
            "evidence can no longer be changed.",
            code=None,
        )
    length = sum(len(value) for value in evidence.values() if isinstance(value, str))
    if length > _LONGEST_EVIDENCE:
        raise invalid(
            f"The evidence may have {_LONGEST_EVIDENCE} characters in total.",
            code=None,
            param="evidence",
        )


def _about(state: State, charge: SimCharge) -> list[SimDispute]:
    return [row for row in state.disputes.values() if row.charge == charge.id]
