"""
How a shop tests its payments with the fixtures that paykit brings for pytest.

``pytest examples/test_a_shop.py`` runs it; there is nothing to configure.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from paykit import (
    Money,
    OutcomeUnknown,
    PaymentService,
    Policy,
    WebhookReceiver,
    Worker,
)
from paykit.stripe import StripePsp
from paykit.testing.assertions import assert_books_balance, assert_no_double_charge
from paykit.testing.clock import FrozenClock
from paykit.testing.factories import dispute, event
from paykit.testing.payments import paid_payment
from paykit.testing.simulated import Fault, SimulatedPsp
from paykit.testing.stripe_server import StripeServer
from paykit.testing.webhooks import signed_webhook


@pytest.fixture
def service(
    paykit_engine: Engine, simulated_psp: SimulatedPsp, paykit_clock: FrozenClock
) -> PaymentService:
    """Payments as the shop makes them, on the test's database, provider and clock."""
    return PaymentService(
        paykit_engine, psp=simulated_psp, world=paykit_clock, policy=Policy(sends=1)
    )


def test_a_lost_answer_charges_once_and_is_known_a_day_later(
    service: PaymentService,
    simulated_psp: SimulatedPsp,
    paykit_engine: Engine,
    paykit_clock: FrozenClock,
) -> None:
    """Nobody knows whether the card was charged, until the worker finds out."""
    payment = service.create_payment(
        amount=Money(4200, "eur"), reference="order-7", idempotency_key="create"
    )
    faults = simulated_psp.sim.faults
    faults.add(Fault.LOSE_ANSWER, verb="confirm_payment")
    faults.add(Fault.LOSE_REQUEST, verb="read_payment")
    with pytest.raises(OutcomeUnknown):
        service.confirm_payment(
            payment.id, payment_method="pm_card_visa", idempotency_key="click-1"
        )
    worker = Worker(service)
    for _ in range(25):
        worker.run_once()
        paykit_clock.advance(timedelta(hours=1))
    assert service.get_payment(payment.id).state == "succeeded"
    assert_no_double_charge(simulated_psp)
    assert_books_balance(paykit_engine, simulated_psp)


def test_an_event_that_nobody_can_provoke(
    service: PaymentService, simulated_psp: SimulatedPsp, paykit_clock: FrozenClock
) -> None:
    """A bank asks about a payment; the event comes twice, and once too late."""
    payment = paid_payment(service, Money(4200, "eur"))
    inquiry = dispute(
        payment_intent=payment.psp_reference or "", status="warning_needs_response"
    )
    webhook = signed_webhook(
        event("charge.dispute.created", inquiry),
        secret=simulated_psp.sim.webhook_secret,
        clock=paykit_clock,
    )
    receiver = WebhookReceiver(service)
    assert receiver.receive(*webhook).status == 200
    assert receiver.receive(*webhook).reason == "received before"
    late = paykit_clock.advance(timedelta(minutes=6))
    assert receiver.receive(*webhook).status == 400, f"signed six minutes before {late}"


def test_the_real_adapter_and_the_real_sdk(
    stripe_server: StripeServer, paykit_engine: Engine, paykit_clock: FrozenClock
) -> None:
    """The same over HTTP: what goes to Stripe in production goes to the server here."""
    psp = StripePsp(
        "sk_test_shop",
        webhook_secrets=[stripe_server.sim.webhook_secret],
        base_url=stripe_server.url,
    )
    service = PaymentService(paykit_engine, psp=psp, world=paykit_clock)
    payment = paid_payment(service, reference="order-7")
    assert payment.state == "succeeded"
    receiver, worker = WebhookReceiver(service), Worker(service)
    for body, headers in stripe_server.sim.pending_webhooks():
        assert receiver.receive(body, headers).status == 200
    worker.run_once()
    paykit_clock.advance(timedelta(minutes=5))
    worker.run_once()
    assert_no_double_charge(stripe_server)
    assert_books_balance(paykit_engine, stripe_server)
    psp.close()
