"""Duties of several workers, and a person's command given twice, at the same moment."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from paykit import PaykitError, PaymentService, WebhookReceiver
from paykit.testing.clock import FrozenClock
from paykit.testing.payments import authorized_payment
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from paykit.workers.duties import run_duty
from tests.barriers.crowd import crowd
from tests.databases import Database

pytestmark = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)


def test_two_workers_cancel_what_runs_out_once(installed: Database) -> None:
    clock = FrozenClock()
    sim = SimulatedProvider(clock)
    with crowd(installed, 2) as servers:
        servers.services = tuple(
            PaymentService(engine, psp=SimulatedPsp(sim), world=clock)
            for engine in servers.engines
        )
        held = [authorized_payment(servers.service) for _ in range(5)]
        clock.advance(timedelta(days=8))
        servers.at_once(lambda _, service: run_duty(service, "clock"))
        for payment in held:
            history = [one.type for one in servers.service.payment_events(payment.id)]
            ends = Counter(history) & Counter(["payment.canceled", "payment.expired"])
            assert ends.total() == 1, history
            events = sim.statuses_of(str(payment.psp_reference))
            assert events.count("canceled") == 1


def test_a_dead_letter_that_two_replay_at_once_is_applied_once(
    installed: Database,
) -> None:
    with crowd(installed, 4) as servers:
        payment = servers.created("order")
        servers.sim.pending_webhooks()
        servers.sim.call("confirm_payment", str(payment.psp_reference))
        receiver = WebhookReceiver(servers.service)
        for webhook in servers.sim.pending_webhooks():
            receiver.receive(*webhook)
        with servers.engines[0].begin() as connection:
            connection.execute(
                text("UPDATE paykit_inbox SET status = 'dead', dead_at = received_at")
            )
            connection.execute(text("DELETE FROM paykit_work WHERE queue = 'inbox'"))
        letters = [one.id for one in servers.service.operator.dead_letters().items]
        assert letters

        def replay(number: int, service: PaymentService) -> None:
            for letter in letters:
                try:
                    service.operator.replay(letter, actor=f"person-{number}")
                except PaykitError:
                    continue  # somebody else has
            run_duty(service, "inbox")

        servers.at_once(replay)
        servers.settle()
        history = [one.type for one in servers.service.payment_events(payment.id)]
        assert history.count("payment.captured") == 1
        assert history.count("payment.succeeded") == 1
        assert servers.violations() == []
