"""The verdict of a storm can fail: one thing is made wrong at a time, on a calm day."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from paykit import PaymentService, PaymentView, RefundPayment, WebhookReceiver
from paykit.testing.payments import paid_payment
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from tests.databases import Database
from tests.storm.calm import calm_down
from tests.storm.host import heard, make_tables, note, told
from tests.storm.verdict import judge

pytestmark = pytest.mark.parametrize("installed", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Day:
    """A host with one payment, of which everything is known."""

    engine: Engine
    sim: SimulatedProvider
    service: PaymentService
    payment: PaymentView

    def wrong(self) -> set[str]:
        """Return the lines of the verdict that are wrong."""
        with self.engine.connect() as connection:
            verdict = judge(
                connection, self.sim, orders=1, happened={}, wrong=[], seconds=0
            )
        wrong = {line.what for line in verdict.lines if not line.right}
        assert verdict.passed == (not wrong and not verdict.wrong)
        assert ("FAILED" in str(verdict)) == (not verdict.passed)
        return {what.removesuffix(" (must be 0)") for what in wrong}


@pytest.fixture
def day(installed: Database) -> Day:
    engine, sim = installed.engine(), SimulatedProvider()
    make_tables(engine)
    service = PaymentService(engine, psp=SimulatedPsp(sim))
    service.on("*")(note)
    payment = paid_payment(service)
    receiver = WebhookReceiver(service)
    for webhook in sim.pending_webhooks():
        receiver.receive(*webhook)
    calm_down(service, engine)
    return Day(engine, sim, service, payment)


def test_a_calm_day_passes(day: Day) -> None:
    assert day.wrong() == set()


def test_a_payment_that_only_the_psp_knows_is_seen(day: Day) -> None:
    day.sim.call(
        "create_payment",
        amount=700,
        currency="eur",
        payment_method="pm_card_visa",
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
        confirm=True,
    )
    assert day.wrong() == {
        "captured, cents",
        "balance after fees, eur cents",
        "charges without a payment here",
        "events lost",
    }


def test_a_refund_that_only_the_psp_knows_is_seen(day: Day) -> None:
    reference = str(day.payment.psp_reference)
    day.sim.call("create_refund", payment_intent=reference, amount=100)
    assert day.wrong() == {
        "refunded, cents",
        "refunds",
        "balance after fees, eur cents",
        "events lost",
    }


def test_an_operation_that_nobody_finishes_is_seen(day: Day) -> None:
    command = RefundPayment(payment_id=day.payment.id, amount=100, currency="eur")
    with Session(day.engine) as session:
        day.service.begin(command, session=session, idempotency_key="left")
        session.commit()
    assert {"operations stuck", "work left"} <= day.wrong()


def test_an_event_that_was_handled_twice_is_seen(day: Day) -> None:
    again = {"payment_id": day.payment.id, "sequence": 1}
    with day.engine.begin() as connection:
        connection.execute(insert(heard), again)
    assert day.wrong() == {"payments with a wrong delivery"}


def test_two_answers_to_one_key_are_seen(day: Day) -> None:
    with day.engine.begin() as connection:
        for answer in ("paid", "declined"):
            row = {"number": 1, "key": "1-confirm", "answer": answer}
            connection.execute(insert(told), row)
    assert day.wrong() == {"keys with two answers"}
