"""Idempotency keys at the simulated provider, and faults on the way there and back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.testing.simulated import (
    ApiRequest,
    Damage,
    Fault,
    Reply,
    SimulatedProvider,
    Ticket,
)
from tests.testing.simulated import error_of, held, opened, paid, post
from tests.testing.worlds import StillWorld


@pytest.fixture
def world() -> StillWorld:
    return StillWorld()


@pytest.fixture
def sim(world: StillWorld) -> SimulatedProvider:
    return SimulatedProvider(world)


def confirm(sim: SimulatedProvider, payment: str, key: str = "k") -> Reply:
    return post(sim, "confirm_payment", payment, key)


def refund(sim: SimulatedProvider, payment: str, key: str, amount: int) -> Reply:
    return post(sim, "create_refund", "", key, payment_intent=payment, amount=amount)


def test_the_same_key_acts_once(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    first, second = refund(sim, payment, "k", 100), refund(sim, payment, "k", 100)
    assert second.body == first.body
    assert (first.replayed, second.replayed) == (False, True)
    assert second.original_request == first.request_id != second.request_id
    assert sim.effects().refunds == {payment: 1}


def test_another_key_acts_again(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    refund(sim, payment, "k1", 100)
    refund(sim, payment, "k2", 100)
    assert sim.effects().refunds == {payment: 2}


def test_numbers_and_their_text_are_the_same_parameters(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    refund(sim, payment, "k", 100)
    again = post(sim, "create_refund", "", "k", payment_intent=payment, amount="100")
    assert again.replayed


def test_a_key_is_refused_for_other_parameters(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    refund(sim, payment, "k", 100)
    reply = refund(sim, payment, "k", 200)
    assert (reply.status, error_of(reply)["type"]) == (400, "idempotency_error")
    assert refund(sim, payment, "k", 100).replayed


def test_a_key_is_refused_for_another_endpoint(sim: SimulatedProvider) -> None:
    payment = held(sim)
    post(sim, "capture_payment", payment, "k")
    reply = post(sim, "cancel_payment", payment, "k")
    assert error_of(reply)["type"] == "idempotency_error"
    assert "same endpoint" in str(error_of(reply)["message"])


def test_a_decline_is_remembered(sim: SimulatedProvider) -> None:
    payment = opened(sim, "pm_card_chargeDeclined")
    first, second = confirm(sim, payment), confirm(sim, payment)
    assert (first.status, second.status, second.replayed) == (402, 402, True)
    assert sim.effects().attempts == {payment: 1}


def test_a_conflict_is_remembered(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    assert confirm(sim, payment).status == 400
    assert confirm(sim, payment).replayed


def test_an_invalid_request_is_not_remembered(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    bad = post(sim, "create_refund", "", "k", payment_intent=payment, oops="1")
    assert bad.status == 400
    assert refund(sim, payment, "k", 100).status == 200


def test_a_refused_amount_is_not_remembered(sim: SimulatedProvider) -> None:
    payment = held(sim)
    refused = post(sim, "capture_payment", payment, "k", amount_to_capture=0)
    assert error_of(refused)["code"] == "parameter_invalid_integer"
    assert post(sim, "capture_payment", payment, "k").status == 200


def test_after_a_day_a_key_is_a_new_request(
    sim: SimulatedProvider, world: StillWorld
) -> None:
    payment = paid(sim)
    refund(sim, payment, "k", 100)
    world.time += timedelta(hours=24) - timedelta(seconds=1)
    assert refund(sim, payment, "k", 100).replayed
    world.time += timedelta(seconds=1)
    assert not refund(sim, payment, "k", 100).replayed
    assert sim.effects().refunds == {payment: 2}


def test_keys_and_payments_belong_to_one_account(sim: SimulatedProvider) -> None:
    payment = paid(sim)
    other = sim.handle(ApiRequest(verb="read_payment", target=payment, account="b"))
    assert other.status == 404
    params: dict[str, object] = {"amount": 100, "currency": "usd"}
    replies = [
        sim.handle(
            ApiRequest(verb="create_payment", params=params, key="k", account=account)
        )
        for account in ("a", "b")
    ]
    assert [reply.replayed for reply in replies] == [False, False]
    assert replies[0].body["id"] != replies[1].body["id"]


def test_the_events_name_the_request_and_its_key(sim: SimulatedProvider) -> None:
    payment = opened(sim)
    reply = confirm(sim, payment, "the-key")
    assert {
        (event.request_id, event.idempotency_key) for event in sim.events()[1:]
    } == {(reply.request_id, "the-key")}


def test_a_running_key_is_in_use_until_it_ends(sim: SimulatedProvider) -> None:
    payment = opened(sim)
    request = ApiRequest(verb="confirm_payment", target=payment, key="k")
    ticket = sim.begin(request)
    assert isinstance(ticket, Ticket)
    meanwhile = sim.handle(request)
    assert (meanwhile.status, error_of(meanwhile)["code"]) == (
        409,
        "idempotency_key_in_use",
    )
    reply = sim.finish(ticket)
    assert sim.handle(request).body == reply.body
    assert sim.effects().charges == {payment: 1}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.ERROR_BEFORE, 500),
        (Fault.RATE_LIMIT, 429),
        (Fault.LOCK_TIMEOUT, 429),
        (Fault.KEY_IN_USE, 409),
    ],
)
def test_a_fault_before_execution_leaves_the_key_free(
    sim: SimulatedProvider, fault: Fault, status: int
) -> None:
    payment = opened(sim)
    sim.faults.add(fault, verb="confirm_payment")
    assert confirm(sim, payment).status == status
    assert sim.effects().attempts == {payment: 0}
    retried = confirm(sim, payment)
    assert (retried.status, retried.replayed) == (200, False)


@pytest.mark.parametrize(
    ("fault", "damage"),
    [
        (Fault.LOSE_REQUEST_UNSENT, Damage.REFUSED),
        (Fault.LOSE_REQUEST, Damage.CUT),
    ],
)
def test_a_lost_request_acts_on_nothing(
    sim: SimulatedProvider, fault: Fault, damage: Damage
) -> None:
    payment = opened(sim)
    sim.faults.add(fault)
    assert confirm(sim, payment).damage is damage
    assert sim.effects().attempts == {payment: 0}


@pytest.mark.parametrize(
    ("fault", "damage"),
    [
        (Fault.LOSE_ANSWER, Damage.CUT),
        (Fault.HANG, Damage.SILENT),
        (Fault.TRUNCATED, Damage.TRUNCATED),
    ],
)
def test_after_a_lost_answer_the_same_key_finds_one_charge(
    sim: SimulatedProvider, fault: Fault, damage: Damage
) -> None:
    payment = opened(sim)
    sim.faults.add(fault, times=2)
    assert confirm(sim, payment).damage is damage
    assert confirm(sim, payment).damage is damage  # a repeated answer is lost, too
    arrived = confirm(sim, payment)
    assert (arrived.damage, arrived.status, arrived.replayed) == (None, 200, True)
    assert sim.effects().charges == {payment: 1}


def test_an_error_after_execution_is_what_the_key_remembers(
    sim: SimulatedProvider,
) -> None:
    payment = opened(sim)
    sim.faults.add(Fault.ERROR_AFTER)
    assert confirm(sim, payment).status == 500
    again = confirm(sim, payment)
    assert (again.status, again.replayed) == (500, True)
    assert sim.intent(payment).status == "succeeded"


def test_faults_meet_only_the_requests_they_are_meant_for(
    sim: SimulatedProvider,
) -> None:
    mine, other = opened(sim), opened(sim)
    sim.faults.add(
        Fault.RATE_LIMIT, verb="confirm_payment", when=lambda r: r.target == mine
    )
    assert confirm(sim, other, "other").status == 200
    assert sim.handle(ApiRequest(verb="read_payment", target=mine)).status == 200
    assert confirm(sim, mine).status == 429
    assert sim.faults.pending() == 0


def test_a_fault_without_a_number_stays_until_it_is_cleared(
    sim: SimulatedProvider,
) -> None:
    payment = opened(sim)
    sim.faults.add(Fault.RATE_LIMIT, times=None)
    assert [confirm(sim, payment).status for _ in range(3)] == [429] * 3
    sim.faults.clear()
    assert confirm(sim, payment).status == 200


def test_a_fault_that_never_happens_is_refused(sim: SimulatedProvider) -> None:
    with pytest.raises(ValueError, match="at least once"):
        sim.faults.add(Fault.HANG, times=0)
