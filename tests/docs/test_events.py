"""The data of events is what their page says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from sqlalchemy import Engine, create_engine

from paykit import (
    Money,
    PaymentService,
    PaymentView,
    WebhookReceiver,
    Worker,
    create_all,
)
from paykit.testing.simulated import SimulatedProvider, SimulatedPsp
from tests.docs.pages import ROOT

PAGE: Final = ROOT / "docs" / "reference" / "events.md"
ROW: Final = re.compile(
    r"^\| `((?:payment|refund|dispute|payout|subscription)\.\w+)` .*\| ([^|]*) \|$",
    re.MULTILINE,
)
REPEATED: Final = frozenset(
    ["id", "type", "payment_id", "merchant", "sequence", "from_state", "to_state"]
)
OF_A_SUBSCRIPTION: Final = REPEATED - {"payment_id"} | {"subscription_id"}
OF_A_PAYOUT: Final = REPEATED - {"payment_id"} | {"payout_id"}
DECLINED: Final = "pm_card_visa_chargeDeclinedInsufficientFunds"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    create_all(engine)
    yield engine
    engine.dispose()


def _documented() -> dict[str, set[str]]:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    return {name: set(re.findall(r"`(\w+)`", data)) for name, data in rows}


class _Story:
    """A shop in which much happens."""

    def __init__(self, engine: Engine) -> None:
        self.sim = SimulatedProvider()
        self.service = PaymentService(engine, psp=SimulatedPsp(self.sim))
        self._keys = iter(f"key-{number}" for number in range(100))

    def open(
        self, capture: Literal["automatic", "manual"] = "automatic"
    ) -> PaymentView:
        return self.service.create_payment(
            amount=Money(1000, "eur"),
            idempotency_key=next(self._keys),
            capture=capture,
        )

    def confirm(self, payment: PaymentView, method: str) -> None:
        self.service.confirm_payment(
            payment.id, payment_method=method, idempotency_key=next(self._keys)
        )

    def refund(self, payment: PaymentView) -> None:
        self.service.refund_payment(
            payment.id, amount=Money(100, "eur"), idempotency_key=next(self._keys)
        )

    def tell(self) -> None:
        """Let everything happen that the page can be compared with."""
        paid = self.open()
        self.confirm(paid, DECLINED)
        self.confirm(paid, "pm_card_visa")
        self.refund(paid)
        self.sim.call("create_refund", payment_intent=paid.psp_reference, amount=50)
        challenged = self.open()
        self.confirm(challenged, "pm_card_threeDSecure2Required")
        self.service.cancel_payment(challenged.id, idempotency_key=next(self._keys))
        held = self.open(capture="manual")
        self.confirm(held, "pm_card_visa")
        slow = self.open()
        self.confirm(slow, "pm_card_pendingRefund")
        self.refund(slow)
        self.sim.settle_refunds()
        suspected = self.open()
        self.confirm(suspected, "pm_card_visa")
        reference = str(suspected.psp_reference)
        self.sim.controls.close_review(self.sim.controls.open_review(reference))
        self.sim.controls.warn_of_fraud(reference)
        dispute = self.sim.controls.open_dispute(reference)
        self.sim.controls.resolve_dispute(dispute, "won")
        self.deliver()

    def deliver(self) -> None:
        receiver = WebhookReceiver(self.service)
        for body, headers in self.sim.pending_webhooks():
            receiver.receive(body, headers)


def test_each_event_has_the_data_that_its_page_says(engine: Engine) -> None:
    story, documented = _Story(engine), _documented()
    story.tell()
    for payment in story.service.list_payments().items:
        story.service.refresh_payment(payment.id)
    Worker(story.service).run_once()
    seen: set[str] = set()
    for payment in story.service.list_payments().items:
        for event in story.service.payment_events(payment.id):
            assert set(event.data) == documented[event.type] | REPEATED, event.type
            seen.add(event.type)
    assert len(seen) > 10, seen


def test_each_event_of_a_payout_has_the_data_that_its_page_says(
    engine: Engine,
) -> None:
    story, documented = _Story(engine), _documented()
    story.confirm(story.open(), "pm_card_visa")
    payout = story.sim.controls.create_automatic_payout("eur")
    for status in ("in_transit", "paid", "failed"):
        story.sim.controls.advance_payout(payout, status)
        story.deliver()
        Worker(story.service).run_once()
    (known,) = story.service.list_payouts().items
    events = story.service.payout_events(known.id)
    for event in events:
        assert set(event.data) == documented[event.type] | OF_A_PAYOUT, event.type
    assert len(events) == 4


def test_each_event_of_a_subscription_has_the_data_that_its_page_says(
    engine: Engine,
) -> None:
    story, documented = _Story(engine), _documented()
    controls = story.sim.controls
    reference = controls.start_subscription({"paykit_merchant": "default"})
    steps: list[Callable[[], None]] = [
        lambda: None,
        lambda: controls.fail_renewal(reference),
        lambda: controls.cancel_subscription(reference, at_period_end=True),
        lambda: controls.cancel_subscription(reference),
    ]
    for act in steps:
        act()
        story.deliver()
        Worker(story.service).run_once()
    (known,) = story.service.list_subscriptions().items
    seen = {event.type for event in story.service.subscription_events(known.id)}
    for event in story.service.subscription_events(known.id):
        data = documented[event.type] | OF_A_SUBSCRIPTION
        assert set(event.data) == data, event.type
    assert len(seen) == 7, seen
