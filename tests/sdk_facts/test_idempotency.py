"""What a key remembers, by the official SDK against the local Stripe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
import stripe

from paykit.testing.clock import FrozenClock
from paykit.testing.simulated import ApiRequest, Fault, SimulatedProvider, Ticket
from paykit.testing.stripe_server import StripeServer
from tests.sdk_facts.clients import Colour, Sdk, official

BODY: Final[dict[str, object]] = {
    "amount": 1000,
    "currency": "usd",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def sim(clock: FrozenClock) -> SimulatedProvider:
    return SimulatedProvider(clock)


@pytest.fixture
def server(sim: SimulatedProvider) -> Iterator[StripeServer]:
    with StripeServer(sim) as server:
        yield server


@pytest.fixture
def sdk(server: StripeServer, colour: Colour) -> Iterator[Sdk]:
    with official(server.url, colour) as sdk:
        yield sdk


def create(sdk: Sdk, key: str = "k", **changes: object) -> Any:
    options = {"idempotency_key": key}
    account = changes.pop("account", None)
    if account is not None:
        options["stripe_account"] = str(account)
    return sdk("payment_intents.create", BODY | changes, options)


def replayed(thing: Any) -> bool:
    """Whether an object or an error is a stored answer."""
    headers = getattr(thing, "headers", None) or thing.last_response.headers
    said: object = headers.get("Idempotent-Replayed")
    return said == "true"


def refusal(act: Callable[[], object]) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        act()
    return caught.value


def test_a_replay_says_so_and_names_the_original(sdk: Sdk) -> None:
    first, again = create(sdk), create(sdk)
    assert (first.id, replayed(first)) == (again.id, False)
    assert replayed(again)
    original = again.last_response.headers["Original-Request"]
    assert original == first.last_response.request_id


def test_other_parameters_are_refused_with_stripes_text(sdk: Sdk) -> None:
    create(sdk)
    error = refusal(lambda: create(sdk, amount=1001))
    assert type(error) is stripe.IdempotencyError
    assert (
        "Keys for idempotent requests can only be used with the same parameters they "
        "were first used with" in str(error)
    )


def test_another_endpoint_is_refused_with_stripes_text(sdk: Sdk) -> None:
    paid = create(sdk)
    options = {"idempotency_key": "k"}
    error = refusal(lambda: sdk("payment_intents.cancel", paid.id, {}, options))
    assert type(error) is stripe.IdempotencyError
    assert "Keys for idempotent requests can only be used" in str(error)
    assert "for the same endpoint" in str(error)


def test_a_key_is_forgotten_after_a_day(sdk: Sdk, clock: FrozenClock) -> None:
    first = create(sdk)
    clock.advance(timedelta(hours=23, minutes=59))
    assert create(sdk).id == first.id
    clock.advance(timedelta(minutes=2))
    new = create(sdk)
    assert new.id != first.id
    assert not replayed(new)


def test_a_running_key_is_in_use_and_that_is_not_remembered(
    sdk: Sdk, sim: SimulatedProvider
) -> None:
    plain = {"amount": 1000, "currency": "usd"}
    running = sim.begin(ApiRequest(verb="create_payment", params={**plain}, key="k"))
    assert isinstance(running, Ticket)

    def ask() -> Any:
        return sdk("payment_intents.create", plain, {"idempotency_key": "k"})

    error = refusal(ask)
    assert (type(error), error.http_status) == (stripe.APIError, 409)
    assert getattr(error.error, "code", None) == "idempotency_key_in_use"
    done = sim.finish(running)
    assert (ask().id, replayed(ask())) == (done.body["id"], True)


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.LOCK_TIMEOUT])
def test_a_429_is_not_remembered(
    sdk: Sdk, sim: SimulatedProvider, fault: Fault
) -> None:
    sim.faults.add(fault)
    assert type(refusal(lambda: create(sdk))) is stripe.RateLimitError
    assert not replayed(create(sdk))


def test_a_409_is_not_remembered(sdk: Sdk, sim: SimulatedProvider) -> None:
    sim.faults.add(Fault.KEY_IN_USE)
    assert refusal(lambda: create(sdk)).http_status == 409
    assert not replayed(create(sdk))


def test_a_401_is_not_remembered(sdk: Sdk) -> None:
    options = {"idempotency_key": "k", "api_key": "no key"}
    error = refusal(lambda: sdk("payment_intents.create", BODY, options))
    assert type(error) is stripe.AuthenticationError
    assert not replayed(create(sdk))


def test_a_parameter_that_is_refused_is_not_remembered(sdk: Sdk) -> None:
    assert refusal(lambda: create(sdk, amount="many")).http_status == 400
    assert not replayed(create(sdk))


def test_a_500_after_executing_is_remembered(sdk: Sdk, sim: SimulatedProvider) -> None:
    sim.faults.add(Fault.ERROR_AFTER, verb="create_payment")
    first, again = refusal(lambda: create(sdk)), refusal(lambda: create(sdk))
    assert (first.http_status, replayed(first)) == (500, False)
    assert (again.http_status, replayed(again)) == (500, True)
    assert len(sim.effects().charges) == 1


def test_a_500_before_executing_is_not_remembered(
    sdk: Sdk, sim: SimulatedProvider
) -> None:
    sim.faults.add(Fault.ERROR_BEFORE, verb="create_payment")
    assert refusal(lambda: create(sdk)).http_status == 500
    assert not replayed(create(sdk))


def test_a_decline_is_remembered_so_that_a_new_attempt_needs_a_new_key(
    sdk: Sdk,
) -> None:
    intent = create(sdk)

    def attempt(key: str) -> object:
        body = {"payment_method": "pm_card_chargeDeclined"}
        options = {"idempotency_key": key}
        return sdk("payment_intents.confirm", intent.id, body, options)

    assert not replayed(refusal(lambda: attempt("a")))
    assert replayed(refusal(lambda: attempt("a")))
    assert not replayed(refusal(lambda: attempt("b")))


def test_a_key_has_at_most_255_characters(sdk: Sdk) -> None:
    assert create(sdk, "k" * 255).id
    assert refusal(lambda: create(sdk, "k" * 256)).http_status == 400


def test_each_account_has_its_own_keys(sdk: Sdk) -> None:
    made = {create(sdk, account=name).id for name in (None, "acct_1", "acct_2")}
    assert len(made) == 3


def test_a_read_is_never_a_replay(sdk: Sdk) -> None:
    paid = create(sdk)
    options = {"idempotency_key": "k"}
    found = sdk("payment_intents.retrieve", paid.id, {}, options)
    assert not replayed(found)
