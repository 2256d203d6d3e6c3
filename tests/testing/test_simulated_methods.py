"""What each of Stripe's test payment methods does at the simulated provider."""

from __future__ import annotations

import re

import pytest

from paykit.testing.simulated import METHODS, ProviderError, SimulatedProvider
from tests.testing.simulated import charge_of, opened, paid, post, told
from tests.testing.worlds import StillWorld

Body = dict[str, object]

CARD_NUMBER = re.compile(r"\d{4}", re.ASCII)


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


def part_of(body: Body, *path: str) -> Body:
    for name in path:
        inner = body[name]
        assert isinstance(inner, dict)
        body = inner
    return body


def decline_of(sim: SimulatedProvider, method: str) -> ProviderError:
    payment = opened(sim, method)
    with pytest.raises(ProviderError) as caught:
        sim.call("confirm_payment", payment)
    assert caught.value.status == 402
    return caught.value


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_the_end_that_it_says(
    sim: SimulatedProvider, name: str
) -> None:
    method, payment = METHODS[name], opened(sim, name)
    assert CARD_NUMBER.fullmatch(method.last4)
    reply = post(sim, "confirm_payment", payment, "the-key")
    assert reply.status == 200 or (reply.status == 402 and method.decline is not None)
    if sim.intent(payment).status == "requires_action":
        sim.complete_authentication(payment)
    sim.settle_charges()
    good = method.decline is None and method.settles
    settled = "succeeded" if method.decline is None else "requires_payment_method"
    assert sim.intent(payment).status == (settled if method.settles else "processing")
    assert sim.effects().charges == {payment: int(good)}


@pytest.mark.parametrize(
    ("name", "code", "decline_code"),
    [
        ("VelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
        ("IncorrectNumber", "incorrect_number", "incorrect_number"),
    ],
)
def test_more_reasons_of_issuers(
    sim: SimulatedProvider, name: str, code: str, decline_code: str
) -> None:
    error = decline_of(sim, f"pm_card_chargeDeclined{name}")
    assert error.decline is not None
    assert (error.code, error.decline.decline_code) == (code, decline_code)


@pytest.mark.parametrize("name", ["pm_card_radarBlock", "pm_card_riskLevelHighest"])
def test_a_blocked_payment_never_reached_the_issuer(
    sim: SimulatedProvider, name: str
) -> None:
    error = decline_of(sim, name)
    assert error.decline is not None
    assert error.decline.decline_code == "fraudulent"
    assert error.intent is not None
    outcome = part_of(charge_of(sim, error.intent.id), "outcome")
    assert (outcome["type"], outcome["network_status"]) == (
        "blocked",
        "not_sent_to_network",
    )
    assert (outcome["reason"], outcome["risk_level"]) == (
        "highest_risk_level",
        "highest",
    )


def test_an_elevated_risk_is_shown_and_charged(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_riskLevelElevated")
    outcome = part_of(charge_of(sim, payment), "outcome")
    assert (outcome["type"], outcome["risk_level"]) == ("authorized", "elevated")


def test_a_failed_check_of_the_code_is_shown_and_charged(
    sim: SimulatedProvider,
) -> None:
    charge = charge_of(sim, paid(sim, "pm_card_cvcCheckFail"))
    checks = part_of(charge, "payment_method_details", "card", "checks")
    assert checks["cvc_check"] == "fail"


def test_a_card_can_fail_only_when_it_is_charged(sim: SimulatedProvider) -> None:
    assert decline_of(sim, "pm_card_chargeCustomerFail").code == "card_declined"


# --- 3-D Secure -----------------------------------------------------------------------


def status_after_confirm(
    sim: SimulatedProvider, method: str, **more: object
) -> tuple[str, str]:
    payment = opened(sim, method)
    sim.call("confirm_payment", payment, **more)
    return payment, sim.intent(payment).status


@pytest.mark.parametrize(
    ("method", "asked", "status"),
    [
        ("pm_card_threeDSecureOptional", "automatic", "succeeded"),
        ("pm_card_threeDSecureOptional", "any", "requires_action"),
        ("pm_card_threeDSecureOptional", "challenge", "requires_action"),
        ("pm_card_visa", "any", "requires_action"),
        ("pm_card_amex_threeDSecureNotSupported", "any", "succeeded"),
        ("pm_card_threeDSecure2Required", "automatic", "requires_action"),
        ("pm_card_threeDSecureRequired", "automatic", "requires_action"),
    ],
)
def test_the_payer_authenticates_where_card_or_merchant_ask_for_it(
    sim: SimulatedProvider, method: str, asked: str, status: str
) -> None:
    options = {"card": {"request_three_d_secure": asked}}
    after = status_after_confirm(sim, method, payment_method_options=options)
    assert after[1] == status


def test_a_card_that_was_set_up_is_charged_without_its_payer(
    sim: SimulatedProvider,
) -> None:
    name = "pm_card_authenticationRequiredSetupForOffSession"
    assert status_after_confirm(sim, name)[1] == "requires_action"
    assert status_after_confirm(sim, name, off_session=True)[1] == "succeeded"


@pytest.mark.parametrize("param", ["off_session", "error_on_requires_action"])
def test_a_payer_who_is_not_there_cannot_authenticate(
    sim: SimulatedProvider, param: str
) -> None:
    payment = opened(sim, "pm_card_authenticationRequired")
    with pytest.raises(ProviderError) as caught:
        sim.call("confirm_payment", payment, **{param: True})
    assert (caught.value.status, caught.value.code) == (402, "authentication_required")
    assert sim.intent(payment).status == "requires_payment_method"


def test_the_charge_shows_that_the_payer_authenticated(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_threeDSecure2Required")
    sim.complete_authentication(payment)
    card = part_of(charge_of(sim, payment), "payment_method_details", "card")
    assert part_of(card, "three_d_secure")["result"] == "authenticated"
    plain = charge_of(sim, paid(sim))
    assert part_of(plain, "payment_method_details", "card")["three_d_secure"] is None


@pytest.mark.parametrize(
    "name",
    [
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "pm_card_threeDSecureRequiredChargeDeclined",
    ],
)
def test_the_issuer_may_decline_after_the_authentication(
    sim: SimulatedProvider, name: str
) -> None:
    payment = paid(sim, name)
    assert sim.intent(payment).status == "requires_action"
    sim.complete_authentication(payment)
    intent = sim.intent(payment)
    assert intent.status == "requires_payment_method"
    assert intent.last_error is not None
    assert intent.last_error.code == "card_declined"
    assert told(sim)[-2:] == ["charge.failed", "payment_intent.payment_failed"]


def test_a_network_that_does_not_answer_asks_nobody(sim: SimulatedProvider) -> None:
    error = decline_of(sim, "pm_card_threeDSecureRequiredProcessingError")
    assert error.code == "processing_error"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "use_stripe_sdk"),
        ({"return_url": "https://shop.test"}, "redirect_to_url"),
        (
            {"return_url": "https://shop.test", "use_stripe_sdk": True},
            "use_stripe_sdk",
        ),
    ],
)
def test_how_the_payer_acts_depends_on_the_way_back(
    sim: SimulatedProvider, more: dict[str, object], kind: str
) -> None:
    payment = opened(sim, "pm_card_threeDSecure2Required")
    body = sim.call("confirm_payment", payment, **more)
    assert part_of(body, "next_action")["type"] == kind


# --- bank debits ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_usBankAccount_insufficientFunds", "insufficient_funds"),
        ("pm_usBankAccount_accountClosed", "account_closed"),
        ("pm_usBankAccount_noAccount", "no_account"),
        ("pm_usBankAccount_debitNotAuthorized", "debit_not_authorized"),
        ("pm_usBankAccount_invalidCurrency", "invalid_currency"),
        ("pm_failed_de", "no_account"),
        ("pm_insufficientFunds_de", "insufficient_funds"),
    ],
)
def test_a_debit_is_processing_before_it_fails(
    sim: SimulatedProvider, method: str, code: str
) -> None:
    payment = paid(sim, method)
    assert sim.intent(payment).status == "processing"
    sim.settle_charges()
    intent = sim.intent(payment)
    assert intent.last_error is not None
    assert intent.last_error.decline_code == code
    assert sim.effects().captured == {payment: 0}


def test_a_debit_shows_the_account_it_came_from(sim: SimulatedProvider) -> None:
    details = part_of(
        charge_of(sim, paid(sim, "pm_success_de")), "payment_method_details"
    )
    assert (details["type"], part_of(details, "sepa_debit")["last4"]) == (
        "sepa_debit",
        "3000",
    )


# --- disputes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "reason", "status"),
    [
        ("pm_card_createDispute", "fraudulent", "needs_response"),
        (
            "pm_card_createDisputeProductNotReceived",
            "product_not_received",
            "needs_response",
        ),
        ("pm_card_createDisputeInquiry", "general", "warning_needs_response"),
    ],
)
@pytest.mark.parametrize("capture", ["automatic", "automatic_async", "manual"])
def test_a_dispute_comes_right_after_the_capture(
    sim: SimulatedProvider, method: str, reason: str, status: str, capture: str
) -> None:
    payment = paid(sim, method, capture_method=capture)
    if capture == "manual":
        assert charge_of(sim, payment)["disputed"] is False
        sim.call("capture_payment", payment)
    assert charge_of(sim, payment)["disputed"] is True
    created = [e for e in sim.events() if e.type == "charge.dispute.created"]
    assert [(e.object["reason"], e.object["status"]) for e in created] == [
        (reason, status)
    ]


def test_a_debit_is_disputed_when_it_has_settled(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_usBankAccount_dispute")
    assert "charge.dispute.created" not in told(sim)
    sim.settle_charges()
    assert charge_of(sim, payment)["disputed"] is True
