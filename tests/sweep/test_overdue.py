"""
The look at what nobody has told of, crashed at every boundary of it.

First of the job that puts a payout and a subscription among those to be read, and then
of the duty that reads them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import PaymentService
from paykit.store.overdue import AGAIN
from paykit.testing.quiet import deliver_webhooks, work_until_quiet
from paykit.workers.duties import run_duty
from tests.sweep.duties import Busy, Memory, busy_before, copied, remembered, wrong
from tests.sweep.test_duties import sweep_act

MONTH: Final = timedelta(days=31)

_SOON: Final = timedelta(hours=1)


def unheard_before(duty: str) -> Memory:
    """Return a shop that knows neither of a payout's failure nor of an end."""
    with copied(busy_before("resume")) as shop:
        work_until_quiet(shop)
        controls = shop.provider.controls
        payout = controls.create_automatic_payout("eur")
        subscription = controls.start_subscription({"paykit_merchant": "default"})
        deliver_webhooks(shop)
        work_until_quiet(shop)
        for status in ("in_transit", "paid", "failed"):
            controls.advance_payout(payout, status)
        controls.cancel_subscription(subscription)
        _lose_events(shop, payout, subscription)
        shop.clock.advance(MONTH)
        if duty == "refresh":
            run_duty(shop.service, "periodic")
        return remembered(shop)


def _lose_events(shop: Busy, *references: str) -> None:
    """Let nobody hear of these, and the list not show them either."""
    shop.provider.pending_webhooks()
    memory: Any = shop.provider.dump()
    memory["events"] = {
        id_: event
        for id_, event in memory["events"].items()
        if event["object"]["id"] not in references
    }
    shop.provider.load(memory)


def unseen(shop: Busy) -> list[str]:
    """
    Go on, and return what nobody has seen within the hour or is wrong.

    The next look is a day later. It would see what a crash has lost, and is to find
    that all is told.
    """
    work_until_quiet(shop)
    shop.clock.advance(_SOON)
    work_until_quiet(shop)
    found = _untold(shop)
    shop.clock.advance(AGAIN)
    work_until_quiet(shop)
    return found + _untold(shop) + wrong(shop)


def _untold(shop: Busy) -> list[str]:
    """Return which end is not the last thing told, and told once."""
    (payout,) = shop.service.list_payouts().items
    (subscription,) = shop.service.list_subscriptions().items
    ends = {
        "payout.failed": shop.service.payout_events(payout.id),
        "subscription.ended": shop.service.subscription_events(subscription.id),
    }
    return [
        f"not told once, at the end: {last}"
        for last, told in ends.items()
        if [event.type for event in told].count(last) != 1 or told[-1].type != last
    ]


@pytest.mark.parametrize("duty", ["periodic", "refresh"])
def test_a_look_that_crashes_anywhere_is_made(duty: str) -> None:
    def act(service: PaymentService) -> None:
        run_duty(service, duty, at_most=4)

    sweep_act(unheard_before(duty), act, unseen)
