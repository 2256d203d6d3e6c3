"""Different commands about one thing, all from the same moment."""

from __future__ import annotations

from functools import partial

import pytest

from paykit import (
    IllegalTransition,
    InProgress,
    Money,
    NotAllowed,
    PaymentService,
    PaymentView,
    RefundExceedsCaptured,
    RefundView,
)
from paykit.store.ledger import audit
from tests.barriers.crowd import Crowd, crowd
from tests.databases import Database
from tests.sweep.verdict import Told

POSTGRESQL = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)


def refund(
    crowd: Crowd, payment: str, minor: int, number: int, service: PaymentService
) -> Told:
    """Refund `minor`, under a key of the caller's own."""
    key = f"{payment}-refund-{number}"
    call = partial(
        service.refund_payment,
        payment,
        amount=Money(minor, "usd"),
        idempotency_key=key,
    )
    return crowd.tell("payment.refund", key, call)


def test_refunds_of_sixty_fit_once_into_a_hundred(
    installed: Database, rounds: int
) -> None:
    with crowd(installed, 8) as callers:
        for number in range(rounds):
            payment = callers.charged(f"order-{number}").id
            told = callers.at_once(partial(refund, callers, payment, 60))
            done = [one for one in told if isinstance(one, RefundView)]
            refused = [one for one in told if isinstance(one, RefundExceedsCaptured)]
            assert (len(done), len(refused)) == (1, 7)
        assert set(callers.sim.effects().refunded.values()) == {60}
        callers.settle()
        assert callers.violations() == []


def test_refunds_that_fit_do_not_stop_one_another(
    installed: Database, rounds: int
) -> None:
    with crowd(installed, 8) as callers:
        for number in range(rounds):
            payment = callers.charged(f"order-{number}").id
            told = callers.at_once(partial(refund, callers, payment, 12))
            assert all(isinstance(one, RefundView) for one in told), told
        assert set(callers.sim.effects().refunded.values()) == {96}
        callers.settle()
        assert callers.violations() == []


def end(crowd: Crowd, payment: str, number: int, service: PaymentService) -> Told:
    """Capture, or cancel: every second caller the one, the others the other."""
    method, operation = (
        (service.capture_payment, "payment.capture")
        if number % 2
        else (service.cancel_payment, "payment.cancel")
    )
    key = f"{payment}-{number}"
    return crowd.tell(operation, key, partial(method, payment, idempotency_key=key))


@POSTGRESQL
def test_of_capture_and_cancel_one_wins(installed: Database, rounds: int) -> None:
    with crowd(installed, 4) as callers:
        for number in range(rounds):
            payment = callers.charged(f"order-{number}", capture="manual")
            told = callers.at_once(partial(end, callers, payment.id))
            (won,) = [one for one in told if isinstance(one, PaymentView)]
            lost = [one for one in told if one is not won]
            assert all(isinstance(e, InProgress | IllegalTransition) for e in lost)
            state = callers.sim.intent(str(payment.psp_reference)).status
            assert state == won.state.value
        callers.settle()
        assert callers.violations() == []


def create(crowd: Crowd, order: str, number: int, service: PaymentService) -> Told:
    """Open a payment for `order`, under a key of the caller's own."""
    key = f"{order}-{number}"
    call = partial(
        service.create_payment,
        amount=Money(100, "usd"),
        idempotency_key=key,
        reference=order,
    )
    return crowd.tell("payment.create", key, call)


@POSTGRESQL
def test_one_reference_has_one_live_payment(installed: Database, rounds: int) -> None:
    with crowd(installed, 8) as callers:
        for number in range(rounds):
            told = callers.at_once(partial(create, callers, f"order-{number}"))
            assert sum(isinstance(one, PaymentView) for one in told) == 1
            assert sum(isinstance(one, NotAllowed) for one in told) == 7
        assert len(callers.sim.effects().charges) == rounds
        callers.settle()
        assert callers.violations() == []


def pay(merchant: str, number: int, service: PaymentService) -> bool:
    payment = service.create_payment(
        amount=Money(100, "usd"),
        idempotency_key=f"create-{number}",
        merchant=merchant,
        payment_method="pm_card_visa",
    )
    charged = service.confirm_payment(
        payment.id, idempotency_key=f"confirm-{number}", merchant=merchant
    )
    return charged.paid


@POSTGRESQL
def test_the_first_payments_of_a_merchant_open_its_accounts_once(
    installed: Database, rounds: int
) -> None:
    with crowd(installed, 8) as callers:
        for number in range(rounds):
            merchant = f"shop-{number}"
            assert all(callers.at_once(partial(pay, merchant)))
            nets = {
                str(account.code): account.debits - account.credits
                for account in callers.service.trial_balance(merchant)
            }
            assert nets == {"psp_balance": 800, "sales": -800}
        with callers.engines[0].connect() as connection:
            assert audit(connection) == []
