"""Reviews: a payment that somebody looks at before it is trusted."""

from __future__ import annotations

from paykit.testing.simulated.claims import SimReview
from paykit.testing.simulated.errors import not_found, refusal
from paykit.testing.simulated.objects import SimCharge
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = ["approve", "close_all", "close_review", "open_review", "review_of"]


def open_review(state: State, charge: SimCharge, reason: str = "rule") -> SimReview:
    """Put the payment of `charge` under review; `reason` is ``rule`` or ``manual``."""
    review = SimReview(
        id=state.new_id("prv"),
        created=state.now(),
        charge=charge.id,
        intent=charge.intent,
        opened_reason=reason,
    )
    state.reviews[review.id] = review
    charge.review = state.intent(charge.intent).review = review.id
    state.emit("review.opened", review)
    return review


def approve(state: State, target: str, _params: Params) -> SimReview:
    """``POST /v1/reviews/:id/approve``."""
    review = review_of(state, target)
    close_review(state, review, "approved")
    return review


def close_review(state: State, review: SimReview, reason: str) -> None:
    """Close `review` with Stripe's word for why; refused if it is closed."""
    if not review.open:
        raise refusal(f"This review ({review.id}) is already closed.", code=None)
    review.open, review.closed_reason = False, reason
    state.emit("review.closed", review)


def close_all(state: State, charge: SimCharge, reason: str) -> None:
    """Close the open reviews of `charge`, if any: there is nothing left to decide."""
    for review in state.reviews.values():
        if review.charge == charge.id and review.open:
            close_review(state, review, reason)


def review_of(state: State, reference: str) -> SimReview:
    """Return the review, or raise 404."""
    review = state.reviews.get(reference)
    if review is None:
        raise not_found("review", reference, param="review")
    return review
