"""
The hazards of the SDK's own httpx transport, and which of them paykit's removes.

Each row is shown twice: what `stripe.HTTPXClient` does, and what paykit's adapter does
in the same place.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import respx
import stripe

from paykit.psp import NotSent, Succeeded, Unknown
from paykit.stripe import AsyncStripePsp, StripePsp
from tests.sdk_facts.clients import (
    CONFIRM,
    KEY,
    Colour,
    adapted,
    confirm,
    official,
    official_http,
)
from tests.sdk_facts.stub import Said, Stub
from tests.sdk_versions import of_sdk_16

PATH = "/v1/payment_intents/pi_test/confirm"

STRIPE = "https://api.stripe.com"


def their_httpx(colour: Colour, **options: object) -> stripe.HTTPXClient:
    return stripe.HTTPXClient(
        timeout=10,
        verify_ssl_certs=False,
        allow_sync_methods=colour == "sync",
        **options,
    )


@contextmanager
def strict() -> Iterator[None]:
    """What ``-W error`` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- -W error -------------------------------------------------------------------------


def test_with_warnings_as_errors_the_sdks_httpx_sends_no_post(
    stub: Stub, colour: Colour
) -> None:
    with (
        official(stub.url, colour, their_httpx(colour)) as sdk,
        strict(),
        pytest.raises(stripe.APIConnectionError) as caught,
    ):
        confirm(sdk)
    assert caught.value.should_retry
    assert isinstance(caught.value.__cause__, DeprecationWarning)
    assert stub.heard == []


def test_with_warnings_as_errors_the_sdks_httpx_sends_a_post_without_parameters(
    stub: Stub, colour: Colour
) -> None:
    with official(stub.url, colour, their_httpx(colour)) as sdk, strict():
        sdk("payment_intents.confirm", "pi_test")
    assert len(stub.heard) == 1


def test_with_warnings_as_errors_paykit_sends(stub: Stub, colour: Colour) -> None:
    with strict():
        assert isinstance(adapted(stub.url, colour), Succeeded)
    assert len(stub.heard) == 1


# --- proxy ----------------------------------------------------------------------------


def test_a_proxy_given_to_the_sdks_httpx_is_an_error_that_looks_like_the_network(
    stub: Stub, colour: Colour
) -> None:
    http = their_httpx(colour, proxy=stub.url)
    with (
        official(stub.url, colour, http) as sdk,
        pytest.raises(stripe.APIConnectionError) as caught,
    ):
        confirm(sdk)
    assert caught.value.should_retry
    assert isinstance(caught.value.__cause__, TypeError)
    assert stub.heard == []


def test_a_hosts_client_brings_its_proxy_to_paykit(stub: Stub) -> None:
    with httpx.Client(proxy=stub.url) as client:
        psp = StripePsp(KEY, base_url="http://stripe.invalid", http_client=client)
        answer = psp.send(psp.prepare(CONFIRM, "key-1"))
    assert isinstance(answer, Succeeded)
    assert [one.path for one in stub.heard] == [f"http://stripe.invalid{PATH}"]


# --- any exception --------------------------------------------------------------------

LOCAL = [ValueError("ours"), OSError("a certificate"), RuntimeError("no idea")]


@pytest.mark.parametrize("bug", [*LOCAL, httpx.InvalidURL("no port")], ids=repr)
def test_any_exception_is_a_retryable_connection_error_to_the_sdk(
    colour: Colour, bug: Exception
) -> None:
    with respx.mock, official(STRIPE, colour, their_httpx(colour)) as sdk:
        respx.post(STRIPE + PATH).mock(side_effect=bug)
        with pytest.raises(stripe.APIConnectionError) as caught:
            confirm(sdk)
    assert caught.value.should_retry
    assert caught.value.__cause__ is bug
    assert str(bug) not in str(caught.value)


@pytest.mark.parametrize("bug", LOCAL, ids=repr)
def test_what_nobody_foresaw_is_unknown_to_paykit(
    colour: Colour, bug: Exception
) -> None:
    with respx.mock:
        respx.post(STRIPE + PATH).mock(side_effect=bug)
        answer = adapted(STRIPE, colour)
    assert answer == Unknown(reason=f"unforeseen: {type(bug).__name__}")


def test_an_address_that_is_none_was_not_sent_to(colour: Colour) -> None:
    with respx.mock:
        respx.post(STRIPE + PATH).mock(side_effect=httpx.InvalidURL("no port"))
        assert isinstance(adapted(STRIPE, colour), NotSent)


# --- limits and pool ------------------------------------------------------------------


def test_the_sdks_httpx_takes_no_limits() -> None:
    with pytest.raises(TypeError):
        stripe.HTTPXClient(limits=httpx.Limits(max_connections=1))


def test_a_full_pool_of_a_hosts_client_was_not_sent(stub: Stub) -> None:
    limits = httpx.Limits(max_connections=0)
    patience = httpx.Timeout(5, pool=0.01)
    with httpx.Client(limits=limits, timeout=patience) as client:
        psp = StripePsp(KEY, base_url=stub.url, http_client=client)
        answer = psp.send(psp.prepare(CONFIRM, "key-1"))
    assert answer == NotSent(reason="PoolTimeout")
    assert stub.heard == []


# --- a second event loop --------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_sdks_httpx_fails_in_a_second_event_loop(stub: Stub) -> None:
    assert _twice_with_one_client(stub) == "RuntimeError: Event loop is closed"
    gc.collect()  # the connection that nobody can close any more warns here


def _twice_with_one_client(stub: Stub) -> str:
    """Ask in two event loops, and return what the second one meets."""
    client = stripe.StripeClient(
        KEY, base_addresses={"api": stub.url}, http_client=official_http("async")
    )

    async def once() -> str:
        paid = await client.v1.payment_intents.confirm_async("pi_test", {})
        return paid.id

    assert asyncio.run(once()) == "pi_test"
    try:
        return asyncio.run(once())
    except stripe.APIConnectionError as error:
        return f"{type(error.__cause__).__name__}: {error.__cause__}"


def test_paykit_works_in_any_number_of_event_loops(stub: Stub) -> None:
    psp = AsyncStripePsp(KEY, base_url=stub.url)

    async def once() -> object:
        return await psp.send(psp.prepare(CONFIRM, "key-1"))

    for _ in range(3):
        assert isinstance(asyncio.run(once()), Succeeded)


def test_paykit_works_in_two_event_loops_that_take_turns(stub: Stub) -> None:
    psp = AsyncStripePsp(KEY, base_url=stub.url)
    call = psp.prepare(CONFIRM, "key-1")
    with asyncio.Runner() as one, asyncio.Runner() as other:
        for runner in (one, other, one, other):
            assert isinstance(runner.run(psp.send(call)), Succeeded)


# --- cancellation ---------------------------------------------------------------------


async def _cancel_while_it_is_asked(stub: Stub, task: asyncio.Task[object]) -> None:
    await asyncio.to_thread(stub.arrived.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cancellation_leaves_the_sdk_while_the_server_acts(stub: Stub) -> None:
    async def story() -> None:
        http = official_http("async")
        client = stripe.StripeClient(
            KEY, base_addresses={"api": stub.url}, http_client=http
        )
        stub.may_answer.clear()
        asked = client.v1.payment_intents.confirm_async("pi_test", {})
        await _cancel_while_it_is_asked(stub, asyncio.ensure_future(asked))
        await http.close_async()  # type: ignore[no-untyped-call]

    asyncio.run(story())
    assert len(stub.heard) == 1


def test_a_cancellation_passes_through_paykits_adapter_as_well(stub: Stub) -> None:
    async def story() -> None:
        psp = AsyncStripePsp(KEY, base_url=stub.url)
        stub.may_answer.clear()
        asked = psp.send(psp.prepare(CONFIRM, "key-1"))
        await _cancel_while_it_is_asked(stub, asyncio.ensure_future(asked))

    asyncio.run(story())
    assert len(stub.heard) == 1


# --- Stripe-Notice --------------------------------------------------------------------


@pytest.fixture
def noticed(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A server whose answers carry a notice."""
    monkeypatch.delenv("STRIPE_SUPPRESS_NOTICES", raising=False)
    stub.say(Said(headers={"Stripe-Notice": "this account is old"}))
    return stub


def test_a_notice_raises_after_the_money_has_moved(
    noticed: Stub, colour: Colour
) -> None:
    raises = pytest.raises(UserWarning, match="this account is old")
    with official(noticed.url, colour) as sdk, raises:
        confirm(sdk)
    assert len(noticed.heard) == 1


@of_sdk_16
def test_a_notice_can_be_silenced(
    noticed: Stub, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SUPPRESS_NOTICES", "true")
    with official(noticed.url, colour) as sdk:
        assert confirm(sdk).id == "pi_test"


def test_a_notice_never_reaches_paykit_which_asks_for_the_raw_response(
    noticed: Stub, colour: Colour
) -> None:
    with strict():
        assert isinstance(adapted(noticed.url, colour), Succeeded)


# --- no answer in time ----------------------------------------------------------------


def test_the_sdk_gives_a_silent_server_the_time_of_its_transport(
    stub: Stub, colour: Colour
) -> None:
    stub.may_answer.clear()
    http: stripe.HTTPClient = (
        stripe.RequestsClient(timeout=0.05)
        if colour == "sync"
        else stripe.HTTPXClient(timeout=0.05, verify_ssl_certs=False)
    )
    with official(stub.url, colour, http) as sdk:
        with pytest.raises(stripe.APIConnectionError) as caught:
            confirm(sdk)
        stub.may_answer.set()
    assert caught.value.should_retry


def test_a_server_that_is_silent_for_too_long_leaves_it_unknown_to_paykit(
    stub: Stub,
) -> None:
    stub.may_answer.clear()
    with httpx.Client(timeout=httpx.Timeout(5, read=0.05)) as client:
        psp = StripePsp(KEY, base_url=stub.url, http_client=client)
        answer = psp.send(psp.prepare(CONFIRM, "key-1"))
        stub.may_answer.set()
    assert answer == Unknown(reason="ReadTimeout")
