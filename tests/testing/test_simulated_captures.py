"""Captures in parts and higher authorizations, as Stripe's API has them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.testing.simulated import METHODS, ProviderError, SimulatedProvider
from tests.testing.simulated import charge_of, paid, post, rows, told
from tests.testing.worlds import StillWorld

CHANGED = "payment_intent.amount_capturable_updated"


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


def refusal(
    sim: SimulatedProvider, verb: str, target: str, /, **params: object
) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        sim.call(verb, target, **params)
    return caught.value


def flexible(sim: SimulatedProvider, method: str = "pm_card_visa") -> str:
    """Authorize 1000 with everything that can be asked of a card."""
    asked = {
        "request_multicapture": "if_available",
        "request_incremental_authorization": "if_available",
    }
    options = {"card": asked}
    return paid(sim, method, capture_method="manual", payment_method_options=options)


def part(sim: SimulatedProvider, payment: str, amount: int, final: bool) -> None:
    sim.call("capture_payment", payment, amount_to_capture=amount, final_capture=final)


def card_of(sim: SimulatedProvider, payment: str) -> dict[str, object]:
    details = charge_of(sim, payment)["payment_method_details"]
    assert isinstance(details, dict)
    card = details["card"]
    assert isinstance(card, dict)
    return card


def amounts(sim: SimulatedProvider, payment: str) -> tuple[str, int, int]:
    intent = sim.intent(payment)
    return intent.status, intent.amount_capturable, intent.amount_received


def test_what_was_not_asked_for_is_not_available(sim: SimulatedProvider) -> None:
    card = card_of(sim, paid(sim, capture_method="manual"))
    assert card["multicapture"] == {"status": "unavailable"}
    assert card["incremental_authorization"] == {"status": "unavailable"}


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("pm_card_visa", "available"),
        ("pm_card_amex", "available"),
        ("pm_card_discover", "available"),
        ("pm_card_jcb", "unavailable"),
    ],
)
def test_what_was_asked_for_is_available_where_the_brand_has_it(
    sim: SimulatedProvider, method: str, status: str
) -> None:
    card = card_of(sim, flexible(sim, method))
    assert card["multicapture"] == {"status": status}
    assert card["incremental_authorization"] == {"status": status}


def test_without_a_hold_there_is_nothing_to_capture_in_parts(
    sim: SimulatedProvider,
) -> None:
    options = {"card": {"request_multicapture": "if_available"}}
    card = card_of(sim, paid(sim, payment_method_options=options))
    assert card["multicapture"] == {"status": "unavailable"}


def test_a_part_leaves_the_rest_capturable(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    part(sim, payment, 700, final=False)
    charge = charge_of(sim, payment)
    assert amounts(sim, payment) == ("requires_capture", 300, 700)
    assert (charge["captured"], charge["amount_captured"]) == (False, 700)
    part(sim, payment, 200, final=False)
    assert amounts(sim, payment) == ("requires_capture", 100, 900)
    assert sim.effects().captures == {payment: 2}
    assert sim.effects().charges == {payment: 1}


def test_the_final_capture_releases_the_rest_without_a_refund(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim)
    part(sim, payment, 700, final=False)
    part(sim, payment, 200, final=True)
    charge = charge_of(sim, payment)
    assert amounts(sim, payment) == ("succeeded", 0, 900)
    assert (charge["captured"], charge["amount_captured"]) == (True, 900)
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    assert rows(sim.call("find_refund", payment_intent=payment)) == []


def test_a_capture_is_final_unless_it_says_otherwise(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    sim.call("capture_payment", payment, amount_to_capture=100)
    assert amounts(sim, payment) == ("succeeded", 0, 100)


def test_a_final_capture_of_nothing_closes(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    part(sim, payment, 700, final=False)
    part(sim, payment, 0, final=True)
    assert amounts(sim, payment) == ("succeeded", 0, 700)
    assert sim.effects().captures == {payment: 1}
    assert len(rows(sim.call("list_balance_transactions"))) == 1


@pytest.mark.parametrize("final", [True, False])
def test_nothing_cannot_be_the_first_capture(
    sim: SimulatedProvider, final: bool
) -> None:
    payment = flexible(sim)
    error = refusal(
        sim, "capture_payment", payment, amount_to_capture=0, final_capture=final
    )
    assert error.code == "parameter_invalid_integer"


def test_every_capture_is_told_and_only_the_final_one_as_captured(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim)
    start = len(told(sim))
    part(sim, payment, 700, final=False)
    assert told(sim)[start:] == ["charge.updated", CHANGED]
    assert sim.events()[-1].previous == {"amount_capturable": 1000}
    start = len(told(sim))
    part(sim, payment, 300, final=True)
    assert told(sim)[start:] == [
        "charge.updated",
        CHANGED,
        "charge.captured",
        "payment_intent.succeeded",
    ]


def test_each_capture_has_its_balance_transaction(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    part(sim, payment, 700, final=False)
    first = charge_of(sim, payment)["balance_transaction"]
    part(sim, payment, 200, final=True)
    charge = charge_of(sim, payment)
    found = rows(sim.call("list_balance_transactions", source=charge["id"]))
    shown = [(row["reporting_category"], row["amount"]) for row in found]
    assert shown == [("charge", 200), ("charge", 700)]
    assert [row["id"] for row in found] == [charge["balance_transaction"], first]


def test_a_part_can_be_refunded_before_the_rest_is_captured(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim)
    part(sim, payment, 400, final=False)
    sim.call("create_refund", payment_intent=payment, amount=300)
    error = refusal(sim, "create_refund", "", payment_intent=payment, amount=101)
    assert error.param == "amount"
    part(sim, payment, 600, final=False)
    sim.call("create_refund", payment_intent=payment)
    assert sim.effects().refunded == {payment: 1000}
    assert charge_of(sim, payment)["refunded"] is False
    part(sim, payment, 0, final=True)
    assert charge_of(sim, payment)["refunded"] is True


def test_without_multicapture_a_capture_must_be_final(sim: SimulatedProvider) -> None:
    payment = paid(sim, capture_method="manual")
    error = refusal(
        sim, "capture_payment", payment, amount_to_capture=1, final_capture=False
    )
    assert (error.status, error.param) == (400, "final_capture")
    assert sim.effects().captures == {payment: 0}


def test_an_authorization_is_captured_fifty_times_at_most(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim)
    for _ in range(50):
        part(sim, payment, 10, final=False)
    error = refusal(
        sim, "capture_payment", payment, amount_to_capture=10, final_capture=False
    )
    assert error.status == 400
    part(sim, payment, 0, final=True)
    assert sim.effects().captured == {payment: 500}


def test_parts_are_never_more_than_the_authorization(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    part(sim, payment, 700, final=False)
    error = refusal(
        sim, "capture_payment", payment, amount_to_capture=301, final_capture=False
    )
    assert (error.code, error.param) == ("amount_too_large", "amount_to_capture")


def test_a_partly_captured_payment_succeeds_when_it_runs_out(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim)
    part(sim, payment, 400, final=False)
    sim.expire_authorization(payment)
    assert amounts(sim, payment) == ("succeeded", 0, 400)
    assert sim.intent(payment).cancellation_reason is None
    assert told(sim)[-2:] == ["charge.captured", "payment_intent.succeeded"]


def test_a_payment_never_captured_is_canceled_when_it_runs_out(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim)
    sim.expire_authorization(payment)
    assert amounts(sim, payment) == ("canceled", 0, 0)
    assert charge_of(sim, payment)["refunded"] is True


def test_a_partly_captured_payment_is_closed_not_canceled(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim)
    part(sim, payment, 400, final=False)
    error = refusal(sim, "cancel_payment", payment)
    assert error.code == "payment_intent_unexpected_state"
    assert amounts(sim, payment) == ("requires_capture", 600, 400)


def test_the_same_key_captures_one_part_once(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    for _ in range(2):
        post(
            sim,
            "capture_payment",
            payment,
            "part-1",
            amount_to_capture="100",
            final_capture="false",
        )
    assert amounts(sim, payment) == ("requires_capture", 900, 100)


# --- a higher authorization -----------------------------------------------------------


def test_an_increment_is_the_new_total(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    before = card_of(sim, payment)["capture_before"]
    world = sim.world
    assert isinstance(world, StillWorld)
    world.time += timedelta(days=1)
    body = sim.call("increment_authorization", payment, amount=1500, description="more")
    assert (body["amount"], body["amount_capturable"]) == (1500, 1500)
    assert (body["description"], charge_of(sim, payment)["amount"]) == ("more", 1500)
    assert card_of(sim, payment)["amount_authorized"] == 1500
    assert card_of(sim, payment)["capture_before"] == before
    event = sim.events()[-1]
    assert event.type == CHANGED
    assert event.previous == {"amount": 1000, "amount_capturable": 1000}
    sim.call("capture_payment", payment)
    assert sim.effects().captured == {payment: 1500}


def test_a_declined_increment_leaves_what_was_authorized(
    sim: SimulatedProvider,
) -> None:
    payment = flexible(sim, "pm_card_mastercard_prepaid")
    error = refusal(sim, "increment_authorization", payment, amount=1500)
    assert (error.status, error.code) == (402, "card_declined")
    assert amounts(sim, payment) == ("requires_capture", 1000, 0)
    assert sim.intent(payment).last_error is None
    sim.call("capture_payment", payment)
    assert sim.effects().captured == {payment: 1000}


@pytest.mark.parametrize("amount", [999, 1000])
def test_an_increment_is_more_than_before(sim: SimulatedProvider, amount: int) -> None:
    payment = flexible(sim)
    error = refusal(sim, "increment_authorization", payment, amount=amount)
    assert (error.status, error.param) == (400, "amount")


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_mastercard_prepaid"])
def test_ten_increments_are_the_most_and_declines_count(
    sim: SimulatedProvider, method: str
) -> None:
    payment = flexible(sim, method)
    declines = not METHODS[method].increments
    for step in range(10):
        if declines:
            refusal(sim, "increment_authorization", payment, amount=2000)
        else:
            sim.call("increment_authorization", payment, amount=1001 + step)
    error = refusal(sim, "increment_authorization", payment, amount=3000)
    assert error.code == "payment_intent_unexpected_state"


def test_what_was_not_asked_for_cannot_be_incremented(sim: SimulatedProvider) -> None:
    payment = paid(sim, capture_method="manual")
    error = refusal(sim, "increment_authorization", payment, amount=2000)
    assert error.status == 400
    assert sim.intent(payment).amount == 1000


def test_after_a_capture_nothing_is_incremented(sim: SimulatedProvider) -> None:
    payment = flexible(sim)
    part(sim, payment, 100, final=False)
    assert refusal(sim, "increment_authorization", payment, amount=2000).status == 400
    part(sim, payment, 0, final=True)
    assert refusal(sim, "increment_authorization", payment, amount=2000).status == 400
