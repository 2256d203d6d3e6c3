"""Different commands on one payment, all from the same moment."""

from __future__ import annotations

import pytest

from paykit import (
    IllegalTransition,
    InProgress,
    Money,
    NotAllowed,
    PaykitError,
    PaymentService,
    PaymentView,
    RefundExceedsCaptured,
    RefundView,
)
from tests.barriers.crowd import Crowd, crowd
from tests.databases import Database

POSTGRESQL = pytest.mark.parametrize("installed", ["postgresql"], indirect=True)


def refund(
    crowd: Crowd, payment: PaymentView, minor: int, number: int, service: PaymentService
) -> RefundView | PaykitError:
    key = f"{payment.id}-refund-{number}"
    return crowd.tell(
        "payment.refund",
        key,
        lambda: service.refund_payment(
            payment.id, amount=Money(minor, "usd"), idempotency_key=key
        ),
        number,
    )


def test_refunds_of_sixty_fit_once_into_a_hundred(
    installed: Database, rounds: int
) -> None:
    with crowd(installed, 8) as callers:
        for number in range(rounds):
            payment = callers.charged(f"order-{number}")
            told = callers.at_once(
                lambda n, service, payment=payment: refund(
                    callers, payment, 60, n, service
                )
            )
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
            payment = callers.charged(f"order-{number}")
            told = callers.at_once(
                lambda n, service, payment=payment: refund(
                    callers, payment, 12, n, service
                )
            )
            assert all(isinstance(one, RefundView) for one in told), told
        assert set(callers.sim.effects().refunded.values()) == {96}
        callers.settle()
        assert callers.violations() == []


def end(
    crowd: Crowd, payment: PaymentView, number: int, service: PaymentService
) -> PaymentView | PaykitError:
    """Capture, or cancel: every second caller the one, the others the other."""
    method, name = (
        (service.capture_payment, "payment.capture")
        if number % 2
        else (service.cancel_payment, "payment.cancel")
    )
    key = f"{payment.id}-{number}"
    return crowd.tell(
        name, key, lambda: method(payment.id, idempotency_key=key), number
    )


@POSTGRESQL
def test_of_capture_and_cancel_one_wins(installed: Database, rounds: int) -> None:
    with crowd(installed, 4) as callers:
        for number in range(rounds):
            payment = callers.charged(f"order-{number}", capture="manual")
            told = callers.at_once(
                lambda n, service, payment=payment: end(callers, payment, n, service)
            )
            won = [one for one in told if isinstance(one, PaymentView)]
            lost = [one for one in told if not isinstance(one, PaymentView)]
            assert len(won) == 1
            assert all(isinstance(e, InProgress | IllegalTransition) for e in lost)
            state = callers.sim.intent(str(payment.psp_reference)).status
            assert (won[0].state.value, state) in {
                ("succeeded", "succeeded"),
                ("canceled", "canceled"),
            }
        callers.settle()
        assert callers.violations() == []


@POSTGRESQL
def test_one_reference_has_one_live_payment(installed: Database, rounds: int) -> None:
    def create(number: int, service: PaymentService, order: str) -> object:
        key = f"{order}-{number}"
        return callers.tell(
            "payment.create",
            key,
            lambda: service.create_payment(
                amount=Money(100, "usd"), idempotency_key=key, reference=order
            ),
        )

    with crowd(installed, 8) as callers:
        for number in range(rounds):
            told = callers.at_once(
                lambda n, service, order=f"order-{number}": create(n, service, order)
            )
            assert sum(isinstance(one, PaymentView) for one in told) == 1
            assert sum(isinstance(one, NotAllowed) for one in told) == 7
        assert len(callers.sim.effects().charges) == rounds
        callers.settle()
        assert callers.violations() == []


@POSTGRESQL
def test_the_first_payments_of_a_merchant_open_its_accounts_once(
    installed: Database, rounds: int
) -> None:
    def pay(number: int, service: PaymentService, merchant: str) -> bool:
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

    with crowd(installed, 8) as callers:
        for number in range(rounds):
            merchant = f"shop-{number}"
            assert all(
                callers.at_once(
                    lambda n, service, merchant=merchant: pay(n, service, merchant)
                )
            )
            nets = {
                str(account.code): account.debits - account.credits
                for account in callers.service.trial_balance(merchant)
            }
            assert nets == {"psp_balance": 800, "sales": -800}
        callers.settle()
        assert callers.violations() == []
