"""Payments at the simulated provider: Stripe's statuses, amounts, events and fees."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.testing.simulated import METHODS, ProviderError, SimulatedProvider
from tests.testing.simulated import charge_of, held, opened, paid, post, rows, told
from tests.testing.worlds import StillWorld


@pytest.fixture
def sim() -> SimulatedProvider:
    return SimulatedProvider(StillWorld())


def refusal(
    sim: SimulatedProvider, verb: str, target: str = "", /, **params: object
) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        sim.call(verb, target, **params)
    return caught.value


@pytest.mark.parametrize(
    "method", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex"]
)
def test_a_good_card_is_charged_once_and_in_full(
    sim: SimulatedProvider, method: str
) -> None:
    payment = paid(sim, method)
    intent = sim.intent(payment)
    assert (intent.status, intent.amount_received) == ("succeeded", 1000)
    assert sim.effects().charges == {payment: 1}
    assert sim.effects().captured == {payment: 1000}


def test_nothing_is_charged_before_the_confirmation(sim: SimulatedProvider) -> None:
    payment = opened(sim)
    assert sim.intent(payment).status == "requires_confirmation"
    assert sim.intent(payment).latest_charge is None
    assert sim.effects().charges == {payment: 0}


def test_a_payment_without_a_method_waits_for_one(sim: SimulatedProvider) -> None:
    payment = str(sim.call("create_payment", amount=500, currency="eur")["id"])
    assert sim.intent(payment).status == "requires_payment_method"
    error = refusal(sim, "confirm_payment", payment, return_url="https://shop.test")
    assert error.code == "payment_intent_unexpected_state"


def test_confirming_asks_for_a_way_back_if_a_redirect_is_possible(
    sim: SimulatedProvider,
) -> None:
    payment = opened(sim, automatic_payment_methods={"enabled": True})
    assert refusal(sim, "confirm_payment", payment).param == "return_url"
    sim.call("confirm_payment", payment, return_url="https://shop.test")
    assert sim.intent(payment).status == "succeeded"


def test_the_events_of_a_payment_come_in_stripes_order(sim: SimulatedProvider) -> None:
    paid(sim)
    assert told(sim) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


def test_events_show_the_object_as_it_was(sim: SimulatedProvider) -> None:
    paid(sim)
    created = sim.events()[0]
    assert created.object["status"] == "requires_confirmation"


DECLINES = {
    "chargeDeclined": ("card_declined", "generic_decline", "try_again_later"),
    "chargeDeclinedInsufficientFunds": (
        "card_declined",
        "insufficient_funds",
        "try_again_later",
    ),
    "chargeDeclinedLostCard": ("card_declined", "lost_card", "do_not_try_again"),
    "chargeDeclinedStolenCard": ("card_declined", "stolen_card", "do_not_try_again"),
    "chargeDeclinedExpiredCard": ("expired_card", "expired_card", "do_not_try_again"),
    "chargeDeclinedIncorrectCvc": (
        "incorrect_cvc",
        "incorrect_cvc",
        "confirm_card_data",
    ),
    "chargeDeclinedProcessingError": (
        "processing_error",
        "processing_error",
        "try_again_later",
    ),
}


@pytest.mark.parametrize("prefix", ["pm_card_", "pm_card_visa_"])
@pytest.mark.parametrize("name", DECLINES)
def test_a_declined_card_says_why_and_can_be_replaced(
    sim: SimulatedProvider, prefix: str, name: str
) -> None:
    payment = opened(sim, prefix + name)
    error = refusal(sim, "confirm_payment", payment)
    assert (error.status, error.type) == (402, "card_error")
    decline = error.decline
    assert decline is not None
    assert (decline.code, decline.decline_code, decline.advice_code) == DECLINES[name]
    intent = sim.intent(payment)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert charge_of(sim, payment)["status"] == "failed"
    assert told(sim)[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    sim.call("confirm_payment", payment, payment_method="pm_card_visa")
    assert sim.effects().attempts == {payment: 2}
    assert sim.effects().charges == {payment: 1}


@pytest.mark.parametrize(
    "method", ["pm_card_authenticationRequired", "pm_card_threeDSecure2Required"]
)
def test_three_d_secure_waits_for_the_payer(
    sim: SimulatedProvider, method: str
) -> None:
    payment = opened(sim, method)
    post(sim, "confirm_payment", payment, "the-key")
    body = sim.call("read_payment", payment)
    assert body["status"] == "requires_action"
    assert isinstance(body["next_action"], dict)
    assert body["next_action"]["type"] == "use_stripe_sdk"
    assert sim.effects().attempts == {payment: 0}
    sim.complete_authentication(payment)
    assert sim.intent(payment).status == "succeeded"
    assert sim.effects().charges == {payment: 1}
    asked, done = sim.events()[1], sim.events()[-1]
    assert (asked.type, asked.idempotency_key) == (
        "payment_intent.requires_action",
        "the-key",
    )
    assert (done.type, done.request_id, done.idempotency_key) == (
        "payment_intent.succeeded",
        None,
        None,
    )


def test_with_a_way_back_the_payer_is_redirected(sim: SimulatedProvider) -> None:
    payment = opened(sim, "pm_card_threeDSecure2Required")
    body = sim.call("confirm_payment", payment, return_url="https://shop.test/back")
    action = body["next_action"]
    assert isinstance(action, dict)
    assert action["redirect_to_url"]["return_url"] == "https://shop.test/back"


def test_failed_authentication_charges_nothing(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_card_threeDSecure2Required")
    sim.complete_authentication(payment, success=False)
    intent = sim.intent(payment)
    assert intent.status == "requires_payment_method"
    assert intent.last_error is not None
    assert intent.last_error.code == "payment_intent_authentication_failure"
    assert sim.effects().attempts == {payment: 0}


def test_off_session_a_missing_authentication_is_a_decline(
    sim: SimulatedProvider,
) -> None:
    payment = opened(sim, "pm_card_authenticationRequired")
    error = refusal(sim, "confirm_payment", payment, off_session=True)
    assert error.code == "authentication_required"


def test_a_bank_debit_is_processing_until_it_settles(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_usBankAccount_success")
    assert sim.intent(payment).status == "processing"
    assert refusal(sim, "cancel_payment", payment).code == (
        "payment_intent_unexpected_state"
    )
    sim.settle_charges()
    sim.settle_charges()
    assert sim.intent(payment).status == "succeeded"
    assert told(sim).count("payment_intent.succeeded") == 1


def test_a_bank_debit_can_fail_when_it_settles(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_usBankAccount_insufficientFunds")
    sim.settle_charges()
    assert sim.intent(payment).status == "requires_payment_method"
    assert sim.effects().charges == {payment: 0}


def test_a_returned_debit_takes_the_money_back(sim: SimulatedProvider) -> None:
    payment = paid(sim, "pm_usBankAccount_success")
    sim.settle_charges()
    sim.return_debit(payment)
    charge = charge_of(sim, payment)
    assert charge["status"] == "failed"
    assert charge["failure_balance_transaction"] is not None
    assert sim.effects().balance == {"usd": -59}
    with pytest.raises(ProviderError):
        sim.return_debit(payment)


def test_an_authorization_holds_and_takes_nothing(sim: SimulatedProvider) -> None:
    world = sim.world
    payment = held(sim)
    intent, charge = sim.intent(payment), charge_of(sim, payment)
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 1000)
    assert (charge["captured"], charge["amount_captured"]) == (False, 0)
    details = charge["payment_method_details"]
    assert isinstance(details, dict)
    week_later = (world.now() + timedelta(days=7)).timestamp()
    assert details["card"]["capture_before"] == week_later
    assert sim.effects().balance == {}
    assert told(sim)[-1] == "payment_intent.amount_capturable_updated"


def test_capturing_takes_what_was_held(sim: SimulatedProvider) -> None:
    payment = held(sim)
    sim.call("capture_payment", payment)
    assert sim.effects().captured == {payment: 1000}
    assert told(sim)[-2:] == ["charge.captured", "payment_intent.succeeded"]


def test_a_partial_capture_happens_once_and_releases_the_rest(
    sim: SimulatedProvider,
) -> None:
    payment = held(sim)
    sim.call("capture_payment", payment, amount_to_capture=700)
    intent, charge = sim.intent(payment), charge_of(sim, payment)
    assert (intent.amount_received, intent.amount_capturable) == (700, 0)
    assert charge["amount_captured"] == 700
    assert (charge["amount_refunded"], charge["refunded"]) == (300, False)
    assert sim.effects().refunds == {payment: 0}
    error = refusal(sim, "capture_payment", payment, amount_to_capture=1)
    assert error.code == "payment_intent_unexpected_state"


def test_a_partial_capture_writes_two_balance_transactions(
    sim: SimulatedProvider,
) -> None:
    payment = held(sim)
    sim.call("capture_payment", payment, amount_to_capture=700)
    charge = charge_of(sim, payment)["id"]
    found = rows(sim.call("list_balance_transactions", source=charge))
    assert [
        (row["reporting_category"], row["type"], row["amount"]) for row in found
    ] == [
        ("partial_capture_reversal", "refund", -300),
        ("charge", "charge", 1000),
    ]
    assert sum(int(str(row["fee"])) for row in found) == 700 * 29 // 1000 + 30


@pytest.mark.parametrize(
    ("amount", "code"), [(1001, "amount_too_large"), (0, "parameter_invalid_integer")]
)
def test_no_more_is_captured_than_was_held(
    sim: SimulatedProvider, amount: int, code: str
) -> None:
    payment = held(sim)
    error = refusal(sim, "capture_payment", payment, amount_to_capture=amount)
    assert (error.code, error.param) == (code, "amount_to_capture")
    assert sim.intent(payment).status == "requires_capture"


def test_canceling_releases_the_hold(sim: SimulatedProvider) -> None:
    payment = held(sim)
    sim.call("cancel_payment", payment, cancellation_reason="requested_by_customer")
    intent, charge = sim.intent(payment), charge_of(sim, payment)
    assert (intent.status, intent.amount_capturable) == ("canceled", 0)
    assert (charge["refunded"], charge["captured"]) == (True, False)
    assert sim.effects().refunded == {payment: 0}
    assert sim.effects().balance == {}
    assert told(sim)[-2:] == ["charge.refunded", "payment_intent.canceled"]


@pytest.mark.parametrize("verb", ["cancel_payment", "confirm_payment"])
def test_what_has_succeeded_can_neither_be_canceled_nor_paid_again(
    sim: SimulatedProvider, verb: str
) -> None:
    payment = paid(sim)
    error = refusal(sim, verb, payment)
    assert (error.status, error.code) == (400, "payment_intent_unexpected_state")
    assert error.intent is not None
    assert error.intent.status == "succeeded"
    assert sim.effects().charges == {payment: 1}


def test_a_hold_that_runs_out_ends_the_payment(sim: SimulatedProvider) -> None:
    payment = held(sim)
    sim.expire_authorization(payment)
    intent = sim.intent(payment)
    assert (intent.status, intent.cancellation_reason) == ("canceled", "automatic")
    assert told(sim)[-2:] == ["charge.expired", "payment_intent.canceled"]
    assert refusal(sim, "capture_payment", payment).status == 400


def test_the_fee_is_taken_on_the_charge_only(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    body = sim.call(
        "read_payment", payment, expand=["latest_charge.balance_transaction"]
    )
    charge = body["latest_charge"]
    assert isinstance(charge, dict)
    movement = charge["balance_transaction"]
    assert (movement["amount"], movement["fee"], movement["net"]) == (1000, 59, 941)


def test_automatic_async_posts_after_the_answer(sim: SimulatedProvider) -> None:
    payment = opened(sim, capture_method="automatic_async")
    answer = sim.call("confirm_payment", payment, expand=["latest_charge"])
    charge = answer["latest_charge"]
    assert isinstance(charge, dict)
    assert charge["balance_transaction"] is None
    assert charge_of(sim, payment)["balance_transaction"] is not None
    last = sim.events()[-1]
    assert last.type == "charge.updated"
    assert last.previous == {"balance_transaction": None}


def test_metadata_is_merged_and_unset_by_an_empty_value(
    sim: SimulatedProvider,
) -> None:
    payment = opened(sim, metadata={"order": "7", "old": "x"})
    sim.call("update_payment", payment, metadata={"old": "", "new": "y"})
    assert sim.intent(payment).metadata == {"order": "7", "new": "y"}
    assert [i.id for i in sim.intents_with("order", "7")] == [payment]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 5}, "parameter_missing", "currency"),
        ({"amount": 5, "currency": "xxx"}, None, "currency"),
        ({"amount": 0, "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": "1.5", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 150, "currency": "isk"}, None, "amount"),
        ({"amount": 5, "currency": "usd", "x": "1"}, "parameter_unknown", "x"),
        (
            {"amount": 5, "currency": "usd", "payment_method_types": ["card"]},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        (
            {"amount": 5, "currency": "usd", "payment_method": "pm_nobody"},
            "resource_missing",
            "payment_method",
        ),
    ],
)
def test_an_invalid_parameter_is_named(
    sim: SimulatedProvider, params: dict[str, object], code: str | None, param: str
) -> None:
    error = refusal(sim, "create_payment", "", **params)
    assert (error.code, error.param) == (code, param)
    assert sim.effects().charges == {}


def test_what_does_not_exist_is_404(sim: SimulatedProvider) -> None:
    error = refusal(sim, "read_payment", "pi_nobody")
    assert (error.status, error.code) == (404, "resource_missing")


def test_lists_come_newest_first_in_pages(sim: SimulatedProvider) -> None:
    made = [opened(sim) for _ in range(5)][::-1]
    first = sim.call("find_payment", limit=2)
    assert [row["id"] for row in rows(first)] == made[:2]
    assert first["has_more"] is True
    rest = sim.call("find_payment", limit=3, starting_after=made[1])
    assert [row["id"] for row in rows(rest)] == made[2:]
    assert rest["has_more"] is False
    back = sim.call("find_payment", limit=2, ending_before=made[3])
    assert [row["id"] for row in rows(back)] == made[1:3]


def test_lists_can_be_cut_by_time(sim: SimulatedProvider) -> None:
    world = sim.world
    assert isinstance(world, StillWorld)
    opened(sim)
    world.time += timedelta(minutes=1)
    later = opened(sim)
    since = {"gte": int(world.time.timestamp())}
    assert [r["id"] for r in rows(sim.call("find_payment", created=since))] == [later]


def test_events_can_be_listed_by_type_and_delivery(sim: SimulatedProvider) -> None:
    paid(sim)
    sim.mark_delivered(sim.events()[0])
    wanted = ["payment_intent.created", "payment_intent.succeeded"]
    body = sim.call("list_events", types=wanted, delivery_success=False)
    assert [row["type"] for row in rows(body)] == ["payment_intent.succeeded"]


def test_every_test_method_can_be_attached(sim: SimulatedProvider) -> None:
    for method in METHODS:
        assert sim.intent(opened(sim, method)).status == "requires_confirmation"


def test_the_same_calls_tell_the_same_story() -> None:
    def story() -> dict[str, object]:
        sim = SimulatedProvider(StillWorld())
        sim.call("create_refund", payment_intent=paid(sim), amount=300)
        return sim.dump()

    assert story() == story()


def test_the_memory_outlives_the_provider(sim: SimulatedProvider) -> None:
    payment = held(sim)
    other = SimulatedProvider(sim.world)
    other.load(sim.dump())
    other.call("capture_payment", payment)
    assert other.effects().captured == {payment: 1000}
    assert len({event.id for event in other.events()}) == len(other.events())
