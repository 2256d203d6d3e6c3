"""When the network fails: not sent, or nobody knows (DESIGN law 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from paykit.psp import (
    Answer,
    CapturePayment,
    ConfirmPayment,
    FindPayment,
    Misconfigured,
    NotExecuted,
    NotSent,
    PaymentStatus,
    ReadPayment,
    Request,
    Unknown,
)
from paykit.testing.conformance.answers import payment_in, refund_in, require
from paykit.testing.conformance.base import Base, Failure
from paykit.testing.conformance.client import Client

__all__ = ["TroubleRules"]

_MEANS: Final[Mapping[Failure, type[Answer]]] = {
    "server_error": Unknown,
    "rate_limit": NotExecuted,
    "unauthorized": Misconfigured,
}
"""None of them is the provider's no: the same call may still be executed."""


class TroubleRules(Base):
    """A lost answer is unknown until the same key tells; it is never a failure."""

    def test_a_lost_answer_to_a_create_is_unknown_and_the_key_shows_one_payment(
        self, client: Client, lose_answer: Callable[[str], None]
    ) -> None:
        """The search finds what was made, and the key makes no second one."""
        metadata = {"conformance": client.new_name()}
        since = client.world.now()
        request = client.creation(metadata=metadata)
        created = payment_in(_ask_twice(client, request, lose_answer))
        found = client.ask(FindPayment(metadata=metadata, since=since))
        assert payment_in(found).reference == created.reference

    def test_a_lost_answer_to_a_charge_is_unknown_and_the_key_shows_one_charge(
        self, client: Client, lose_answer: Callable[[str], None]
    ) -> None:
        """A timeout is no decline: the payer may have paid."""
        payment = client.opened(method=self.good_method)
        request = ConfirmPayment(payment=payment)
        settled = payment_in(_ask_twice(client, request, lose_answer))
        assert settled.status is PaymentStatus.SUCCEEDED
        assert settled.charge_reference == client.charge(payment).reference
        assert client.payment(payment).captured == self.amount.minor

    def test_a_lost_answer_to_a_capture_is_unknown_and_the_key_shows_one_capture(
        self, client: Client, lose_answer: Callable[[str], None]
    ) -> None:
        """The repetition is told of the first capture, not of a conflict."""
        capabilities = client.psp.capabilities
        require(capabilities.manual_capture, "manual capture", capabilities)
        payment = client.held()
        request = CapturePayment(payment=payment, amount=self.amount)
        settled = payment_in(_ask_twice(client, request, lose_answer))
        assert settled.captured == self.amount.minor
        assert client.payment(payment).captured == self.amount.minor

    def test_a_lost_answer_to_a_refund_is_unknown_and_the_key_shows_one_refund(
        self, client: Client, lose_answer: Callable[[str], None]
    ) -> None:
        """The payer gets the money back once."""
        capabilities = client.psp.capabilities
        require(capabilities.partial_refund, "partial refund", capabilities)
        payment = client.paid()
        request = client.refunding(payment, self.part)
        refund_in(_ask_twice(client, request, lose_answer))
        assert client.charge(payment).refunded == self.part.minor

    def test_a_lost_answer_to_a_read_is_unknown_too(
        self, client: Client, lose_answer: Callable[[str], None]
    ) -> None:
        """It must not be taken for "there is no such payment"."""
        request = ReadPayment(payment=client.opened())
        lose_answer(request.verb)
        answer = client.ask(request)
        assert isinstance(answer, Unknown), f"not unknown: {answer}"

    def test_a_refused_connection_is_not_sent(
        self, client: Client, refuse_connections: Callable[[], None]
    ) -> None:
        """Nothing left the machine, so nothing has to be found out."""
        call = client.prepare(client.creation())
        refuse_connections()
        answer = client.send(call)
        assert isinstance(answer, NotSent), f"not `NotSent`: {answer}"

    def test_a_read_over_a_refused_connection_is_not_sent(
        self, client: Client, refuse_connections: Callable[[], None]
    ) -> None:
        """Not even a search may say that there is nothing."""
        request = FindPayment(metadata={"a": "b"}, since=client.world.now())
        refuse_connections()
        answer = client.ask(request)
        assert isinstance(answer, NotSent), f"not `NotSent`: {answer}"

    @pytest.mark.parametrize("failure", _MEANS)
    def test_a_failure_of_the_provider_is_no_refusal(
        self,
        client: Client,
        answer_with: Callable[[Failure, str], None],
        failure: Failure,
    ) -> None:
        """The operation goes on: the very same call pays, once."""
        request = ConfirmPayment(payment=client.opened(method=self.good_method))
        call = client.prepare(request)
        answer_with(failure, request.verb)
        answer = client.send(call)
        assert isinstance(answer, _MEANS[failure]), f"{failure} is not {answer}"
        assert payment_in(client.send(call)).captured == self.amount.minor

    @pytest.mark.parametrize("failure", _MEANS)
    def test_a_search_that_failed_has_found_nothing_out(
        self,
        client: Client,
        answer_with: Callable[[Failure, str], None],
        failure: Failure,
    ) -> None:
        """That nothing was found would be taken for evidence."""
        request = FindPayment(metadata={"a": "b"}, since=client.world.now())
        answer_with(failure, request.verb)
        answer = client.ask(request)
        assert isinstance(answer, _MEANS[failure]), f"{failure} is not {answer}"


def _ask_twice(
    client: Client, request: Request, lose_answer: Callable[[str], None]
) -> Answer:
    """Ask, lose the answer, and return what the very same call says then."""
    call = client.prepare(request)
    lose_answer(request.verb)
    lost = client.send(call)
    assert isinstance(lost, Unknown), f"not unknown: {lost}"
    return client.send(call)
