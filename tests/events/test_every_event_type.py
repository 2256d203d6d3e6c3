"""
Every type of event that Stripe has comes in, in any order, and none is lost.

Each is sent as Stripe would, many of them twice, and ends applied, ignored or
dead, with the reason written beside it.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, text
from stripe._object_classes import OBJECT_CLASSES

from paykit import Money, PaymentService, WebhookReceiver, Worker
from paykit.stripe import StripePsp
from paykit.testing.simulated import SimulatedProvider, sign
from paykit.testing.stripe_server import StripeServer
from tests.databases import Database, sqlite_database
from tests.events.bodies import (
    SNAPSHOT_TYPES,
    THIN_TYPES,
    object_of,
    related_classes,
    shape_of,
    snapshot,
    thin,
)
from tests.support import PATIENCE, FrozenWorld, usual_duties
from tests.testing.stripe_sdk import TEST_KEY

READ = {
    "payment_intent": "read_payment",
    "charge": "read_charge",
    "refund": "read_refund",
    "dispute": "read_dispute",
    "review": "read_review",
    "radar.early_fraud_warning": "read_warning",
    "payout": "read_payout",
    "subscription": "read_subscription",
    "invoice": "read_invoice",
}
"""The objects that paykit has use for, and how the provider shows them."""

NAMED = (
    *("payment_intent", "charge", "refund", "dispute"),
    *("payout", "subscription", "invoice"),
)
"""Those that paykit reads, if an event only names them."""

FOLLOWED = ("payout",)
"""Those that begin at the PSP: one that is not known yet is read and adopted."""

UNBOOKED = ("setup_intent",)
"""The objects that paykit reads and keeps no rows for."""

ONLY = {"invoice": ("invoice.paid",)}
"""Of these objects paykit has use for some types alone."""

OURS = tuple(
    kind
    for kind in SNAPSHOT_TYPES
    if object_of(kind) in READ and kind in ONLY.get(object_of(kind), (kind,))
)
"""The types of events about what paykit has use for."""

BROKEN = {
    "review": "reason",
    "radar.early_fraud_warning": "fraud_type",
    "subscription": "customer",
}
"""A field without which the object cannot be read; of the others, their currency."""

GONE = "the PSP could not be read: Rejected"

FOREIGN = "foreign: no payment of ours"

NOT_OURS = {
    "subscription": "foreign: a subscription whose metadata have no paykit_merchant",
    "invoice": "invoice.paid: nothing was paid for a subscription",
}
"""Why an event is ignored that shows what is no payment's, and not ours."""

LONG_ENOUGH = timedelta(hours=13)
"""More than any pause before an event is looked at again."""


@dataclass
class Host:
    """A shop that takes Stripe's webhooks, and one payment that was made there."""

    world: FrozenWorld
    sim: SimulatedProvider
    database: Database
    service: PaymentService
    receiver: WebhookReceiver
    worker: Worker
    answers: Counter[str] = field(default_factory=Counter)
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def new_id(self) -> str:
        return f"evt_of_this_test_{next(self._names)}"

    def receive(self, event: Mapping[str, Any]) -> None:
        body = json.dumps(event).encode()
        headers = sign(body, self.sim.webhook_secret, self.world.now())
        answer = self.receiver.receive(body, headers)
        assert answer.status == 200
        self.answers[answer.reason] += 1

    def work_until_all_is_done(self) -> None:
        """Work, and let days go by, until no event waits any more."""
        for _ in range(10):
            while self.worker.run_once().done["inbox"]:
                pass
            if not self.query("SELECT id FROM paykit_work WHERE queue = 'inbox'"):
                return
            self.world.advance(LONG_ENOUGH)
        raise AssertionError("events wait for ever")

    def ends(self) -> dict[str, tuple[str, str | None]]:
        """Return what became of every event, by its id; without the lines of code."""
        rows = self.query("SELECT event_id, status, reason FROM paykit_inbox")
        return {row["event_id"]: (row["status"], _bare(row["reason"])) for row in rows}

    def query(self, statement: str) -> list[RowMapping]:
        with self.database.engine().connect() as connection:
            return list(connection.execute(text(statement)).mappings())

    def paid_and_troubled(self) -> tuple[str, dict[str, str]]:
        """Pay at the shop, and let much happen behind its back; return all ids."""
        payment = self.service.create_payment(
            amount=Money(1000, "eur"), idempotency_key="create"
        )
        paid = self.service.confirm_payment(
            payment.id, payment_method="pm_card_visa", idempotency_key="confirm"
        )
        intent = str(paid.psp_reference)
        payout = self.sim.controls.create_automatic_payout("eur")
        whose = {"paykit_merchant": "default"}
        subscription = self.sim.controls.start_subscription(whose)
        billed = self.sim.call("read_subscription", subscription)
        refund = self.sim.call("create_refund", payment_intent=intent, amount=400)
        ids = {
            "payment_intent": intent,
            "charge": str(self.sim.intent(intent).latest_charge),
            "refund": str(refund["id"]),
            "review": self.sim.controls.open_review(intent),
            "radar.early_fraud_warning": self.sim.controls.warn_of_fraud(intent),
            "dispute": self.sim.controls.open_dispute(intent),
            "payout": payout,
            "subscription": subscription,
            "invoice": str(billed["latest_invoice"]),
        }
        return payment.id, ids


@pytest.fixture
def host(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    # Keeps the SDK from writing its telemetry id into the developer's home.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "events.db"
    shutil.copy(sqlite_template, path)
    database, world = sqlite_database(path), FrozenWorld()
    sim = SimulatedProvider(world)
    with StripeServer(sim) as server:
        secrets = [sim.webhook_secret]
        psp = StripePsp(TEST_KEY, webhook_secrets=secrets, base_url=server.url)
        service = PaymentService(
            database.engine(), psp=psp, policy=PATIENCE, world=world
        )
        yield Host(
            world=world,
            sim=sim,
            database=database,
            service=service,
            receiver=WebhookReceiver(service),
            # The provider's own list would bring in events that are not sent here.
            worker=Worker(service, only=usual_duties(service)),
        )
        psp.close()
    database.dispose()


def _bare(reason: str | None) -> str | None:
    return reason and re.sub(r" in \w+ \(\w+\.py:\d+\)", "", reason)


def sent_in_disorder(host: Host, events: list[dict[str, Any]], seed: int) -> int:
    """Send every event once or twice, work in between; return how many went."""
    chance = random.Random(seed)
    sent = [event for event in events for _ in range(chance.randint(1, 2))]
    chance.shuffle(sent)
    for number, event in enumerate(sent):
        host.receive(event)
        if number % 100 == 0:
            host.worker.run_once()
    return len(sent)


@dataclass
class Expected:
    """What is sent, and what has to become of it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    ends: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def add(self, event: dict[str, Any], status: str, reason: str | None) -> None:
        self.events.append(event)
        self.ends[event["id"]] = (status, reason)


def assert_every_event_comes_to_its_end(
    host: Host, expected: Expected, payment: str
) -> None:
    sent = sent_in_disorder(host, expected.events, seed=7)
    host.work_until_all_is_done()
    assert host.answers == {
        "stored": len(expected.events),
        "received before": sent - len(expected.events),
    }
    assert host.ends() == expected.ends
    seen = host.service.get_payment(payment)
    assert (seen.captured, seen.refunded, seen.disputed) == (1000, 400, 1000)
    assert len(host.service.list_refunds(payment)) == 1
    assert len(host.service.list_disputes(payment)) == 1
    assert len(host.service.list_payouts().items) == 1
    assert len(host.service.list_subscriptions().items) == 1
    assert not host.query("SELECT * FROM paykit_break")


def test_every_event_type_comes_to_its_end(host: Host) -> None:
    payment, ids = host.paid_and_troubled()
    expected = Expected()
    for kind in SNAPSHOT_TYPES:
        name = object_of(kind)
        body = snapshot(host.new_id(), kind, shape_of(name))
        followed = name in FOLLOWED
        end = ("dead", GONE) if followed else ("ignored", _of_no_use(kind))
        expected.add(body, *end)
    for kind in THIN_TYPES:
        reason = f"{kind} has no effect here"
        expected.add(thin(host.new_id(), kind), "ignored", reason)
    for kind in OURS:
        name = object_of(kind)
        body = host.sim.call(READ[name], ids[name])
        expected.add(snapshot(host.new_id(), kind, body), "applied", None)
    for name, kind in {object_of(kind): kind for kind in OURS}.items():
        lacking = BROKEN.get(name, "currency")
        what = name if name.isidentifier() else "object"
        broken = snapshot(host.new_id(), kind, {**shape_of(name), lacking: 7})
        expected.add(broken, "dead", f"Unreadable: {what}.{lacking} is no string")
    assert_every_event_comes_to_its_end(host, expected, payment)


def _of_no_use(kind: str) -> str:
    """Return why an event of this type about nothing of ours is ignored."""
    name = object_of(kind)
    if kind in OURS:
        return NOT_OURS.get(name, FOREIGN)
    if name in UNBOOKED:
        status = shape_of(name)["status"]
        return f"{kind}: {name} a_word is {status}; paykit keeps none of these"
    return f"{kind} has no effect here"


def test_every_event_type_of_another_version_comes_to_its_end(host: Host) -> None:
    """Such a payload is good for the id alone; what has one is read."""
    payment, ids = host.paid_and_troubled()
    expected = Expected()

    def add(kind: str, body: Mapping[str, Any], end: tuple[str, str | None]) -> None:
        event = snapshot(host.new_id(), kind, body)
        expected.add({**event, "api_version": "2019-01-01"}, *end)

    for kind in SNAPSHOT_TYPES:
        name = object_of(kind)
        read = kind in OURS and name in NAMED and name != "payment_intent"
        end = ("dead", GONE) if read else ("ignored", _of_no_use(kind))
        add(kind, shape_of(name), end)
    for kind in OURS:
        name = object_of(kind)
        body = host.sim.call(READ[name], ids[name])
        lies = {"amount": 7, "currency": "jpy"} if name in NAMED else {}
        add(kind, {**body, **lies}, ("applied", None))
    assert_every_event_comes_to_its_end(host, expected, payment)


def test_every_event_type_sent_thin_comes_to_its_end(host: Host) -> None:
    """A thin event names its object; what paykit has use for is read."""
    payment, ids = host.paid_and_troubled()
    expected = Expected()
    for kind in SNAPSHOT_TYPES:
        name, word = object_of(kind), f"v1.{kind}"
        read = kind in OURS and name in NAMED and name != "payment_intent"
        end = ("dead", GONE) if read else ("ignored", f"{word} has no effect here")
        if name == "payment_intent":
            end = ("ignored", FOREIGN)
        expected.add(thin(host.new_id(), word, name, "x_1"), *end)
        if name in NAMED and kind in OURS:
            ours = thin(host.new_id(), word, name, ids[name])
            expected.add(ours, "applied", None)
    assert_every_event_comes_to_its_end(host, expected, payment)


def test_a_refund_without_a_status_is_looked_up(host: Host) -> None:
    """The SDK says that it may be null: that is no broken payload."""
    payment, ids = host.paid_and_troubled()
    body = host.sim.call("read_refund", ids["refund"])
    bare = snapshot(host.new_id(), "refund.updated", {**body, "status": None})
    whole = snapshot(host.new_id(), "refund.created", body)
    for event in (bare, whole):
        host.receive(event)
        host.work_until_all_is_done()
    assert host.ends() == {event["id"]: ("applied", None) for event in (bare, whole)}
    assert host.service.get_payment(payment).refunded == 400


def test_the_events_are_those_of_the_sdk() -> None:
    assert len(SNAPSHOT_TYPES) > 250
    assert len(THIN_TYPES) > 20
    assert len(set(OURS)) == len(OURS)
    assert {object_of(kind) for kind in OURS} == set(READ)


def test_an_event_carries_the_object_that_the_sdk_says() -> None:
    said = dict(related_classes())
    # What Stripe sends is the alert together with who set it off.
    said.pop("billing.alert.triggered", None)
    assert said == {kind: OBJECT_CLASSES[object_of(kind)][1] for kind in said}


@pytest.mark.parametrize("kind", sorted({object_of(kind) for kind in SNAPSHOT_TYPES}))
def test_a_body_has_the_name_of_its_object(kind: str) -> None:
    assert shape_of(kind)["object"] == kind
