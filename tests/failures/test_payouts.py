"""Payouts: what left our balance for the bank, and may come back weeks later."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from paykit import Money, PayoutState, PayoutView
from paykit.store.cursors import KEPT
from paykit.store.overdue import AGAIN
from paykit.testing.simulated import Fault, SimEvent
from tests.failures.stories import arrive, body_of, push_raw
from tests.support import VISA, Shop
from tests.sweep.shop import Shop as WireShop
from tests.workers.rounds import EVERY, full_round

WEEKS: Final = timedelta(weeks=3)

TOLD: Final = ["payout.created", "payout.in_transit", "payout.paid", "payout.failed"]

_numbers = count(1)


def payouts(shop: Shop) -> tuple[PayoutView, ...]:
    """Return all payouts, newest first."""
    return shop.wait(shop.service.list_payouts()).items


def types(shop: Shop, payout: PayoutView) -> list[str]:
    events = shop.wait(shop.service.payout_events(payout.id))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    return [event.type for event in events]


def paid_out(shop: Shop) -> str:
    """Sell something and let all of it be paid out; return the PSP's id."""
    shop.paid()
    shop.settle()
    return shop.sim.controls.create_automatic_payout("eur")


def pass_through(shop: Shop, payout: str, *statuses: str) -> list[SimEvent]:
    """Let the bank bring `payout` there; return all that is told of it, in order."""
    for status in statuses:
        shop.sim.controls.advance_payout(payout, status)
    return [event for event in shop.sim.events() if event.object.get("id") == payout]


def assert_corrected(shop: Shop, payout: PayoutView) -> None:
    """It has failed, the money is on the balance, and that was told once."""
    assert payout.state is PayoutState.FAILED
    assert payout.failure_code == "account_closed"
    assert "payouts:eur" not in shop.balances()
    assert shop.balances()["psp_balance:eur"] == shop.sim.effects().balance["eur"]
    told = types(shop, payout)
    assert told[0] == "payout.created"
    assert told[-1] == "payout.failed"
    assert len(set(told)) == len(told)
    assert shop.breaks() == set()


def test_43_a_payout_that_fails_weeks_after_it_was_paid_is_corrected(
    shop: Shop,
) -> None:
    reference = paid_out(shop)
    assert shop.sim.effects().balance["eur"] == 0
    for status in ("in_transit", "paid"):
        shop.settle()
        shop.sim.controls.advance_payout(reference, status)
    shop.settle()
    (payout,) = payouts(shop)
    assert (payout.psp_reference, payout.state) == (reference, PayoutState.PAID)
    assert shop.balances()["payouts:eur"] == payout.amount > 0
    assert "psp_balance:eur" not in shop.balances()
    shop.world.advance(WEEKS)
    shop.sim.controls.advance_payout(reference, "failed")
    shop.settle()
    (payout,) = payouts(shop)
    assert_corrected(shop, payout)
    assert types(shop, payout) == TOLD
    last = shop.wait(shop.service.payout_events(payout.id))[-1]
    assert (last.from_state, last.to_state) == ("paid", "failed")
    assert last.data["failure_code"] == "account_closed"


@given(data=st.data())
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # All examples share one database: a story is not told twice in the same way.
    phases=[Phase.generate],
)
def test_43_the_events_of_a_payout_may_come_in_any_order_and_twice(
    quick: Shop, data: st.DataObject
) -> None:
    """While the bank goes on, too: what was read in between is older than the end."""
    reference = paid_out(quick)
    quick.settle()
    early = pass_through(quick, reference, "in_transit", "paid")
    for event in data.draw(st.lists(st.sampled_from(early))):
        again(quick, event)
        if data.draw(st.booleans()):
            quick.work()
    events = pass_through(quick, reference, "failed")
    for event in data.draw(st.permutations([*events, *events])):
        again(quick, event)
        if data.draw(st.booleans()):
            quick.work()
    quick.settle()
    payout = next(one for one in payouts(quick) if one.psp_reference == reference)
    assert_corrected(quick, payout)


def again(shop: Shop, event: SimEvent) -> None:
    """Let `event` come under an id of its own, so that it is not known from before."""
    push_raw(shop, body_of(shop, event) | {"id": f"{event.id}_{next(_numbers)}"})


def test_43_the_failure_may_be_heard_first(shop: Shop) -> None:
    reference = paid_out(shop)
    events = pass_through(shop, reference, "in_transit", "paid", "failed")
    arrive(shop, [*reversed(events), *events])
    (payout,) = payouts(shop)
    assert_corrected(shop, payout)


def test_43_what_cannot_be_read_is_booked_when_it_can(shop: Shop) -> None:
    """The event only names what came back, and the answer that shows it is lost."""
    reference = paid_out(shop)
    shop.settle()
    shop.sim.faults.add(Fault.LOSE_ANSWER, verb="read_payout")
    pass_through(shop, reference, "in_transit", "paid", "failed")
    shop.deliver()
    shop.work()
    (payout,) = payouts(shop)
    assert payout.state is PayoutState.PAID
    assert shop.balances()["payouts:eur"] == payout.amount
    shop.settle()
    assert_corrected(shop, payouts(shop)[0])


def test_43_a_payload_of_another_version_is_read_and_not_believed(shop: Shop) -> None:
    reference = paid_out(shop)
    events = pass_through(shop, reference, "in_transit", "paid", "failed")
    for event in (events[-1], *events):
        body = body_of(shop, event)
        thing = {**body["data"]["object"], "amount": 7, "currency": "jpy"}
        older = {"api_version": "2019-01-01", "data": {"object": thing}}
        push_raw(shop, body | older | {"id": f"{event.id}_{next(_numbers)}"})
    shop.work()
    (payout,) = payouts(shop)
    assert (payout.amount > 7, payout.currency) == (True, "eur")
    assert_corrected(shop, payout)


@pytest.mark.parametrize("executed", [False, True])
def test_43_a_failure_that_overtakes_a_read_is_not_undone(
    shop: Shop, executed: bool
) -> None:
    """Two workers: the answer of one was on its way while the other booked the end."""
    reference = paid_out(shop)
    (created,) = pass_through(shop, reference)

    def fail() -> None:
        arrive(shop, pass_through(shop, reference, "in_transit", "paid", "failed"))

    outcomes = shop.meanwhile(fail, executed=executed)
    arrive(shop, [created])
    assert outcomes == [None]
    assert_corrected(shop, payouts(shop)[0])


@pytest.mark.parametrize("by", ["a look", "a look after a gap"])
def test_43_a_failure_that_nobody_tells_is_seen(shop: Shop, by: str) -> None:
    """No webhook comes, and the list of events does not show it either."""
    reference = paid_out(shop)
    pass_through(shop, reference, "in_transit", "paid")
    shop.settle()
    full_round(shop)
    pass_through(shop, reference, "failed")
    shop.sim.pending_webhooks()
    memory: Any = shop.sim.dump()
    memory["events"].clear()
    shop.sim.load(memory)
    full_round(shop, after=AGAIN if by == "a look" else KEPT + timedelta(days=1))
    full_round(shop, after=EVERY)
    assert_corrected(shop, payouts(shop)[0])


def test_43_over_the_wire_a_payout_that_fails_is_corrected(wire: WireShop) -> None:
    """The real adapter asks a local Stripe for what an event only names."""
    sold = wire.service.create_payment(
        amount=Money(1000, "eur"), idempotency_key="order", payment_method=VISA
    )
    wire.service.confirm_payment(sold.id, idempotency_key="pay")
    wire.settle()
    reference = wire.sim.controls.create_automatic_payout("eur")
    for status in ("in_transit", "paid", "failed"):
        wire.settle()
        wire.sim.controls.advance_payout(reference, status)
    assert net(wire, "payouts") == wire.service.list_payouts().items[0].amount > 0
    wire.settle()
    (payout,) = wire.service.list_payouts().items
    assert (payout.state, payout.failure_code) == ("failed", "account_closed")
    assert net(wire, "payouts") == 0
    assert net(wire, "psp_balance") == wire.sim.effects().balance["eur"]
    told = wire.service.payout_events(payout.id)
    assert [event.type for event in told] == TOLD
    assert wire.violations() == []


def net(wire: WireShop, code: str) -> int:
    """Return the debits of an account in euros, without its credits."""
    (account,) = (
        one
        for one in wire.service.trial_balance()
        if (one.code, one.currency) == (code, "eur")
    )
    return account.debits - account.credits
