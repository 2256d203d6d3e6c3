"""The client secret is shown to its caller and kept nowhere (DESIGN law 11)."""

from __future__ import annotations

import logging
from typing import Final

import pytest
from sqlalchemy import text

from paykit import CreatePayment, OutcomeUnknown, PaymentView
from paykit.testing.simulated import Fault
from tests.support import TABLES, Shop

RAW: Final = {"paykit_inbox": "body"}
"""Where the PSP's own bytes are kept as they came; redacted when they are shown."""


def _everything(shop: Shop) -> str:
    """Return all that is stored, as text."""
    parts: list[str] = []
    with shop.engine.connect() as connection:
        for table in TABLES:
            for row in connection.execute(text(f"SELECT * FROM {table}")).mappings():
                kept = {k: v for k, v in row.items() if k != RAW.get(table)}
                parts.append(repr(kept))
    return "\n".join(parts)


def _secret(payment: PaymentView) -> str:
    assert payment.client_secret is not None
    return payment.client_secret.get_secret_value()


@pytest.mark.parametrize("fault", [None, Fault.LOSE_ANSWER, Fault.ERROR_AFTER], ids=str)
def test_the_client_secret_is_stored_nowhere(
    shop: Shop, fault: Fault | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    if fault is not None:
        shop.sim.faults.add(fault, verb="create_payment", times=None)
    payment = shop.create_payment()
    secret = _secret(payment)
    shop.confirm_payment(payment.id, payment_method="pm_card_visa_chargeDeclined")
    shop.confirm_payment(payment.id, payment_method="pm_card_threeDSecure2Required")
    shop.sim.complete_authentication(shop.reference(payment.id))
    shop.settle()
    shop.refund_payment(payment.id)
    shop.settle()
    assert payment.id in _everything(shop)
    assert secret not in _everything(shop)
    assert secret not in caplog.text


def test_the_client_secret_is_not_in_a_repr(quick: Shop) -> None:
    payment = quick.create_payment()
    secret = _secret(payment)
    assert secret not in repr(payment)
    assert secret not in str(payment)
    assert secret not in payment.model_dump_json()


def test_a_replay_reads_the_secret_again(shop: Shop) -> None:
    payment = shop.create_payment(idempotency_key="k")
    shop.watch.sent.clear()
    again = shop.create_payment(idempotency_key="k")
    assert _secret(again) == _secret(payment)
    assert shop.watch.verbs() == ["read_payment"]


def test_a_replay_without_the_psp_comes_without_the_secret(shop: Shop) -> None:
    payment = shop.create_payment(idempotency_key="k")
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="read_payment")
    again = shop.create_payment(idempotency_key="k")
    assert again.client_secret is None
    assert again.id == payment.id


def test_the_secret_comes_with_whoever_finishes(shop: Shop) -> None:
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="create_payment", times=3)
    with pytest.raises(OutcomeUnknown):
        shop.create_payment(idempotency_key="k")
    assert _secret(shop.create_payment(idempotency_key="k"))
    command = CreatePayment(amount=1000, currency="eur")
    finished = shop.finish(shop.begin(command, idempotency_key="b"))
    assert isinstance(finished, PaymentView)
    assert _secret(finished)


def test_nobody_else_is_shown_the_secret(shop: Shop) -> None:
    payment = shop.create_payment(reference="order")
    shown = [
        shop.get(payment.id),
        shop.confirm_payment(payment.id),
        shop.refresh(payment.id),
        *shop.wait(shop.service.list_payments()).items,
    ]
    assert [view.client_secret for view in shown] == [None] * len(shown)


def test_events_hold_no_payer_data(shop: Shop) -> None:
    payment = shop.create_payment(
        description="Tulips for Erika Mustermann",
        receipt_email="erika@mustermann.example",
        metadata={"name": "Erika Mustermann"},
        payment_method="pm_card_visa",
    )
    shop.confirm_payment(payment.id)
    shop.refund_payment(payment.id, metadata={"name": "Erika Mustermann"})
    shop.settle()
    events = shop.query("SELECT * FROM paykit_event")
    assert len(events) > 4
    assert "erika" not in repr([dict(event) for event in events]).lower()
