"""Idempotency keys: the one guard against doing a thing twice (DESIGN law 4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from paykit.psp import (
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    Declined,
    FindPayment,
    InFlight,
    PaymentStatus,
    Pending,
    Rejected,
    Request,
    Succeeded,
)
from paykit.testing.conformance.answers import (
    nothing_in,
    payment_in,
    refund_in,
    require,
    told,
)
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["KeyRules"]


class KeyRules(Base):
    """The same key acts once and is told the same; with other parameters, never."""

    def test_keys_are_remembered_for_long_enough(self, client: Client) -> None:
        """paykit stops writing an hour before; less leaves no time to find out."""
        assert client.psp.capabilities.key_retention > timedelta(hours=1)

    def test_same_key_creates_once_and_is_told_the_same(self, client: Client) -> None:
        """The search would find the second payment, if there were one."""
        metadata = {"conformance": client.new_name()}
        since = client.world.now()
        call = client.prepare(client.creation(metadata=metadata))
        first, second = client.send(call), client.send(call)
        assert told(second) == told(first)
        found = client.ask(FindPayment(metadata=metadata, since=since))
        assert payment_in(found).reference == payment_in(first).reference

    def test_same_key_charges_once_and_is_told_the_same(self, client: Client) -> None:
        """A payment that is paid twice shows another charge."""
        payment = client.opened(method=self.good_method)
        call = client.prepare(ConfirmPayment(payment=payment))
        first = client.send(call)
        charge = client.charge(payment)
        assert told(client.send(call)) == told(first)
        assert client.charge(payment) == charge
        assert client.payment(payment).captured == self.amount.minor

    def test_same_key_is_declined_once_and_is_told_the_same(
        self, client: Client
    ) -> None:
        """Issuers count attempts: a repetition must not be another one."""
        if self.declined_method is None:
            pytest.skip("no `declined_method` was given")
        payment = client.opened(method=self.declined_method)
        call = client.prepare(ConfirmPayment(payment=payment))
        first, second = client.send(call), client.send(call)
        assert isinstance(first, Declined), f"not a decline: {first}"
        assert told(second) == told(first)

    def test_same_key_captures_once_and_is_told_the_same(self, client: Client) -> None:
        """The repetition is no conflict: it is the capture's own answer."""
        capabilities = client.psp.capabilities
        require(capabilities.manual_capture, "manual capture", capabilities)
        payment = client.held()
        call = client.prepare(CapturePayment(payment=payment, amount=self.amount))
        first, second = client.send(call), client.send(call)
        assert payment_in(first).status is PaymentStatus.SUCCEEDED
        assert told(second) == told(first)
        assert client.payment(payment).captured == self.amount.minor

    def test_same_key_cancels_once_and_is_told_the_same(self, client: Client) -> None:
        """The repetition is no conflict: it is the cancelation's own answer."""
        call = client.prepare(CancelPayment(payment=client.opened()))
        first, second = client.send(call), client.send(call)
        assert payment_in(first).status is PaymentStatus.CANCELED
        assert told(second) == told(first)

    def test_same_key_refunds_once_and_is_told_the_same(self, client: Client) -> None:
        """What the charge has refunded says how often it acted."""
        capabilities = client.psp.capabilities
        require(capabilities.partial_refund, "partial refund", capabilities)
        payment = client.paid()
        call = client.prepare(client.refunding(payment, self.part))
        first, second = client.send(call), client.send(call)
        assert refund_in(first)
        assert told(second) == told(first)
        assert client.charge(payment).refunded == self.part.minor

    def test_same_key_sent_twice_at_once_acts_once(self, client: Client) -> None:
        """A worker may believe that the caller is gone, who is only slow."""
        capabilities = client.psp.capabilities
        require(capabilities.partial_refund, "partial refund", capabilities)
        payment = client.paid()
        call = client.prepare(client.refunding(payment, self.part))
        answers = client.send_twice_at_once(call)
        told_something = (Succeeded, Pending, InFlight)
        assert all(isinstance(one, told_something) for one in answers), answers
        assert refund_in(client.send(call))
        assert client.charge(payment).refunded == self.part.minor

    def test_the_same_key_with_another_amount_never_acts(self, client: Client) -> None:
        """It is refused by the name that paykit knows: ``idempotency_error``."""
        key, other = client.new_name(), {"conformance": client.new_name()}
        since = client.world.now()
        first = payment_in(client.ask(client.creation(), key))
        self._check_reused(client, client.creation(metadata=other), key)
        nothing_in(client.ask(FindPayment(metadata=other, since=since)))
        assert client.payment(first.reference) == first

    def test_the_same_key_for_another_payment_never_acts(self, client: Client) -> None:
        """The second payment stays as it was."""
        key = client.new_name()
        first, second = client.opened(), client.opened()
        method = self.good_method
        paid = ConfirmPayment(payment=first, payment_method=method)
        payment_in(client.ask(paid, key))
        other = ConfirmPayment(payment=second, payment_method=method)
        self._check_reused(client, other, key)
        assert client.payment(second).captured == 0

    def test_the_same_key_for_another_refund_never_acts(self, client: Client) -> None:
        """One refund, of the amount that was asked for first."""
        capabilities = client.psp.capabilities
        require(capabilities.partial_refund, "partial refund", capabilities)
        key, payment = client.new_name(), client.paid()
        refund_in(client.ask(client.refunding(payment, self.part), key))
        self._check_reused(client, client.refunding(payment, self.part), key)
        assert client.charge(payment).refunded == self.part.minor

    def _check_reused(self, client: Client, request: Request, key: str) -> None:
        answer = client.ask(request, key)
        assert isinstance(answer, Rejected), f"a key was used twice: {answer}"
        assert answer.code == "idempotency_error"
