"""The Stripe adapter and a payment's whole life, in Stripe's test mode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from typing_extensions import override

from paykit import Money, PaymentService, PaymentState, create_all
from paykit.clock import SYSTEM
from paykit.psp import AsyncPsp, Psp
from paykit.store import ledger
from paykit.stripe import StripePsp
from paykit.testing.conformance import PspConformance
from tests.stripe_live.conftest import KEY

pytestmark = pytest.mark.stripe_live

URL = os.environ.get("PAYKIT_TEST_STRIPE_URL")


def _psp() -> StripePsp:
    return StripePsp(KEY, base_url=URL)


class TestStripeTestMode(PspConformance):
    """Stripe itself keeps the promises that the local one keeps."""

    good_method = "pm_card_visa"
    declined_method = "pm_card_visa_chargeDeclinedInsufficientFunds"
    challenged_method = "pm_card_threeDSecure2Required"

    @pytest.fixture
    @override
    def psp(self) -> Iterator[Psp | AsyncPsp]:
        psp = _psp()
        yield psp
        psp.close()


def test_a_payment_lives_its_whole_life(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'live.db'}")
    create_all(engine)
    run = SYSTEM.new_uuid().hex
    psp = _psp()
    service = PaymentService(engine, psp=psp, installation=run)
    payment = service.create_payment(
        amount=Money(2000, "usd"), idempotency_key=f"{run}-create", capture="manual"
    )
    service.confirm_payment(
        payment.id, idempotency_key=f"{run}-confirm", payment_method="pm_card_visa"
    )
    captured = service.capture_payment(
        payment.id, idempotency_key=f"{run}-capture", amount=Money(1500, "usd")
    )
    assert captured.state is PaymentState.SUCCEEDED
    refund = service.refund_payment(
        payment.id, idempotency_key=f"{run}-refund", amount=Money(500, "usd")
    )
    again = service.refund_payment(
        payment.id, idempotency_key=f"{run}-refund", amount=Money(500, "usd")
    )
    assert refund.id == again.id
    now = service.refresh_payment(payment.id)
    assert (now.captured, now.refundable) == (1500, 1000)
    with engine.connect() as connection:
        assert ledger.audit(connection) == []
    psp.close()
    engine.dispose()
