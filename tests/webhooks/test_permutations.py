"""
Any order, repetition and delay of the PSP's events ends the same (DESIGN law 7).

A scenario is what happens at the PSP, step by step. Its events arrive when Hypothesis
wants them to: between two steps, after all of them, several times, in any order. What
stands here in the end is compared with the orderly story, and with the PSP itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, permutations
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from paykit import RefundPayment
from paykit.lifecycle import PaymentState
from paykit.psp import Call
from paykit.testing.simulated import ProviderError, SimEvent
from paykit.testing.simulated.webhooks import sign
from paykit.workers.inbox import process_next
from tests.support import Shop

_numbers = count(1)

IGNORED: Final = {
    "id",
    "merchant_id",
    "operation_id",
    "psp_reference",
    "charge_reference",
    "metadata",
    "version",
    "event_sequence",
    "created_at",
    "updated_at",
    "capture_before",
    "decline",
}
"""Columns that name this very payment, or count how often it was looked at."""


@dataclass
class Story:
    """One payment, and what arrived of it so far."""

    shop: Shop
    payment: str
    merchant: str
    reference: str
    events: list[SimEvent] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, shop: Shop, capture: str) -> Story:
        merchant = f"m-{next(_numbers)}"
        payment = shop.create_payment(merchant=merchant, capture=capture)
        story = cls(shop, payment.id, merchant, payment.psp_reference or "")
        story.gather()
        return story

    def gather(self) -> None:
        """Note the events that are new and ours."""
        for event in self.shop.sim.events():
            about = {event.object.get("id"), event.object.get("payment_intent")}
            if event.id not in self._seen and self.reference in about:
                self._seen.add(event.id)
                self.events.append(event)

    def arrive(self, event: SimEvent) -> None:
        """Deliver `event` under an id of its own, and apply it."""
        shop = self.shop
        body = json.loads(shop.sim.webhook(event)[0])
        body["id"] = f"{event.id}_{next(_numbers)}"
        raw = json.dumps(body).encode()
        headers = sign(raw, shop.sim.webhook_secret, shop.world.now())
        assert shop.receive(raw, headers).status == 200
        end = shop.run(process_next(shop.service.engine.env))
        assert end in {"applied", "deferred"}

    def settle(self) -> None:
        """Let the worker read what was queued to be read, and finish what is open."""
        for _ in range(2):
            self.shop.world.advance(timedelta(minutes=1))
            self.shop.work()

    def ending(self) -> dict[str, object]:
        """Return all that must not depend on the order."""
        (row,) = self.shop.query(
            "SELECT * FROM paykit_payment WHERE id = :id", id=self.payment
        )
        columns = {name: row[name] for name in row if name not in IGNORED}
        refunds = self.shop.query(
            "SELECT state, amount, origin, failure_reason FROM paykit_refund "
            "WHERE payment_id = :id ORDER BY amount",
            id=self.payment,
        )
        inbox = self.shop.query(
            "SELECT DISTINCT status FROM paykit_inbox WHERE payment_id = :id",
            id=self.payment,
        )
        # Whoever hears of a second refund before the failure of the first sees too
        # much for a while, and says so to a person; the totals are right in the end.
        breaks = self.shop.query(
            "SELECT kind FROM paykit_break WHERE aggregateid = :id "
            "AND kind <> 'refunded_too_much'",
            id=self.payment,
        )
        types = [e.type for e in self.events_here()]
        return {
            **columns,
            "expires": row["capture_before"] is not None,
            "declined": row["decline"] is not None,
            "refunds": [tuple(refund.values()) for refund in refunds],
            "balances": self.shop.balances(self.merchant),
            "inbox": sorted(found["status"] for found in inbox),
            "breaks": sorted(found["kind"] for found in breaks),
            "told": types.count(f"payment.{row['state']}") > 0,
            "told once": types.count("payment.succeeded"),
        }

    def events_here(self) -> Sequence[Any]:
        service = self.shop.service
        return self.shop.wait(
            service.payment_events(self.payment, merchant=self.merchant)
        )

    def assert_like_the_psp(self) -> None:
        effects = self.shop.sim.effects()
        intent = self.shop.sim.intent(self.reference)
        view = self.shop.get(self.payment, merchant=self.merchant)
        assert view.captured == effects.captured[self.reference]
        balances = self.shop.balances(self.merchant)
        here = balances.get("psp_balance:eur", 0)
        there = self.shop.sim.effects({"paykit_payment_id": self.payment}).balance.get(
            "eur", 0
        )
        assert here == there
        pending = sum(
            refund.amount
            for refund in self.shop.wait(
                self.shop.service.list_refunds(self.payment, merchant=self.merchant)
            )
            if refund.state == "pending"
        )
        assert view.refunded + pending == effects.refunded[self.reference]
        if view.captured:
            assert (
                self.shop.column(self.payment, "charge_reference")
                == intent.latest_charge
            )


Step = Callable[[Story], object]


def _confirm(method: str) -> Step:
    return lambda story: _try(
        story, "confirm_payment", story.reference, payment_method=method
    )


def _try(story: Story, verb: str, target: str, **params: object) -> None:
    """Ask the PSP; a decline is an answer, too."""
    with suppress(ProviderError):
        story.shop.sim.call(verb, target, **params)


def _authenticate(*, success: bool) -> Step:
    return lambda story: story.shop.sim.complete_authentication(
        story.reference, success=success
    )


def _capture(amount: int) -> Step:
    return lambda story: story.shop.sim.call(
        "capture_payment", story.reference, amount_to_capture=amount
    )


def _refund(amount: int) -> Step:
    return lambda story: story.shop.sim.call(
        "create_refund", payment_intent=story.reference, amount=amount
    )


def _refund_of_ours(amount: int) -> Step:
    """Start a refund here, and crash after it was sent: nobody hears the answer."""

    def step(story: Story) -> None:
        shop = story.shop
        shop.get(story.payment, merchant=story.merchant)
        shop.refresh(story.payment, merchant=story.merchant)
        command = RefundPayment(payment_id=story.payment, amount=amount)
        begun = shop.begin(command, idempotency_key=shop.key(), merchant=story.merchant)
        (row,) = shop.query(
            "SELECT verb, parameters, psp_key FROM paykit_attempt "
            "WHERE operation_id = :id",
            id=begun.operation_id,
        )
        call = Call(
            verb=row["verb"],
            parameters=row["parameters"],
            idempotency_key=row["psp_key"],
        )
        shop.wait(shop.psp.send(call))

    return step


def _settle_refunds(story: Story) -> None:
    story.shop.sim.settle_refunds()


def _settle_charges(story: Story) -> None:
    story.shop.sim.settle_charges()


def _cancel(story: Story) -> None:
    story.shop.sim.call("cancel_payment", story.reference)


def _expire(story: Story) -> None:
    story.shop.sim.expire_authorization(story.reference)


DECLINED: Final = "pm_card_visa_chargeDeclined"
SECURE: Final = "pm_card_threeDSecure2Required"
SLOW: Final = "pm_usBankAccount_success"


@dataclass(frozen=True)
class Scenario:
    """What happens at the PSP, and how it must end."""

    steps: tuple[Step, ...]
    state: PaymentState
    capture: str = "automatic"
    captured: int = 0
    refunded: int = 0


_S = PaymentState

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "paid": Scenario((_confirm("pm_card_visa"),), _S.SUCCEEDED, captured=1000),
    "refunded in parts": Scenario(
        (_confirm("pm_card_visa"), _refund(400), _refund(350)),
        _S.SUCCEEDED,
        captured=1000,
        refunded=750,
    ),
    "refund fails, then another": Scenario(
        (
            _confirm("pm_card_refundFail"),
            _refund(400),
            _settle_refunds,
            _refund(600),
        ),
        _S.SUCCEEDED,
        captured=1000,
        refunded=600,
    ),
    "refunds pend": Scenario(
        (
            _confirm("pm_card_pendingRefund"),
            _refund(300),
            _refund(200),
            _settle_refunds,
        ),
        _S.SUCCEEDED,
        captured=1000,
        refunded=500,
    ),
    "our refund, unheard": Scenario(
        (_confirm("pm_card_visa"), _refund_of_ours(300), _refund(200)),
        _S.SUCCEEDED,
        captured=1000,
        refunded=500,
    ),
    "our refund fails, unheard": Scenario(
        (_confirm("pm_card_refundFail"), _refund_of_ours(300), _settle_refunds),
        _S.SUCCEEDED,
        captured=1000,
    ),
    "captured in part": Scenario(
        (_confirm("pm_card_visa"), _capture(700)),
        _S.SUCCEEDED,
        capture="manual",
        captured=700,
    ),
    "captured in part and refunded": Scenario(
        (_confirm("pm_card_visa"), _capture(700), _refund(100), _refund(600)),
        _S.SUCCEEDED,
        capture="manual",
        captured=700,
        refunded=700,
    ),
    "3-D Secure passed": Scenario(
        (_confirm(SECURE), _authenticate(success=True)), _S.SUCCEEDED, captured=1000
    ),
    "3-D Secure failed": Scenario(
        (_confirm(SECURE), _authenticate(success=False)), _S.REQUIRES_PAYMENT_METHOD
    ),
    "declined, failed, passed": Scenario(
        (
            _confirm(DECLINED),
            _confirm(SECURE),
            _authenticate(success=False),
            _confirm("pm_card_visa"),
        ),
        _S.SUCCEEDED,
        captured=1000,
    ),
    "captured in part, refund fails, then another": Scenario(
        (
            _confirm("pm_card_refundFail"),
            _capture(700),
            _refund(400),
            _settle_refunds,
            _refund(600),
        ),
        _S.SUCCEEDED,
        capture="manual",
        captured=700,
        refunded=600,
    ),
    "slow": Scenario((_confirm(SLOW), _settle_charges), _S.SUCCEEDED, captured=1000),
    "canceled": Scenario((_confirm(DECLINED), _cancel), _S.CANCELED),
    "authorization canceled": Scenario(
        (_confirm("pm_card_visa"), _cancel), _S.CANCELED, capture="manual"
    ),
    "authorization expired": Scenario(
        (_confirm("pm_card_visa"), _expire), _S.EXPIRED, capture="manual"
    ),
}

each_scenario = pytest.mark.parametrize("name", SCENARIOS)


def _orderly(shop: Shop, scenario: Scenario) -> dict[str, object]:
    """Return the ending if every event arrives at once and in order."""
    story = Story.begin(shop, scenario.capture)
    arrived = 0
    for step in (None, *scenario.steps):
        if step is not None:
            step(story)
            story.gather()
        for event in story.events[arrived:]:
            story.arrive(event)
        arrived = len(story.events)
    story.settle()
    story.assert_like_the_psp()
    ending = story.ending()
    told = (ending["state"], ending["captured"], ending["refunded"])
    assert told == (scenario.state, scenario.captured, scenario.refunded)
    assert ending["told"]
    assert ending["told once"] == (scenario.state is PaymentState.SUCCEEDED)
    assert ending["breaks"] == []
    assert ending["inbox"] == ["applied"]
    return ending


@each_scenario
@given(data=st.data())
@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # All examples share one database: a story is not told twice in the same way.
    phases=[Phase.generate],
)
def test_any_order_ends_the_same(quick: Shop, name: str, data: st.DataObject) -> None:
    scenario = SCENARIOS[name]
    story = Story.begin(quick, scenario.capture)
    for step in scenario.steps:
        early = st.lists(st.sampled_from(story.events), max_size=3)
        for event in data.draw(early):
            story.arrive(event)
        step(story)
        story.gather()
    for event in data.draw(st.permutations(story.events)):
        story.arrive(event)
    again = st.lists(st.sampled_from(story.events), max_size=3)
    for event in data.draw(again):
        story.arrive(event)
    story.settle()
    story.assert_like_the_psp()
    assert story.ending() == _once(quick, name)


_known: dict[tuple[int, str], dict[str, object]] = {}


def _once(shop: Shop, name: str) -> dict[str, object]:
    """Return the orderly ending; told once for all examples of a test."""
    key = (id(shop), name)
    if key not in _known:
        _known[key] = _orderly(shop, SCENARIOS[name])
    return _known[key]


@pytest.mark.parametrize("name", ["authorization canceled", "captured in part"])
def test_every_order_ends_the_same(quick: Shop, name: str) -> None:
    scenario = SCENARIOS[name]
    orderly = _orderly(quick, scenario)
    length = 0
    for number in count():
        story = Story.begin(quick, scenario.capture)
        for step in scenario.steps:
            step(story)
        story.gather()
        orders = list(permutations(story.events[1:]))
        length = len(orders)
        if number == length:
            break
        for event in orders[number]:
            story.arrive(event)
        story.settle()
        assert story.ending() == orderly, [event.type for event in orders[number]]
    assert length >= 24


@pytest.mark.parametrize("name", ["refunded in parts", "declined, failed, passed"])
def test_the_events_alone_are_enough(quick: Shop, name: str) -> None:
    """The last event tells it all; fees are what is read later."""
    scenario = SCENARIOS[name]
    story = Story.begin(quick, scenario.capture)
    for step in scenario.steps:
        step(story)
    story.gather()
    for event in reversed(story.events):
        story.arrive(event)
    view = quick.get(story.payment, merchant=story.merchant)
    assert (view.state, view.captured, view.refunded) == (
        scenario.state,
        scenario.captured,
        scenario.refunded,
    )


def test_events_of_every_driver_end_the_same(shop: Shop) -> None:
    """One scenario, backwards and twice, on both services and every database."""
    scenario = SCENARIOS["refunded in parts"]
    orderly = _orderly(shop, scenario)
    story = Story.begin(shop, scenario.capture)
    for step in scenario.steps:
        step(story)
    story.gather()
    for event in [*reversed(story.events), *story.events]:
        story.arrive(event)
    story.settle()
    story.assert_like_the_psp()
    assert story.ending() == orderly
