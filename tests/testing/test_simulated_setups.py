"""Setup intents, reviews and early fraud warnings at the simulated provider."""

from __future__ import annotations

import pytest

from paykit.testing.simulated import ProviderError, SimulatedProvider
from tests.testing.simulated import (
    NEVER_REDIRECT,
    charge_of,
    error_of,
    opened,
    paid,
    post,
    rows,
    told,
)
from tests.testing.worlds import StillWorld


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


def setup(sim: SimulatedProvider, **params: object) -> dict[str, object]:
    return sim.call("create_setup", automatic_payment_methods=NEVER_REDIRECT, **params)


def test_a_card_is_saved_in_two_steps(sim: SimulatedProvider) -> None:
    body = setup(sim, metadata={"shopper": "7"})
    assert (body["status"], body["usage"]) == ("requires_payment_method", "off_session")
    reference = str(body["id"])
    done = sim.call("confirm_setup", reference, payment_method="pm_card_visa")
    assert (done["status"], done["payment_method"]) == ("succeeded", "pm_card_visa")
    assert done["metadata"] == {"shopper": "7"}
    assert told(sim) == ["setup_intent.created", "setup_intent.succeeded"]


def test_a_declined_card_is_not_saved(sim: SimulatedProvider) -> None:
    reference = str(setup(sim)["id"])
    reply = post(
        sim, "confirm_setup", reference, "k", payment_method="pm_card_chargeDeclined"
    )
    error = error_of(reply)
    assert (reply.status, error["code"]) == (402, "card_declined")
    shown = error["setup_intent"]
    assert isinstance(shown, dict)
    assert shown["status"] == "requires_payment_method"
    assert sim.call("read_setup", reference)["last_setup_error"] is not None
    assert told(sim)[-1] == "setup_intent.setup_failed"


def test_a_card_whose_charges_fail_can_be_saved(sim: SimulatedProvider) -> None:
    done = setup(sim, payment_method="pm_card_chargeCustomerFail", confirm=True)
    assert done["status"] == "succeeded"


@pytest.mark.parametrize(
    ("success", "status", "event"),
    [
        (True, "succeeded", "succeeded"),
        (False, "requires_payment_method", "setup_failed"),
    ],
)
def test_the_payer_may_have_to_act(
    sim: SimulatedProvider, success: bool, status: str, event: str
) -> None:
    body = setup(
        sim, payment_method="pm_card_authenticationRequiredOnSetup", confirm=True
    )
    assert body["status"] == "requires_action"
    action = body["next_action"]
    assert isinstance(action, dict)
    assert action["type"] == "use_stripe_sdk"
    reference = str(body["id"])
    sim.controls.complete_setup(reference, success=success)
    assert sim.call("read_setup", reference)["status"] == status
    assert told(sim)[1:] == ["setup_intent.requires_action", f"setup_intent.{event}"]


def test_a_redirect_needs_a_way_back(sim: SimulatedProvider) -> None:
    reference = str(sim.call("create_setup", payment_method="pm_card_visa")["id"])
    with pytest.raises(ProviderError) as caught:
        sim.call("confirm_setup", reference)
    assert caught.value.param == "return_url"
    done = sim.call("confirm_setup", reference, return_url="https://shop.example")
    assert done["status"] == "succeeded"


def test_a_finished_setup_stays_as_it_is(sim: SimulatedProvider) -> None:
    done = str(setup(sim, payment_method="pm_card_visa", confirm=True)["id"])
    for verb in ("confirm_setup", "cancel_setup", "update_setup"):
        with pytest.raises(ProviderError) as caught:
            sim.call(verb, done)
        assert caught.value.code == "setup_intent_unexpected_state"
    open_ = str(setup(sim)["id"])
    body = sim.call("cancel_setup", open_, cancellation_reason="duplicate")
    assert (body["status"], body["cancellation_reason"]) == ("canceled", "duplicate")
    assert told(sim)[-1] == "setup_intent.canceled"


def test_without_a_payment_method_nothing_is_confirmed(sim: SimulatedProvider) -> None:
    with pytest.raises(ProviderError, match="missing a payment method"):
        sim.call("confirm_setup", str(setup(sim)["id"]))
    with pytest.raises(ProviderError, match="No such PaymentMethod"):
        setup(sim, payment_method="pm_card_nobody")


def test_a_review_is_opened_and_approved(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    review = sim.controls.open_review(payment)
    body = sim.call("read_review", review)
    assert (body["open"], body["reason"], body["payment_intent"]) == (
        True,
        "rule",
        payment,
    )
    assert sim.call("read_payment", payment)["review"] == review
    done = sim.call("approve_review", review)
    assert (done["open"], done["closed_reason"]) == (False, "approved")
    assert told(sim)[-2:] == ["review.opened", "review.closed"]
    assert rows(sim.call("list_reviews")) == []
    with pytest.raises(ProviderError, match="already closed"):
        sim.controls.close_review(review)


@pytest.mark.parametrize("end", ["refunded", "disputed"])
def test_a_review_ends_when_there_is_nothing_left_to_decide(
    sim: SimulatedProvider, end: str
) -> None:
    payment = paid(sim)
    review = sim.controls.open_review(payment, reason="manual")
    if end == "refunded":
        sim.call("create_refund", payment_intent=payment, amount=1)
        assert sim.call("read_review", review)["open"] is True
        sim.call("create_refund", payment_intent=payment)
    else:
        sim.controls.open_dispute(payment)
    assert sim.call("read_review", review)["closed_reason"] == end


def test_an_early_fraud_warning_helps_until_the_money_is_gone(
    sim: SimulatedProvider,
) -> None:
    refunded, disputed = paid(sim), paid(sim)
    first = sim.controls.warn_of_fraud(refunded)
    second = sim.controls.warn_of_fraud(disputed, fraud_type="made_with_stolen_card")
    body = sim.call("read_warning", first)
    assert (body["actionable"], body["fraud_type"]) == (
        True,
        "unauthorized_use_of_card",
    )
    assert body["charge"] == charge_of(sim, refunded)["id"]
    sim.call("create_refund", payment_intent=refunded)
    sim.controls.open_dispute(disputed)
    found = rows(sim.call("list_warnings"))
    assert {row["id"]: row["actionable"] for row in found} == {
        first: False,
        second: False,
    }
    types = [name for name in told(sim) if "warning" in name]
    assert (
        types
        == ["radar.early_fraud_warning.created"] * 2
        + ["radar.early_fraud_warning.updated"] * 2
    )


def test_what_was_not_charged_is_not_reviewed(sim: SimulatedProvider) -> None:
    payment = opened(sim)
    with pytest.raises(ProviderError, match="no charge"):
        sim.controls.open_review(payment)
    with pytest.raises(ProviderError, match="no charge"):
        sim.controls.warn_of_fraud(payment)
