"""Payments before they are made: amounts, updates and what they carry along."""

from __future__ import annotations

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from tests.testing.simulated import charge_of, held, opened, paid
from tests.testing.worlds import StillWorld

CARRIED: dict[str, object] = {
    "application_fee_amount": 25,
    "description": "Order 7",
    "on_behalf_of": "acct_1",
    "statement_descriptor": "SHOP",
    "statement_descriptor_suffix": "ORDER 7",
    "transfer_data": {"destination": "acct_1", "amount": 900},
    "transfer_group": "group-7",
}


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


def refusal(
    sim: SimulatedProvider, verb: str, target: str = "", /, **params: object
) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        sim.call(verb, target, **params)
    return caught.value


# --- amounts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (29, "gbp", "amount_too_small"),
        (49, "jpy", "amount_too_small"),
        (199, "pln", "amount_too_small"),
        (10**12, "usd", "amount_too_large"),
        (150, "isk", None),
        (10_050, "ugx", None),
        (1_001, "kwd", None),
        (0, "usd", "parameter_invalid_integer"),
        (-100, "usd", "parameter_invalid_integer"),
    ],
)
def test_an_amount_that_cannot_be_charged_is_refused(
    sim: SimulatedProvider, amount: int, currency: str, code: str | None
) -> None:
    error = refusal(sim, "create_payment", amount=amount, currency=currency)
    assert (error.status, error.code, error.param) == (400, code, "amount")
    assert sim.events() == []


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (50, "usd"),
        (30, "GBP"),
        (50, "jpy"),
        (100, "isk"),
        (10_000, "ugx"),
        (1_010, "bhd"),
        (10**12 - 1, "usd"),
        # Two decimals for charges: only payouts need whole units.
        (17_501, "huf"),
        (101, "twd"),
    ],
)
def test_an_amount_that_can_be_charged_is_taken(
    sim: SimulatedProvider, amount: int, currency: str
) -> None:
    body = sim.call("create_payment", amount=amount, currency=currency)
    assert (body["amount"], body["currency"]) == (amount, currency.lower())


def test_a_currency_is_told_to_be_unknown(sim: SimulatedProvider) -> None:
    error = refusal(sim, "create_payment", amount=100, currency="xyz")
    assert error.param == "currency"
    assert "Invalid currency: xyz" in error.message


@pytest.mark.parametrize(
    ("verb", "name"),
    [("capture_payment", "amount_to_capture"), ("create_refund", "amount")],
)
def test_a_part_of_an_amount_obeys_the_currency_too(
    sim: SimulatedProvider, verb: str, name: str
) -> None:
    captures = verb == "capture_payment"
    method = "manual" if captures else "automatic"
    payment = paid(sim, amount=10_000, currency="kwd", capture_method=method)
    more: dict[str, object] = {} if captures else {"payment_intent": payment}
    error = refusal(sim, verb, payment if captures else "", **{name: 1_001}, **more)
    assert (error.status, error.param) == (400, name)


# --- updates --------------------------------------------------------------------------


def test_an_unpaid_payment_can_be_changed(sim: SimulatedProvider) -> None:
    payment = opened(sim)
    body = sim.call("update_payment", payment, amount=2500, currency="eur", **NEW)
    assert (body["amount"], body["currency"]) == (2500, "eur")
    assert (body["description"], body["metadata"]) == ("New", {"order": "8"})
    sim.call("confirm_payment", payment)
    assert sim.effects().captured == {payment: 2500}


NEW: dict[str, object] = {"description": "New", "metadata": {"order": "8"}}


def _canceled(sim: SimulatedProvider) -> str:
    payment = opened(sim)
    sim.call("cancel_payment", payment)
    return payment


@pytest.mark.parametrize(
    "make",
    [held, paid, _canceled, lambda sim: paid(sim, "pm_usBankAccount_success")],
    ids=["held", "paid", "canceled", "processing"],
)
@pytest.mark.parametrize(
    "params",
    [{"amount": 2000}, {"currency": "eur"}, {"payment_method": "pm_card_visa"}],
)
def test_a_made_payment_keeps_its_amount(
    sim: SimulatedProvider, make: object, params: dict[str, object]
) -> None:
    assert callable(make)
    payment = make(sim)
    status = sim.intent(payment).status
    error = refusal(sim, "update_payment", payment, **params)
    assert error.code == "payment_intent_unexpected_state"
    assert (sim.intent(payment).status, sim.intent(payment).amount) == (status, 1000)
    body = sim.call("update_payment", payment, **NEW)
    assert (body["description"], body["metadata"]) == ("New", {"order": "8"})


def test_an_update_is_checked_like_a_creation(sim: SimulatedProvider) -> None:
    payment = opened(sim)
    error = refusal(sim, "update_payment", payment, amount=49)
    assert error.code == "amount_too_small"
    assert sim.intent(payment).amount == 1000


@pytest.mark.parametrize(
    "params", [{"amount": 2000}, {"payment_method": "pm_card_visa"}]
)
def test_a_payer_who_acts_has_to_start_again_after_a_change(
    sim: SimulatedProvider, params: dict[str, object]
) -> None:
    payment = paid(sim, "pm_card_threeDSecure2Required")
    sim.call("update_payment", payment, metadata={"order": "8"})
    assert sim.intent(payment).status == "requires_action"
    sim.call("update_payment", payment, **params)
    assert sim.intent(payment).status == "requires_confirmation"
    with pytest.raises(ProviderError):
        sim.complete_authentication(payment)


def test_an_update_clears_the_last_error(sim: SimulatedProvider) -> None:
    payment = opened(sim, "pm_card_chargeDeclined")
    refusal(sim, "confirm_payment", payment)
    assert sim.intent(payment).last_error is not None
    sim.call("update_payment", payment, description="Try again")
    assert sim.intent(payment).last_error is None


# --- what a payment carries along -----------------------------------------------------


def test_what_a_payment_carries_is_shown_on_it_and_on_its_charge(
    sim: SimulatedProvider,
) -> None:
    payment = paid(sim, "pm_card_visa", setup_future_usage="off_session", **CARRIED)
    body, charge = sim.call("read_payment", payment), charge_of(sim, payment)
    assert {name: body[name] for name in CARRIED} == CARRIED
    assert {name: charge[name] for name in CARRIED} == CARRIED
    assert body["setup_future_usage"] == "off_session"


def test_amounts_within_a_form_are_numbers(sim: SimulatedProvider) -> None:
    transfer = {"destination": "acct_1", "amount": "900"}
    body = sim.call(
        "create_payment",
        amount="1000",
        currency="usd",
        application_fee_amount="25",
        transfer_data=transfer,
    )
    assert body["transfer_data"] == {"destination": "acct_1", "amount": 900}
    assert body["application_fee_amount"] == 25


def test_the_fee_can_still_be_set_at_the_capture(sim: SimulatedProvider) -> None:
    payment = paid(sim, capture_method="manual", application_fee_amount=25)
    sim.call("capture_payment", payment, application_fee_amount=20)
    assert sim.call("read_payment", payment)["application_fee_amount"] == 20
    assert charge_of(sim, payment)["application_fee_amount"] == 20


def test_the_capture_method_may_be_the_cards_own(sim: SimulatedProvider) -> None:
    options = {"card": {"capture_method": "manual"}}
    payment = paid(sim, payment_method_options=options)
    assert sim.intent(payment).status == "requires_capture"
    assert sim.effects().captured == {payment: 0}


def test_a_payment_without_a_capture_method_is_captured_asynchronously(
    sim: SimulatedProvider,
) -> None:
    body = sim.call("create_payment", amount=1000, currency="usd")
    assert body["capture_method"] == "automatic_async"
