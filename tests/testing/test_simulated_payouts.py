"""The balance of the simulated account, and the payouts that empty it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from tests.testing.simulated import paid, rows, told
from tests.testing.worlds import StillWorld

AT_ONCE = "pm_card_bypassPending"


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def funds(sim: SimulatedProvider, currency: str = "usd") -> tuple[object, object]:
    """Return what is available and what is pending."""
    body = sim.call("read_balance")
    available, pending = (
        next(
            row["amount"]
            for row in rows({"data": body[kind]})
            if row["currency"] == currency
        )
        for kind in ("available", "pending")
    )
    return available, pending


def pay_out(sim: SimulatedProvider, amount: int) -> dict[str, object]:
    return sim.call("create_payout", amount=amount, currency="usd")


def movements(sim: SimulatedProvider, **params: object) -> list[dict[str, object]]:
    return rows(sim.call("list_balance_transactions", limit=100, **params))


def test_money_is_pending_for_two_days(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    paid(sim)
    paid(sim, AT_ONCE)
    assert funds(sim) == (941, 941)
    assert {row["status"] for row in movements(sim)} == {"available", "pending"}
    world.time += timedelta(days=2)
    assert funds(sim) == (1882, 0)
    assert {row["status"] for row in movements(sim)} == {"available"}


def test_what_is_refunded_meanwhile_comes_from_what_is_pending(
    sim: SimulatedProvider,
) -> None:
    payment = paid(sim)
    sim.call("create_refund", payment_intent=payment, amount=400)
    assert funds(sim) == (0, 541)


def test_currencies_have_balances_of_their_own(sim: SimulatedProvider) -> None:
    paid(sim, AT_ONCE)
    paid(sim, AT_ONCE, currency="eur")
    assert funds(sim) == funds(sim, "eur") == (941, 0)


def test_a_payout_takes_the_money_until_it_fails(sim: SimulatedProvider) -> None:
    paid(sim, AT_ONCE)
    body = pay_out(sim, 900)
    payout = str(body["id"])
    assert (body["status"], body["automatic"]) == ("pending", False)
    assert funds(sim) == (41, 0)
    for status in ("in_transit", "paid", "failed"):
        sim.controls.advance_payout(payout, status)
        assert sim.call("read_payout", payout)["status"] == status
    failed = sim.call("read_payout", payout)
    assert failed["failure_code"] == "account_closed"
    back = sim.call(
        "read_balance_transaction", str(failed["failure_balance_transaction"])
    )
    assert (back["type"], back["reporting_category"], back["amount"]) == (
        "payout_failure",
        "payout_reversal",
        900,
    )
    assert funds(sim) == (941, 0)
    assert told(sim)[-4:] == [
        "payout.created",
        "payout.updated",
        "payout.paid",
        "payout.failed",
    ]


def test_no_more_is_paid_out_than_is_available(sim: SimulatedProvider) -> None:
    paid(sim)
    paid(sim, AT_ONCE)
    with pytest.raises(ProviderError) as caught:
        pay_out(sim, 942)
    assert caught.value.code == "balance_insufficient"
    assert rows(sim.call("list_payouts")) == []


def test_a_pending_payout_can_be_canceled(sim: SimulatedProvider) -> None:
    paid(sim, AT_ONCE)
    payout = str(pay_out(sim, 900)["id"])
    assert sim.call("cancel_payout", payout)["status"] == "canceled"
    assert funds(sim) == (941, 0)
    assert told(sim)[-1] == "payout.canceled"
    other = str(pay_out(sim, 900)["id"])
    sim.controls.advance_payout(other, "in_transit")
    with pytest.raises(ProviderError, match="in_transit"):
        sim.call("cancel_payout", other)


def test_an_automatic_payout_adds_up_once_it_is_reconciled(
    sim: SimulatedProvider,
) -> None:
    payment = paid(sim)
    sim.call("create_refund", payment_intent=payment, amount=300)
    sim.controls.open_dispute(paid(sim), amount=10)
    payout = sim.controls.create_automatic_payout()
    with pytest.raises(ProviderError) as caught:
        movements(sim, payout=payout)
    assert caught.value.code == "payout_reconciliation_not_ready"
    paid(sim)

    sim.controls.advance_payout(payout, "in_transit")
    sim.controls.advance_payout(payout, "paid")

    body = sim.call("read_payout", payout)
    assert (body["automatic"], body["reconciliation_status"]) == (True, "completed")
    assert told(sim)[-2:] == ["payout.paid", "payout.reconciliation_completed"]
    found = movements(sim, payout=payout)
    parts = [row["net"] for row in found if row["type"] != "payout"]
    assert len(parts) == 4
    assert sum(int(str(net)) for net in parts) == body["amount"] == 1072 - 1000
    own = [row["net"] for row in found if row["type"] == "payout"]
    assert own == [-1 * int(str(body["amount"]))]


def test_the_movements_of_a_manual_payout_are_never_known(
    sim: SimulatedProvider,
) -> None:
    paid(sim, AT_ONCE)
    payout = str(pay_out(sim, 900)["id"])
    sim.controls.advance_payout(payout, "in_transit")
    sim.controls.advance_payout(payout, "paid")
    assert sim.call("read_payout", payout)["reconciliation_status"] == "not_applicable"
    with pytest.raises(ProviderError):
        movements(sim, payout=payout)


def test_money_of_a_failed_payout_is_in_the_next_one(sim: SimulatedProvider) -> None:
    paid(sim)
    first = sim.controls.create_automatic_payout()
    with pytest.raises(ProviderError, match="no balance"):
        sim.controls.create_automatic_payout()
    sim.controls.advance_payout(first, "failed")
    second = sim.controls.create_automatic_payout()
    assert sim.call("read_payout", second)["amount"] == 941


def test_an_automatic_payout_cannot_be_canceled(sim: SimulatedProvider) -> None:
    paid(sim)
    payout = sim.controls.create_automatic_payout()
    with pytest.raises(ProviderError, match="cannot be canceled"):
        sim.call("cancel_payout", payout)


def test_payouts_are_listed_by_status_and_arrival(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    paid(sim, AT_ONCE)
    first, second = (str(pay_out(sim, 100)["id"]) for _ in range(2))
    sim.controls.advance_payout(first, "in_transit")
    found = rows(sim.call("list_payouts", status="pending"))
    assert [row["id"] for row in found] == [second]
    soon = int(world.time.timestamp())
    assert rows(sim.call("list_payouts", arrival_date={"lte": soon})) == []


def test_movements_are_listed_by_type_and_source(sim: SimulatedProvider) -> None:
    paid(sim, AT_ONCE)
    payout = str(pay_out(sim, 100)["id"])
    assert [row["source"] for row in movements(sim, type="payout")] == [payout]
    assert [row["type"] for row in movements(sim, source=payout)] == ["payout"]
