"""
Test clocks: created, moved forward, read and deleted.

At Stripe a clock moves billing objects (subscriptions, invoices) and nothing else:
payments, disputes and payouts do not follow it. Subscriptions do not either here:
advancing a clock changes the clock alone. The time of everything else is the world's.
Source: https://docs.stripe.com/billing/testing/test-clocks.
"""

from __future__ import annotations

from datetime import UTC, datetime

from paykit.testing.simulated.account_objects import SimTestClock
from paykit.testing.simulated.errors import invalid, not_found, refusal
from paykit.testing.simulated.objects import Json
from paykit.testing.simulated.parameters import Params
from paykit.testing.simulated.state import State

__all__ = ["advance", "create", "delete", "read"]


def create(state: State, _target: str, params: Params) -> SimTestClock:
    """``POST /v1/test_helpers/test_clocks``."""
    clock = SimTestClock(
        id=state.new_id("clock"),
        created=state.now(),
        frozen_time=_moment(params),
        name=params.text("name"),
    )
    state.clocks[clock.id] = clock
    state.emit("test_helpers.test_clock.created", clock)
    return clock


def read(state: State, target: str, _params: Params) -> SimTestClock:
    """``GET /v1/test_helpers/test_clocks/:id``: an advance is over when it is seen."""
    clock = _clock(state, target)
    _arrive(state, clock)
    return clock


def advance(state: State, target: str, params: Params) -> SimTestClock:
    """``POST /v1/test_helpers/test_clocks/:id/advance``: forward only."""
    clock = _clock(state, target)
    if clock.target is not None:
        message = f"Test clock {clock.id} is still advancing."
        raise refusal(message, code=None)
    moment = _moment(params)
    if moment <= clock.frozen_time:
        raise invalid(
            "The frozen_time must be later than the test clock's current time.",
            code=None,
            param="frozen_time",
        )
    clock.target = moment
    state.emit("test_helpers.test_clock.advancing", clock)
    return clock


def delete(state: State, target: str, _params: Params) -> Json:
    """``DELETE /v1/test_helpers/test_clocks/:id``."""
    clock = _clock(state, target)
    del state.clocks[clock.id]
    state.emit("test_helpers.test_clock.deleted", clock)
    return {"id": clock.id, "object": "test_helpers.test_clock", "deleted": True}


def _arrive(state: State, clock: SimTestClock) -> None:
    if clock.target is not None:
        clock.frozen_time, clock.target = clock.target, None
        state.emit("test_helpers.test_clock.ready", clock)


def _clock(state: State, reference: str) -> SimTestClock:
    clock = state.clocks.get(reference)
    if clock is None:
        raise not_found("billingclock", reference, param="test_clock")
    return clock


def _moment(params: Params) -> datetime:
    return datetime.fromtimestamp(params.number("frozen_time") or 0, UTC)
