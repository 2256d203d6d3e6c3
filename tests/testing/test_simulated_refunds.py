"""Refunds at the simulated provider, and the ceiling above them."""

from __future__ import annotations

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from tests.testing.simulated import charge_of, held, opened, paid, rows, told
from tests.testing.worlds import StillWorld


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


def refund(sim: SimulatedProvider, payment: str, **params: object) -> dict[str, object]:
    return sim.call("create_refund", payment_intent=payment, **params)


def test_a_refund_gives_back_what_was_asked(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    body = refund(sim, payment, amount=400, metadata={"row": "1"})
    assert (body["status"], body["amount"]) == ("succeeded", 400)
    assert sim.effects().refunded == {payment: 400}
    charge = charge_of(sim, payment)
    assert (charge["amount_refunded"], charge["refunded"]) == (400, False)
    assert told(sim)[-2:] == ["refund.created", "charge.refunded"]
    assert sim.refunds_with("row", "1")[0].id == body["id"]


def test_without_an_amount_everything_left_is_refunded(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    refund(sim, payment, amount=400)
    assert refund(sim, payment)["amount"] == 600
    assert charge_of(sim, payment)["refunded"] is True


def test_a_charge_can_be_refunded_by_its_own_id(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    sim.call("create_refund", charge=charge_of(sim, payment)["id"], amount=1)
    assert sim.effects().refunds == {payment: 1}


def test_no_more_is_refunded_than_was_captured(sim: SimulatedProvider) -> None:
    payment = held(sim)
    sim.call("capture_payment", payment, amount_to_capture=700)
    with pytest.raises(ProviderError, match="greater than unrefunded") as caught:
        refund(sim, payment, amount=701)
    assert (caught.value.code, caught.value.param) == (None, "amount")
    refund(sim, payment, amount=700)
    with pytest.raises(ProviderError) as again:
        refund(sim, payment, amount=1)
    assert again.value.code == "charge_already_refunded"
    assert sim.effects().refunded == {payment: 700}


def test_what_was_not_captured_cannot_be_refunded(sim: SimulatedProvider) -> None:
    for payment in (opened(sim), held(sim)):
        with pytest.raises(ProviderError) as caught:
            refund(sim, payment)
        assert caught.value.code == "payment_intent_unexpected_state"


def test_a_pending_refund_succeeds_when_it_settles(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_pendingRefund")
    reference = str(refund(sim, payment)["id"])
    assert sim.call("read_refund", reference)["status"] == "pending"
    with pytest.raises(ProviderError):
        refund(sim, payment)
    sim.settle_refunds()
    sim.settle_refunds()
    assert sim.call("read_refund", reference)["status"] == "succeeded"
    assert told(sim).count("refund.updated") == 1
    assert sim.effects().balance == {"usd": -59}


def test_a_refund_can_fail_after_it_succeeded(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_refundFail")
    reference = str(refund(sim, payment)["id"])
    assert sim.call("read_refund", reference)["status"] == "succeeded"
    sim.settle_refunds()
    body = sim.call("read_refund", reference)
    assert (body["status"], body["failure_reason"]) == (
        "failed",
        "expired_or_canceled_card",
    )
    assert told(sim)[-2:] == ["refund.updated", "refund.failed"]
    assert sim.effects().refunded == {payment: 0}
    assert sim.effects().balance == {"usd": 941}
    assert refund(sim, payment)["amount"] == 1000


def test_refund_movements_show_under_the_charge_too(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_refundFail")
    reference = refund(sim, payment)["id"]
    sim.settle_refunds()
    charge = charge_of(sim, payment)["id"]
    by_charge = rows(sim.call("list_balance_transactions", source=charge))
    assert [row["reporting_category"] for row in by_charge] == [
        "refund_failure",
        "refund",
        "charge",
    ]
    by_refund = rows(sim.call("list_balance_transactions", source=reference))
    assert [row["amount"] for row in by_refund] == [1000, -1000]


def test_refunds_are_listed_by_payment(sim: SimulatedProvider) -> None:
    mine, other = paid(sim), paid(sim)
    wanted = [refund(sim, mine, amount=n)["id"] for n in (1, 2)]
    refund(sim, other)
    found = rows(sim.call("find_refund", payment_intent=mine))
    assert [row["id"] for row in found] == wanted[::-1]


def test_an_unknown_reason_is_refused(sim: SimulatedProvider) -> None:
    with pytest.raises(ProviderError, match="Invalid reason"):
        refund(sim, paid(sim), reason="regret")
