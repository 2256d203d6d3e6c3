"""Payments from their creation to the issuer's yes or no."""

from __future__ import annotations

import pytest

from paykit.psp import (
    ActionRequired,
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    Conflict,
    Declined,
    PaymentSnapshot,
    PaymentStatus,
    Pending,
    Rejected,
)
from paykit.testing.conformance.answers import payment_in, refused
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["PayingRules"]

_UNPAID = frozenset(
    {PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION}
)


class PayingRules(Base):
    """Creating moves no money, and every end of a confirmation is an answer."""

    def test_create_opens_an_unpaid_payment_and_keeps_what_it_was_given(
        self, client: Client
    ) -> None:
        """Creating and confirming are two steps, so that doubts end in a read."""
        metadata = {"conformance": client.new_name(), "note": "ünïcödé"}
        request = client.creation(method=self.good_method, metadata=metadata)
        created = payment_in(client.ask(request))
        _check_unpaid(created)
        assert created.reference
        assert created.amount == self.amount.minor
        assert created.currency == self.amount.currency
        assert created.metadata == metadata
        shown = client.payment(created.reference)
        assert shown.metadata == metadata
        _check_unpaid(shown)

    def test_a_good_card_pays_the_whole_amount(self, client: Client) -> None:
        """With the method that the payment was created with."""
        payment = client.opened(method=self.good_method)
        self._check_paid(payment_in(client.ask(ConfirmPayment(payment=payment))))
        self._check_paid(client.payment(payment))

    def test_a_good_card_may_come_with_the_confirmation(self, client: Client) -> None:
        """The payer often chooses after the payment was created."""
        payment = client.opened()
        request = ConfirmPayment(payment=payment, payment_method=self.good_method)
        self._check_paid(payment_in(client.ask(request)))

    def test_a_payment_is_read_with_its_charge(self, client: Client) -> None:
        """Effects are unique per fact, and a fact is named after the charge."""
        payment = client.paid()
        charge = client.charge(payment)
        assert charge.reference == client.payment(payment).charge_reference
        assert charge.payment == payment
        assert (charge.status, charge.currency) == ("succeeded", self.amount.currency)
        assert (charge.captured, charge.refunded) == (self.amount.minor, 0)

    def test_a_decline_is_an_answer_with_a_code(self, client: Client) -> None:
        """It is a result that the payer is shown, never an exception of ours."""
        answer = client.ask(self._confirmation_to_decline(client.opened()))
        assert isinstance(answer, Declined), f"not a decline: {answer}"
        assert answer.decline.code
        if answer.snapshot is not None:
            assert answer.snapshot.status is not PaymentStatus.SUCCEEDED

    def test_a_declined_payment_can_be_tried_again(self, client: Client) -> None:
        """A decline ends the attempt, not the payment."""
        payment = client.opened()
        client.ask(self._confirmation_to_decline(payment))
        _check_unpaid(client.payment(payment))
        retry = ConfirmPayment(payment=payment, payment_method=self.good_method)
        self._check_paid(payment_in(client.ask(retry)))

    def test_a_challenge_is_action_required_with_a_next_action(
        self, client: Client
    ) -> None:
        """The payer is shown what to do, and nothing has been paid yet."""
        if self.challenged_method is None:
            pytest.skip("no `challenged_method` was given")
        payment = client.opened()
        request = ConfirmPayment(
            payment=payment,
            payment_method=self.challenged_method,
            return_url=self.return_url,
        )
        answer = client.ask(request)
        assert isinstance(answer, ActionRequired), f"no action required: {answer}"
        action = answer.snapshot.next_action
        assert action is not None, "nobody knows what the payer must do"
        assert action.kind
        assert action.kind != "redirect" or action.url, "a redirect to nowhere"
        assert answer.snapshot.captured == 0
        assert client.payment(payment).status is PaymentStatus.REQUIRES_ACTION

    def test_what_the_bank_settles_later_is_pending(self, client: Client) -> None:
        """It is not sent again, and nothing is shipped for it yet."""
        if self.slow_method is None:
            pytest.skip("no `slow_method` was given")
        payment = client.opened()
        request = ConfirmPayment(
            payment=payment,
            payment_method=self.slow_method,
            return_url=self.return_url,
        )
        answer = client.ask(request)
        assert isinstance(answer, Pending), f"not pending: {answer}"
        shown = client.payment(payment)
        assert (shown.status, shown.captured) == (PaymentStatus.PROCESSING, 0)

    def test_an_unpaid_payment_can_be_canceled(self, client: Client) -> None:
        """And then nobody can pay it any more."""
        payment = client.opened()
        canceled = payment_in(client.ask(CancelPayment(payment=payment)))
        assert canceled.status is PaymentStatus.CANCELED
        late = ConfirmPayment(payment=payment, payment_method=self.good_method)
        answer = client.ask(late)
        assert isinstance(answer, Conflict), f"not a conflict: {answer}"
        assert client.payment(payment).captured == 0

    def test_canceling_what_is_paid_is_a_conflict(self, client: Client) -> None:
        """The money stays taken; only a refund gives it back."""
        payment = client.paid()
        answer = client.ask(CancelPayment(payment=payment))
        assert isinstance(answer, Conflict), f"not a conflict: {answer}"
        self._check_paid(client.payment(payment))

    def test_writing_to_an_unknown_payment_is_rejected(self, client: Client) -> None:
        """It is definite: nothing was done, and nothing will be."""
        payment = self.unknown_payment
        answers = [
            client.ask(
                ConfirmPayment(payment=payment, payment_method=self.good_method)
            ),
            client.ask(CapturePayment(payment=payment, amount=self.part)),
            client.ask(CancelPayment(payment=payment)),
        ]
        assert [type(answer) for answer in answers] == [Rejected] * 3
        refused(client.ask(client.refunding(payment, self.part)))

    def _confirmation_to_decline(self, payment: str) -> ConfirmPayment:
        if self.declined_method is None:
            pytest.skip("no `declined_method` was given")
        return ConfirmPayment(payment=payment, payment_method=self.declined_method)

    def _check_paid(self, snapshot: PaymentSnapshot) -> None:
        assert snapshot.status is PaymentStatus.SUCCEEDED
        assert snapshot.captured == self.amount.minor
        assert snapshot.capturable == 0


def _check_unpaid(snapshot: PaymentSnapshot) -> None:
    assert snapshot.status in _UNPAID
    assert (snapshot.captured, snapshot.capturable) == (0, 0)
