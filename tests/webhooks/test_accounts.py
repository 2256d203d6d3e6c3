"""Several accounts and modes behind one endpoint, and secrets that are replaced."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest

from paykit import Money, PaymentService, WebhookReceiver, Worker
from paykit.errors import UsageError
from paykit.psp import AnyPsp, ConfirmPayment, binding_of
from paykit.stripe import StripePsp
from paykit.testing.simulated import SimulatedPsp, sign
from tests.support import PATIENCE, Shop
from tests.testing.stripe_sdk import TEST_KEY

CONNECTED: Final = "acct_1"
_EUROS: Final = Money(1000, "eur")


@dataclass
class Accounts:
    """A platform and one connected account; the merchant's name is the account's."""

    adapters: dict[str, AnyPsp] = field(default_factory=dict)
    refusal: type[Exception] = KeyError

    def for_merchant(self, merchant: str) -> AnyPsp:
        return self.adapters[merchant]

    def for_binding(self, binding: str) -> AnyPsp:
        for adapter in self.adapters.values():
            if binding_of(adapter) == binding:
                return adapter
        raise self.refusal(binding)

    def owner(self, binding: str) -> str:
        owners = {binding_of(psp): merchant for merchant, psp in self.adapters.items()}
        return owners[binding]


@dataclass
class Platform:
    """A host for both accounts, whose one endpoint is the platform's."""

    shop: Shop
    accounts: Accounts
    service: PaymentService
    receiver: WebhookReceiver
    worker: Worker

    def create(self, account: str) -> str:
        payment = self.service.create_payment(
            amount=_EUROS, idempotency_key=f"create-{account}", merchant=account
        )
        return payment.id

    def push(self, **changes: Any) -> None:
        """Receive the last event of the provider, `changes` made."""
        body = json.loads(self.shop.sim.webhook(self.shop.sim.events()[-1])[0])
        raw = json.dumps({**body, **changes}).encode()
        headers = sign(raw, self.shop.sim.webhook_secret, self.shop.world.now())
        assert self.receiver.receive(raw, headers).status == 200

    def ends(self) -> list[tuple[str, str, str | None]]:
        rows = self.shop.query("SELECT binding, status, reason FROM paykit_inbox")
        return [(row["binding"], row["status"], row["reason"]) for row in rows]


@pytest.fixture
def platform(quick: Shop) -> Platform:
    adapters: dict[str, AnyPsp] = {
        name: SimulatedPsp(quick.sim, name) for name in ("default", CONNECTED)
    }
    accounts = Accounts(adapters)
    service = PaymentService(
        quick.engine, psp=accounts, policy=PATIENCE, world=quick.world
    )
    receiver = WebhookReceiver(service)
    return Platform(quick, accounts, service, receiver, Worker(service))


def test_an_event_of_a_connected_account_goes_to_its_own_binding(
    platform: Platform,
) -> None:
    """Failures, further to cover: a Connect event without an `account` filter."""
    payment = platform.create(CONNECTED)
    platform.push()
    platform.worker.run_once()
    assert platform.ends() == [(f"simulated:{CONNECTED}:test", "applied", None)]
    assert platform.service.get_payment(payment, merchant=CONNECTED).psp_reference


def test_the_same_id_in_two_accounts_is_two_payments(platform: Platform) -> None:
    ours, theirs = platform.create("default"), platform.create(CONNECTED)
    reference = platform.service.get_payment(theirs, merchant=CONNECTED).psp_reference
    platform.shop.execute("UPDATE paykit_payment SET psp_reference = :id", id=reference)
    adapter = platform.accounts.adapters[CONNECTED]
    assert isinstance(adapter, SimulatedPsp)
    confirm = ConfirmPayment(payment=str(reference), payment_method="pm_card_visa")
    adapter.send(adapter.prepare(confirm, "key"))
    for event in platform.shop.sim.events():
        if event.account == CONNECTED:
            platform.receiver.receive(*platform.shop.sim.webhook(event))
    platform.worker.run_once()
    assert platform.service.get_payment(theirs, merchant=CONNECTED).paid
    assert not platform.service.get_payment(ours, merchant="default").paid
    assert platform.service.trial_balance("default") == []


def test_a_payout_is_booked_for_the_owner_of_its_account(platform: Platform) -> None:
    platform.service.confirm_payment(
        platform.create(CONNECTED),
        payment_method="pm_card_visa",
        idempotency_key="confirm",
        merchant=CONNECTED,
    )
    platform.shop.sim.controls.create_automatic_payout("eur", account=CONNECTED)
    platform.push()
    platform.worker.run_once()
    (payout,) = platform.service.list_payouts(merchant=CONNECTED).items
    assert platform.service.list_payouts(merchant="default").items == ()
    books = {row.code: row.debits for row in platform.service.trial_balance(CONNECTED)}
    assert books["payouts"] == payout.amount
    assert platform.service.trial_balance("default") == []


@pytest.mark.parametrize("refusal", [KeyError, UsageError])
def test_an_account_that_nobody_speaks_for_is_ignored(
    platform: Platform, refusal: type[Exception]
) -> None:
    platform.accounts.refusal = refusal
    payment = platform.create("default")
    before = platform.service.get_payment(payment, merchant="default")
    platform.push(account="acct_x")
    platform.worker.run_once()
    assert platform.ends() == [
        ("simulated:default:test", "ignored", "account acct_x is not ours")
    ]
    assert platform.service.get_payment(payment, merchant="default") == before


@pytest.mark.parametrize("refusal", [KeyError, UsageError])
def test_an_account_that_was_removed_stops_no_worker(
    platform: Platform, refusal: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """What is still to be read of its payments waits, and no other one with it."""
    caplog.set_level(logging.CRITICAL, "paykit")
    platform.accounts.refusal = refusal
    for name in (CONNECTED, "default"):
        platform.service.confirm_payment(
            platform.create(name),
            payment_method="pm_card_visa",
            idempotency_key="confirm",
            merchant=name,
        )
    del platform.accounts.adapters[CONNECTED]
    platform.shop.world.advance(timedelta(minutes=1))
    report = platform.worker.run_once()
    assert report.failed == {}
    assert report.done["refresh"] == {"waiting": 1, "settled": 1}


def test_an_event_of_the_other_mode_is_ignored(platform: Platform) -> None:
    """Failure 21: test and live mode on one URL."""
    platform.create("default")
    platform.push(livemode=True)
    platform.worker.run_once()
    reason = "an event of live mode, for which there is no adapter"
    assert platform.ends() == [("simulated:default:test", "ignored", reason)]


def test_a_thin_event_of_a_connected_account_goes_to_its_own_binding(
    platform: Platform,
) -> None:
    payment = platform.create(CONNECTED)
    reference = platform.service.get_payment(payment, merchant=CONNECTED).psp_reference
    platform.push(
        object="v2.core.event",
        type="v1.payment_intent.created",
        account=None,
        context=CONNECTED,
        related_object={"id": reference, "type": "payment_intent"},
    )
    platform.worker.run_once()
    assert platform.ends() == [(f"simulated:{CONNECTED}:test", "applied", None)]


def test_an_adapter_for_a_connected_account_takes_its_events_as_its_own() -> None:
    """Also under a name that the host chose for it."""
    psp = StripePsp(TEST_KEY, account="shop", stripe_account=CONNECTED)
    event = {"id": "evt_1", "object": "event", "type": "a.b", "account": CONNECTED}
    body = json.dumps(event).encode()
    assert psp.read_envelope(body).account is None
    assert psp.read_event(body).account is None
    other = json.dumps({**event, "account": "acct_2"}).encode()
    assert psp.read_envelope(other).account == "acct_2"
    psp.close()


@pytest.mark.parametrize(
    ("secrets", "status"),
    [
        (("whsec_old",), 200),
        (("whsec_old", "whsec_new"), 200),
        (("whsec_new", "whsec_old"), 200),
        (("whsec_new",), 400),
    ],
    ids=["before", "during", "during, in the other order", "after"],
)
def test_a_secret_is_replaced_without_an_outage(
    quick: Shop, secrets: tuple[str, ...], status: int
) -> None:
    """Failure 21: whoever still signs with the old secret is heard until it goes."""
    psp = StripePsp(TEST_KEY, webhook_secrets=secrets)
    service = PaymentService(quick.engine, psp=psp, world=quick.world)
    body = json.dumps({"id": "evt_1", "object": "event", "type": "a.b"}).encode()
    headers = sign(body, "whsec_old", quick.world.now())
    assert WebhookReceiver(service).receive(body, headers).status == status
    both = sign(body, "whsec_new", quick.world.now())["stripe-signature"]
    v1 = headers["stripe-signature"].partition(",")[2]
    rolling = {"stripe-signature": f"{both},{v1}"}
    assert WebhookReceiver(service).receive(body, rolling).status == 200
    psp.close()


@pytest.mark.parametrize("named", ["default", "acct_nobody"])
def test_metadata_of_one_account_do_not_name_a_merchant_of_another(
    platform: Platform, named: str
) -> None:
    """Who may write there would fill another merchant's lists, and call handlers."""
    controls = platform.shop.sim.controls
    for merchant in (named, CONNECTED):
        metadata = {"paykit_merchant": merchant}
        controls.start_subscription(metadata, account=CONNECTED)
        platform.push()
    platform.worker.run_once()
    assert platform.service.list_subscriptions(merchant=named).items == ()
    (view,) = platform.service.list_subscriptions(merchant=CONNECTED).items
    assert view.merchant == CONNECTED
