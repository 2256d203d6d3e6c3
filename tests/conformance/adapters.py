"""What the conformance suite is told about the provider that both adapters ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from typing_extensions import override

from paykit.clock import World
from paykit.money import Money
from paykit.psp import AsyncPsp, Psp
from paykit.testing.conformance import Failure, PspConformance, SignedWebhook
from paykit.testing.factories import event, payment_intent
from paykit.testing.simulated import Fault, SimulatedProvider, SimulatedPsp
from paykit.testing.stripe_server import StripeServer
from paykit.testing.webhooks import signed_webhook as signed_as_stripe
from tests.testing.worlds import StillWorld

__all__ = ["LOST", "OverHttp", "Simulated", "signed_webhook"]

LOST = (Fault.LOSE_ANSWER, Fault.HANG, Fault.TRUNCATED)
"""The ways of an answer to get lost after the request was executed."""

FAULTS: Final[Mapping[Failure, Fault]] = {
    "server_error": Fault.BAD_GATEWAY,
    "rate_limit": Fault.RATE_LIMIT,
    "unauthorized": Fault.UNAUTHORIZED,
}


def signed_webhook(kind: str) -> SignedWebhook:
    """Return a webhook of the simulated provider, whose type begins with `kind`."""
    sim = SimulatedProvider(StillWorld())
    _pay_and_refund(sim)
    event = next(event for event in sim.events() if event.type.startswith(kind))
    body, headers = sim.webhook(event)
    return SignedWebhook(body=body, headers=headers, signed_at=sim.world.now())


def _pay_and_refund(sim: SimulatedProvider) -> None:
    payment = sim.call(
        "create_payment",
        amount=1000,
        currency="usd",
        payment_method="pm_card_visa",
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
    )
    sim.call("confirm_payment", str(payment["id"]))
    sim.call("create_refund", payment_intent=payment["id"], amount=400)


class _Stripelike(PspConformance):
    """Stripe's test payment methods, and where its JSON has open words."""

    good_method = "pm_card_visa"
    declined_method = "pm_card_chargeDeclinedInsufficientFunds"
    challenged_method = "pm_card_threeDSecure2Required"
    raise_declined_method = "pm_card_mastercard_prepaid"
    slow_method = "pm_usBankAccount_success"
    other_amounts = (
        Money(1000, "jpy"),
        Money(1000, "kwd"),
        Money(10_000, "isk"),
        Money(1099, "eur"),
    )
    page_size = 100
    open_words = (("type",), ("data", "object", "object"), ("data", "object", "status"))

    @pytest.fixture
    @override
    def world(self) -> World:
        return StillWorld()

    @pytest.fixture(params=["payment_intent.succeeded", "charge.refunded", "refund."])
    @override
    def webhook(self, request: pytest.FixtureRequest) -> SignedWebhook:
        return signed_webhook(request.param)

    @pytest.fixture(params=LOST)
    @override
    def lose_answer(
        self, request: pytest.FixtureRequest, sim: SimulatedProvider
    ) -> Callable[[str], None]:
        fault: Fault = request.param
        return lambda verb: sim.faults.add(fault, verb=verb)

    @pytest.fixture
    @override
    def answer_with(self, sim: SimulatedProvider) -> Callable[[Failure, str], None]:
        return lambda failure, verb: sim.faults.add(FAULTS[failure], verb=verb)

    @pytest.fixture(
        params=[{"account": "acct_other"}, {"livemode": True}], ids=["account", "mode"]
    )
    @override
    def foreign_webhook(self, request: pytest.FixtureRequest) -> SignedWebhook:
        world = StillWorld()
        told = event("payment_intent.succeeded", payment_intent(), **request.param)
        secret = SimulatedProvider(world).webhook_secret
        webhook = signed_as_stripe(told, secret=secret, clock=world)
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        return SignedWebhook(body=webhook.body, headers=headers, signed_at=world.now())

    @pytest.fixture(params=["paid", "failed"])
    @override
    def payout(self, request: pytest.FixtureRequest, sim: SimulatedProvider) -> str:
        _pay_and_refund(sim)
        payout = sim.controls.create_automatic_payout("usd")
        for status in ("in_transit", "paid", request.param):
            if status != sim.call("read_payout", payout)["status"]:
                sim.controls.advance_payout(payout, status)
        return payout

    @pytest.fixture(params=["active", "canceled"])
    @override
    def subscription(
        self, request: pytest.FixtureRequest, sim: SimulatedProvider
    ) -> str:
        started = sim.controls.start_subscription()
        sim.controls.renew_subscription(started)
        if request.param == "canceled":
            sim.controls.cancel_subscription(started)
        return started


class Simulated(_Stripelike):
    """The provider in memory; by default with its own blocking adapter."""

    @pytest.fixture
    def sim(self, world: World) -> SimulatedProvider:
        return SimulatedProvider(world)

    @pytest.fixture
    @override
    def psp(self, sim: SimulatedProvider) -> Psp | AsyncPsp:
        return SimulatedPsp(sim)

    @pytest.fixture
    @override
    def restarted_psp(self, sim: SimulatedProvider) -> Any:
        return SimulatedPsp(sim)

    @pytest.fixture
    @override
    def refuse_connections(self, sim: SimulatedProvider) -> Callable[[], None]:
        return lambda: sim.faults.add(Fault.LOSE_REQUEST_UNSENT, times=None)


class OverHttp(_Stripelike):
    """The provider behind a real socket, which serves all tests of a module."""

    @pytest.fixture
    def sim(self, server: StripeServer) -> Iterator[SimulatedProvider]:
        yield server.sim
        server.sim.faults.clear()

    @pytest.fixture
    @override
    def world(self, sim: SimulatedProvider) -> World:
        return sim.world

    @pytest.fixture
    @override
    def refuse_connections(self, server: StripeServer) -> Iterator[Callable[[], None]]:
        yield server.stop
        server.start()
