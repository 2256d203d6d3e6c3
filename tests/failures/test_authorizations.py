"""Money that is held: what ends an authorization, and who may take how much of it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from paykit import (
    AuthorizationExpired,
    ClockPolicy,
    FinalRequired,
    IllegalTransition,
    InProgress,
    Money,
    PaykitError,
    PaymentService,
    PaymentState,
    PspRejected,
)
from paykit.testing.simulated import Fault
from tests.barriers.crowd import crowd
from tests.databases import Database
from tests.support import Shop
from tests.sweep.verdict import Told


def _nothing_taken(shop: Shop, payment: str) -> None:
    view = shop.get(payment)
    assert view.state is PaymentState.EXPIRED
    assert (view.captured, view.capturable) == (0, 0)
    assert shop.claims() == {}
    assert shop.at_psp()["captured"] == 0
    assert "payment.succeeded" not in shop.event_types(payment)
    assert "sales:eur" not in shop.balances()


def test_29_a_capture_that_comes_too_late_is_refused_and_the_payment_says_so(
    shop: Shop,
) -> None:
    payment = shop.authorized()
    shop.sim.expire_authorization(shop.reference(payment))
    # Nobody has told us yet, and of the first request no answer comes.
    shop.sim.faults.add(Fault.LOSE_REQUEST, verb="capture_payment")
    with pytest.raises(PspRejected) as refusal:
        shop.capture_payment(payment)
    assert refusal.value.code == "authorization_released"
    shop.settle()
    _nothing_taken(shop, payment)


def test_29_an_authorization_that_is_known_to_be_over_is_not_asked_for(
    shop: Shop,
) -> None:
    payment = shop.authorized()
    shop.sim.expire_authorization(shop.reference(payment))
    shop.settle()
    sent = len(shop.watch.sent)
    with pytest.raises(IllegalTransition):
        shop.capture_payment(payment)
    assert len(shop.watch.sent) == sent
    _nothing_taken(shop, payment)


@pytest.mark.parametrize(
    ("seconds", "captured"), [(-1, 1000), (0, 0), (1, 0)], ids=["before", "at", "after"]
)
def test_29_a_capture_that_may_come_too_late_is_refused_and_nothing_is_sent(
    shop: Shop, seconds: int, captured: int
) -> None:
    payment = shop.authorized()
    end = shop.authorized_until(payment) - ClockPolicy().capture_margin
    shop.world.advance(end - shop.world.now() + timedelta(seconds=seconds))
    shop.watch.sent.clear()
    if captured:
        shop.capture_payment(payment)
    else:
        with pytest.raises(AuthorizationExpired):
            shop.capture_payment(payment)
        assert shop.watch.sent == []
    assert shop.at_psp()["captured"] == captured


def test_29_an_authorization_that_nobody_captures_is_told_of_and_ends(
    shop: Shop,
) -> None:
    payment = shop.authorized()
    end = shop.authorized_until(payment)
    told = []
    while shop.world.now() < end:
        shop.wait_and_work(timedelta(hours=6))
        told.append("payment.authorization_expiring" in shop.event_types(payment))
    # In the last day, and from then on.
    assert (told.index(True), sum(told)) == (23, 5)
    assert shop.get(payment).state is PaymentState.CANCELED
    assert shop.watch.writes().count("cancel_payment") == 1
    assert shop.at_psp()["captured"] == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [("capture_payment", "cancel_payment"), ("cancel_payment", "capture_payment")],
)
def test_30_while_one_of_capture_and_cancel_is_under_way_the_other_waits(
    shop: Shop, first: str, second: str
) -> None:
    payment = shop.authorized()
    other = partial(getattr(shop.service, second), payment, idempotency_key="second")
    shop.sim.faults.add(Fault.LOCK_TIMEOUT, verb=first)
    meanwhile = shop.meanwhile(other)
    shop.watch.sent.clear()
    view = getattr(shop, first)(payment)
    (told,) = meanwhile
    assert isinstance(told, InProgress)
    assert set(shop.watch.writes()) == {first}
    with pytest.raises(IllegalTransition):
        getattr(shop, second)(payment, idempotency_key="later")
    assert view.paid is (first == "capture_payment")
    assert shop.at_psp()["captured"] == 1000 * view.paid
    assert shop.get(payment).state is view.state
    assert shop.balances().get("sales:eur", 0) == -1000 * view.paid


def test_30_of_capture_and_cancel_at_once_one_wins(installed: Database) -> None:
    with crowd(installed, 2) as servers:
        payment = servers.charged("order", capture="manual").id

        def act(number: int, service: PaymentService) -> Told:
            verb = ("capture", "cancel")[number]
            method = getattr(service, f"{verb}_payment")
            call = partial(method, payment, idempotency_key=verb)
            return servers.tell(f"payment.{verb}", verb, call)

        told = servers.at_once(act)
        assert sum(isinstance(one, PaykitError) for one in told) == 1
        servers.settle()
        view = servers.service.get_payment(payment)
        captured = sum(servers.sim.effects().captured.values())
        assert (view.paid, view.captured) == (captured == 100, captured)
        assert view.state in {PaymentState.SUCCEEDED, PaymentState.CANCELED}
        assert servers.violations() == []


def test_31_a_part_must_say_whether_it_is_the_last_one(shop: Shop) -> None:
    payment = shop.create_payment(capture="manual", multicapture=True).id
    shop.confirm_payment(payment)
    sent = len(shop.watch.sent)
    with pytest.raises(FinalRequired):
        shop.capture_payment(payment, amount=Money(300, "eur"))
    assert len(shop.watch.sent) == sent
    assert shop.get(payment).capturable == 1000
    shop.capture_payment(payment, amount=Money(300, "eur"), final=False)
    assert shop.get(payment).capturable == 700
    shop.capture_payment(payment, amount=Money(600, "eur"), final=True)
    shop.settle()
    view = shop.get(payment)
    assert (view.paid, view.captured, view.capturable) == (True, 900, 0)
    assert shop.at_psp()["captured"] == 900
    assert shop.balances()["sales:eur"] == -900
