"""The official SDK, unchanged and over real HTTP, finds what it finds at Stripe."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import stripe

from paykit.testing.simulated import Fault, SimulatedProvider
from tests.testing.stripe_sdk import Sdk, sdk_for, served
from tests.testing.worlds import StillWorld

# The SDK's own asynchronous transport uses a parameter that httpx has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CARD_ONLY = {"enabled": True, "allow_redirects": "never"}


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, sim: SimulatedProvider) -> Iterator[Sdk]:
    with served(sim) as server, sdk_for(server.url, request.param) as sdk:
        yield sdk


def create(sdk: Sdk, key: str | None = None, **params: object) -> Any:
    """Create a payment of 1000 cents, with `params` on top."""
    body = {"amount": 1000, "currency": "usd", "automatic_payment_methods": CARD_ONLY}
    options = {} if key is None else {"idempotency_key": key}
    return sdk("payment_intents.create", body | params, options)


def authorized(sdk: Sdk) -> Any:
    return create(
        sdk, capture_method="manual", payment_method="pm_card_visa", confirm=True
    )


def paid(sdk: Sdk, method: str = "pm_card_visa") -> Any:
    return create(sdk, capture_method="automatic", payment_method=method, confirm=True)


def test_a_payment_is_created_then_confirmed_in_two_steps(sdk: Sdk) -> None:
    intent = create(sdk, metadata={"order": "7"})
    assert intent.status == "requires_payment_method"
    assert intent.client_secret.startswith(f"{intent.id}_secret_")

    done = sdk(
        "payment_intents.confirm",
        intent.id,
        {"payment_method": "pm_card_visa", "expand": ["latest_charge"]},
    )

    assert (done.status, done.amount_received) == ("succeeded", 1000)
    assert done.latest_charge.amount_captured == 1000
    assert done.metadata["order"] == "7"


def test_a_hold_is_captured_in_part_and_the_balance_shows_both_entries(
    sdk: Sdk,
) -> None:
    hold = authorized(sdk)
    assert (hold.status, hold.amount_capturable) == ("requires_capture", 1000)

    done = sdk("payment_intents.capture", hold.id, {"amount_to_capture": 600})

    assert (done.status, done.amount_received) == ("succeeded", 600)
    entries = sdk("balance_transactions.list", {"source": done.latest_charge}).data
    assert {entry.reporting_category: entry.amount for entry in entries} == {
        "charge": 1000,
        "partial_capture_reversal": -400,
    }


def test_the_balance_transaction_comes_along_when_it_is_asked_for(sdk: Sdk) -> None:
    done = paid(sdk)
    again = sdk(
        "payment_intents.retrieve",
        done.id,
        {"expand": ["latest_charge.balance_transaction"]},
    )
    entry = again.latest_charge.balance_transaction
    assert (entry.amount, entry.fee, entry.net) == (1000, 59, 941)


def test_a_canceled_hold_is_released(sdk: Sdk) -> None:
    hold = authorized(sdk)
    done = sdk("payment_intents.cancel", hold.id, {"cancellation_reason": "duplicate"})
    assert (done.status, done.amount_capturable) == ("canceled", 0)
    assert done.cancellation_reason == "duplicate"


def test_a_refund_is_made_found_and_bounded(sdk: Sdk) -> None:
    done = paid(sdk)
    refund = sdk(
        "refunds.create",
        {"payment_intent": done.id, "amount": 700, "metadata": {"op": "r1"}},
    )
    assert (refund.status, refund.amount) == ("succeeded", 700)
    found = sdk("refunds.list", {"payment_intent": done.id}).data
    assert [(row.id, row.metadata["op"]) for row in found] == [(refund.id, "r1")]
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        sdk("refunds.create", {"payment_intent": done.id, "amount": 301})


def test_a_declined_card_raises_with_the_issuers_reason(sdk: Sdk) -> None:
    intent = create(sdk)
    with pytest.raises(stripe.CardError) as caught:
        sdk(
            "payment_intents.confirm",
            intent.id,
            {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"},
        )
    error = caught.value.error
    assert error is not None
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"
    again = sdk("payment_intents.retrieve", intent.id)
    assert again.last_payment_error.charge == again.latest_charge == error.charge


def test_three_d_secure_waits_for_the_payer(sdk: Sdk, sim: SimulatedProvider) -> None:
    intent = create(sdk, payment_method="pm_card_threeDSecure2Required")
    waiting = sdk(
        "payment_intents.confirm", intent.id, {"return_url": "https://host.test/back"}
    )
    assert waiting.status == "requires_action"
    assert waiting.next_action.type == "redirect_to_url"
    assert waiting.next_action.redirect_to_url.return_url == "https://host.test/back"

    sim.complete_authentication(intent.id)

    assert sdk("payment_intents.retrieve", intent.id).status == "succeeded"


def test_same_key_acts_once_and_says_that_it_repeats(sdk: Sdk) -> None:
    first = create(sdk, key="k1")
    second = create(sdk, key="k1")
    assert second.id == first.id
    headers = second.last_response.headers
    assert headers["Idempotent-Replayed"] == "true"
    assert headers["Original-Request"] == first.last_response.request_id
    assert "Idempotent-Replayed" not in first.last_response.headers


def test_same_key_with_other_parameters_is_refused(sdk: Sdk) -> None:
    create(sdk, key="k1")
    with pytest.raises(stripe.IdempotencyError):
        create(sdk, key="k1", amount=1001)


def test_a_key_is_forgotten_after_a_day(sdk: Sdk, world: StillWorld) -> None:
    first = create(sdk, key="k1")
    world.time += timedelta(hours=24, seconds=1)
    assert create(sdk, key="k1").id != first.id


def test_an_expired_hold_is_canceled_by_the_provider(
    sdk: Sdk, sim: SimulatedProvider
) -> None:
    hold = authorized(sdk)
    sim.expire_authorization(hold.id)
    done = sdk("payment_intents.retrieve", hold.id)
    assert (done.status, done.cancellation_reason) == ("canceled", "automatic")


def test_a_lost_answer_and_its_repetition_make_one_charge(
    sdk: Sdk, sim: SimulatedProvider
) -> None:
    intent = create(sdk, payment_method="pm_card_visa")
    sim.faults.add(Fault.LOSE_ANSWER, verb="confirm_payment")
    with pytest.raises(stripe.APIConnectionError):
        sdk("payment_intents.confirm", intent.id, {}, {"idempotency_key": "k2"})

    done = sdk("payment_intents.confirm", intent.id, {}, {"idempotency_key": "k2"})

    assert done.last_response.headers["Idempotent-Replayed"] == "true"
    charges = sdk("charges.list", {"payment_intent": intent.id}).data
    assert [charge.status for charge in charges] == ["succeeded"]


def test_lists_turn_their_pages_in_both_directions(sdk: Sdk) -> None:
    made = [create(sdk).id for _ in range(5)]
    page = sdk("payment_intents.list", {"limit": 2})
    assert ([row.id for row in page.data], page.has_more) == (made[:2:-1], True)
    older = sdk("payment_intents.list", {"limit": 3, "starting_after": made[3]})
    assert ([row.id for row in older.data], older.has_more) == (made[2::-1], False)
    newer = sdk("payment_intents.list", {"limit": 2, "ending_before": made[0]})
    assert ([row.id for row in newer.data], newer.has_more) == (made[2:0:-1], True)


def test_lists_are_bounded_by_time(sdk: Sdk, world: StillWorld) -> None:
    create(sdk)
    world.time += timedelta(minutes=1)
    late = create(sdk)
    bound = {"gte": int(world.time.timestamp())}
    rows = sdk("payment_intents.list", {"created": bound}).data
    assert [row.id for row in rows] == [late.id]


def test_events_tell_the_key_of_the_request_that_caused_them(sdk: Sdk) -> None:
    create(sdk, key="k1")
    event = sdk("events.list", {"type": "payment_intent.created"}).data[0]
    assert event["request"]["idempotency_key"] == "k1"  # `request` is a method too


def test_an_old_parameter_is_refused_as_stripe_refuses_it(sdk: Sdk) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        create(sdk, payment_method_types=["card"])
    assert caught.value.code == "payment_method_types_no_longer_supported"


def test_an_unknown_parameter_is_refused(sdk: Sdk) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        create(sdk, amout=5)
    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "amout")
