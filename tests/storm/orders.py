"""
The orders: what a caller wants, in the order in which it wants it.

A caller repeats every call under the same key until it is told a result or a definite
error, and now and then once more. What it wants follows from the seed and the number of
the order, so a caller whose process was killed begins again with the same keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from time import sleep
from typing import Any, Final

import httpx
from sqlalchemy import Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from paykit import (
    InProgress,
    LeaseLost,
    Money,
    OutcomeUnknown,
    PaykitError,
    PaymentService,
    PaymentView,
    PspUnavailable,
    RefundView,
)
from tests.storm.host import KEY, order, told

__all__ = ["Buyer"]

_LATER: Final = (
    InProgress,
    LeaseLost,
    OutcomeUnknown,
    PspUnavailable,
    SQLAlchemyError,
)
"""What does not tell how it ended: the same call again will."""

_PAUSE_SECONDS: Final = 0.25
_ONCE_MORE: Final = 0.2

_CENTS: Final = 1000
_PART: Final = 600

_VISA: Final = "pm_card_visa"
_EMPTY: Final = "pm_card_visa_chargeDeclinedInsufficientFunds"
_CHALLENGED: Final = "pm_card_threeDSecure2Required"
_SLOW_REFUND: Final = "pm_card_pendingRefund"
_FAILING_REFUND: Final = "pm_card_refundFail"
_DEBIT: Final = "pm_usBankAccount_success"


class _Refused(Exception):
    """A step was refused for good, and the order ends there."""


@dataclass(frozen=True)
class Buyer:
    """Brings one order to its end."""

    service: PaymentService
    engine: Engine
    psp: str
    """The base URL of the PSP."""
    seed: int
    number: int

    def live(self) -> None:
        """Do everything that the order wants, and note that it is done."""
        dice = Random(f"{self.seed} {self.number}")
        kinds = list(_KINDS)
        kind = dice.choices(kinds, [_KINDS[one] for one in kinds])[0]
        with suppress(_Refused):  # such as a refund that no longer fits
            kind(self)
        self._write(insert(order), {"number": self.number})

    def create(self, **more: Any) -> PaymentView:
        """Open the payment."""
        created = self.insist(
            "create",
            self.service.create_payment,
            amount=Money(_CENTS + self.number, more.pop("currency", "eur")),
            reference=f"order-{self.number}",
            **more,
        )
        assert isinstance(created, PaymentView)
        return created

    def confirm(self, payment: PaymentView, method: str, key: str = "confirm") -> None:
        """Pay with `method`."""
        call = self.service.confirm_payment
        self.insist(key, call, payment.id, payment_method=method)

    def capture(self, payment: PaymentView, cents: int | None = None) -> None:
        """Take what is held, or a part of it."""
        amount = {} if cents is None else {"amount": Money(cents, "eur")}
        self.insist("capture", self.service.capture_payment, payment.id, **amount)

    def cancel(self, payment: PaymentView) -> None:
        """Let go of what is held."""
        self.insist("cancel", self.service.cancel_payment, payment.id)

    def refund(self, payment: PaymentView, cents: int, key: str = "refund") -> None:
        """Give back a part."""
        call = self.service.refund_payment
        self.insist(key, call, payment.id, amount=Money(cents, payment.currency))

    def refund_elsewhere(self, payment: PaymentView, cents: int) -> None:
        """Give back a part in the PSP's dashboard, behind paykit's back."""
        headers = {
            "Authorization": f"Bearer {KEY}",
            "Idempotency-Key": f"{self.number}-dashboard",
        }
        body = {"payment_intent": str(payment.psp_reference), "amount": str(cents)}
        while True:
            with suppress(httpx.HTTPError):
                told = httpx.post(f"{self.psp}/v1/refunds", headers=headers, data=body)
                # A 500 that the key remembers: it was executed all the same.
                if told.is_success or "Idempotent-Replayed" in told.headers:
                    return
            sleep(_PAUSE_SECONDS)

    def insist(
        self, step: str, call: Callable[..., Any], *arguments: object, **fields: object
    ) -> PaymentView | RefundView:
        """Call under one key until it is known how it ended; sometimes once more."""
        key = f"{self.number}-{step}"
        again = Random(f"{self.seed} {key}").random() < _ONCE_MORE
        fields["idempotency_key"] = key
        while True:
            try:
                result: PaymentView | RefundView = call(*arguments, **fields)
            except _LATER:
                sleep(_PAUSE_SECONDS)
                continue
            except PaykitError as error:
                raise _Refused(step) from error
            self._note(key, result)
            if not again:
                return result
            again = False

    def _note(self, key: str, result: PaymentView | RefundView) -> None:
        bare = result.model_copy(update={"client_secret": None}).model_dump_json()
        row = {"number": self.number, "key": key, "answer": bare}
        self._write(insert(told), row)

    def _write(self, statement: Any, row: Mapping[str, object]) -> None:
        while True:
            try:
                with self.engine.begin() as connection:
                    connection.execute(statement, row)
            except SQLAlchemyError:
                sleep(_PAUSE_SECONDS)
            else:
                return


# -- what orders want ------------------------------------------------------------------


def _paid(buyer: Buyer) -> None:
    buyer.confirm(buyer.create(), _VISA)


def _refunded(buyer: Buyer) -> None:
    payment = buyer.create()
    buyer.confirm(payment, _VISA)
    buyer.refund(payment, 300)
    buyer.refund(payment, _PART, "refund-2")


def _refunded_too_often(buyer: Buyer) -> None:
    payment = buyer.create()
    buyer.confirm(payment, _VISA)
    buyer.refund(payment, _PART)
    buyer.refund(payment, _PART + buyer.number, "refund-2")


def _refunded_elsewhere(buyer: Buyer) -> None:
    payment = buyer.create()
    buyer.confirm(payment, _VISA)
    buyer.refund_elsewhere(payment, 150)


def _held_and_captured(buyer: Buyer) -> None:
    payment = buyer.create(capture="manual")
    buyer.confirm(payment, _VISA)
    buyer.capture(payment)


def _captured_in_part(buyer: Buyer) -> None:
    payment = buyer.create(capture="manual")
    buyer.confirm(payment, _VISA)
    buyer.capture(payment, _PART)
    buyer.refund(payment, 200)


def _held_and_canceled(buyer: Buyer) -> None:
    payment = buyer.create(capture="manual")
    buyer.confirm(payment, _VISA)
    buyer.cancel(payment)


def _declined_first(buyer: Buyer) -> None:
    payment = buyer.create()
    buyer.confirm(payment, _EMPTY)
    buyer.confirm(payment, _VISA, "confirm-2")


def _challenged(buyer: Buyer) -> None:
    buyer.confirm(buyer.create(), _CHALLENGED)


def _refunded_slowly(buyer: Buyer) -> None:
    payment = buyer.create()
    buyer.confirm(payment, _SLOW_REFUND)
    buyer.refund(payment, _PART)


def _refund_comes_back(buyer: Buyer) -> None:
    payment = buyer.create()
    buyer.confirm(payment, _FAILING_REFUND)
    buyer.refund(payment, _PART)


def _debited(buyer: Buyer) -> None:
    buyer.confirm(buyer.create(currency="usd"), _DEBIT)


_KINDS: Final[Mapping[Callable[[Buyer], None], int]] = {
    _paid: 4,
    _refunded: 3,
    _refunded_too_often: 1,
    _refunded_elsewhere: 1,
    _held_and_captured: 3,
    _captured_in_part: 2,
    _held_and_canceled: 1,
    _declined_first: 1,
    _challenged: 1,
    _refunded_slowly: 1,
    _refund_comes_back: 1,
    _debited: 1,
}
"""Every kind of order, and how often it comes beside the others."""
