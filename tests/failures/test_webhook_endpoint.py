"""Who may send what: secrets, clocks, other accounts and other versions."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paykit import (
    Money,
    PaymentService,
    WebhookReceiver,
    Worker,
    WorkReport,
)
from paykit.clock import SYSTEM
from paykit.stripe import StripePsp
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.simulated.webhooks import sign
from tests.databases import Database
from tests.failures.stories import (
    body_of,
    events_of,
    pay_elsewhere,
    push_raw,
)
from tests.support import PATIENCE, VISA, Shop, WatchedPsp
from tests.sweep.child import Ahead
from tests.sweep.shop import Shop as WireShop

EUR: Final = Money(1000, "eur")
OLD, NEW, OTHER = "whsec_old", "whsec_new", "whsec_other"
KEY: Final = "sk_test_failures"


@cache
def _stripe(*secrets: str) -> StripePsp:
    return StripePsp(KEY, webhook_secrets=secrets)


def _rotating(shop: Shop, *secrets: str) -> WebhookReceiver:
    """Return an endpoint with Stripe's own signature check and these secrets."""
    assert isinstance(shop.service, PaymentService)
    return WebhookReceiver(shop.service, psp=_stripe(*secrets))


def _webhook(shop: Shop) -> bytes:
    shop.sim.call("create_payment", amount=500, currency="eur")
    return shop.sim.webhook(shop.sim.events()[-1])[0]


def test_21_every_secret_of_a_rotation_is_good_and_no_other(shop: Shop) -> None:
    now = shop.world.now()
    both, after = _rotating(shop, OLD, NEW), _rotating(shop, NEW)
    for endpoint, secret, status in (
        (both, OLD, 200),
        (both, NEW, 200),
        (both, OTHER, 400),
        (after, OLD, 400),
        (after, NEW, 200),
    ):
        body = _webhook(shop)
        assert endpoint.receive(body, sign(body, secret, now)).status == status
    assert shop.counts()["paykit_inbox"] == 3


def test_21_a_forged_or_malformed_header_is_a_400(shop: Shop) -> None:
    body, endpoint = _webhook(shop), _rotating(shop, NEW)
    signed = sign(body, NEW, shop.world.now())["stripe-signature"]
    time, _, signature = signed.partition(",")
    for header in (
        "",
        "let me in",
        time,
        signature,
        f"{time},v1=",
        f"{time},v0={signature[3:]}",
        f"{time},{time},{signature}",
        signed + "ü",
        f"t=99999999999999999999,{signature}",
        f"t=-1,{signature}",
        f"{time},v1={'0' * 64}",
        "," * 5000,
    ):
        assert endpoint.receive(body, {"Stripe-Signature": header}).status == 400
    assert endpoint.receive(body, {}).status == 400
    assert endpoint.receive(body + b" ", {"Stripe-Signature": signed}).status == 400
    assert shop.counts()["paykit_inbox"] == 0
    assert endpoint.receive(body, {"Stripe-Signature": signed}).status == 200


@given(
    body=st.binary(max_size=200),
    header=st.text(max_size=60)
    | st.from_regex(r"t=[0-9]{1,25}(,v[01]=\w{0,70}){0,3}", fullmatch=True),
    signed=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_21_no_bytes_from_outside_raise(
    quick: Shop, body: bytes, header: str, signed: bool
) -> None:
    endpoint = _rotating(quick, OLD, NEW)
    headers = {"Stripe-Signature": header}
    if signed:
        headers = sign(body, OLD, quick.world.now())
    assert endpoint.receive(body, headers).status == 400
    assert quick.counts()["paykit_inbox"] == 0


def test_22_a_skewed_clock_is_refused_both_ways_and_recovers(shop: Shop) -> None:
    body, endpoint = _webhook(shop), _rotating(shop, NEW)
    for minutes, status in ((-10, 400), (10, 400), (-4, 200), (4, 200), (0, 200)):
        then = shop.world.now() + timedelta(minutes=minutes)
        assert endpoint.receive(body, sign(body, NEW, then)).status == status, minutes
    # The sender's next try is signed anew, so a clock that is set right is enough.
    late = _webhook(shop)
    headers = sign(late, NEW, shop.world.now() + timedelta(minutes=10))
    assert endpoint.receive(late, headers).status == 400
    shop.world.advance(timedelta(minutes=10))
    assert endpoint.receive(late, sign(late, NEW, shop.world.now())).status == 200


def test_22_a_host_whose_clock_is_ahead_takes_over_no_lease(
    installed: Database,
) -> None:
    """Both are real clocks; the database's is the one that counts."""
    psp = WatchedPsp(SimulatedProvider(SYSTEM))
    right = PaymentService(installed.engine(), psp=psp, policy=PATIENCE)
    ahead = PaymentService(
        installed.engine(), psp=psp, policy=PATIENCE, world=Ahead(timedelta(minutes=10))
    )
    reports: list[WorkReport] = []

    def work_elsewhere(_: object) -> None:
        psp.watch.before = None
        reports.append(Worker(ahead, only="resume").run_once())

    psp.watch.before = work_elsewhere
    right.create_payment(amount=EUR, idempotency_key="k")
    assert [report.done for report in reports] == [{"resume": {}}]
    assert psp.watch.verbs() == ["create_payment"]


def test_41_an_event_of_another_account_moves_nothing_here(shop: Shop) -> None:
    payment = shop.create_payment().id
    shop.sim.pending_webhooks()
    pay_elsewhere(shop, payment)
    before = shop.get(payment)
    (event,) = events_of(shop, "payment_intent.succeeded")
    push_raw(shop, {**body_of(shop, event), "id": "evt_x", "account": "acct_other"})
    assert shop.work().done["inbox"] == {"ignored": 1}
    (row,) = shop.query("SELECT reason, payment_id FROM paykit_inbox")
    assert "acct_other" in row["reason"]
    assert row["payment_id"] is None
    assert shop.get(payment) == before
    assert shop.balances() == {}


def test_42_a_payload_of_another_api_version_is_read_and_not_believed(
    wire: WireShop,
) -> None:
    payment = wire.service.create_payment(
        amount=EUR, idempotency_key="k", payment_method=VISA
    )
    wire.settle()

    def push(name: str, **changes: object) -> None:
        event = json.loads(wire.sim.webhook(wire.sim.events()[0])[0])
        event |= {"id": name, "type": "payment_intent.succeeded"}
        event["api_version"] = "2019-01-01"
        event["data"]["object"] |= changes
        raw = json.dumps(event).encode()
        headers = sign(raw, wire.sim.webhook_secret, wire.world.now())
        assert WebhookReceiver(wire.service).receive(raw, headers).status == 200
        wire.work_once()

    push("evt_early", status="succeeded", amount_received=1000)
    assert not wire.service.get_payment(payment.id).paid
    assert wire.service.trial_balance() == []
    wire.sim.call("confirm_payment", str(payment.psp_reference))
    push("evt_late", status="of another age", amount_received="all of it")
    assert wire.service.get_payment(payment.id).paid
    assert {row["status"] for row in wire.rows("SELECT status FROM paykit_inbox")} == {
        "applied"
    }
    wire.settle()
    assert wire.violations() == []
