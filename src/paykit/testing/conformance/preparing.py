"""`prepare`: what is stored before anything is sent (DESIGN laws 2 and 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from paykit.errors import UsageError
from paykit.psp import (
    AsyncPsp,
    Call,
    CancelPayment,
    Capabilities,
    CapturePayment,
    ConfirmPayment,
    CreatePayment,
    CreateRefund,
    FindPayment,
    FindRefund,
    IncrementAuthorization,
    ListBalanceTransactions,
    Psp,
    ReadPayment,
    ReadRefund,
    ReadRequest,
    Request,
    SearchPayments,
    UpdatePayment,
    WriteRequest,
    binding_of,
)
from paykit.testing.conformance.answers import nothing_in, payment_in
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["PreparingRules"]

_METADATA = {"b": "2", "a": "ünïcödé"}
_SINCE = datetime(2030, 1, 1, 12, 30, 15, 250, tzinfo=UTC)


class PreparingRules(Base):
    """Pure, complete, and never without a key."""

    def test_the_adapter_has_a_name_for_the_binding(self, psp: Psp | AsyncPsp) -> None:
        """Ids of two accounts are told apart by it; it must not change."""
        assert psp.provider, "the provider needs a name"
        assert psp.account, "the account needs a name"
        assert "/" not in binding_of(psp), "the slash ends the binding in fact keys"
        assert binding_of(psp) == binding_of(psp)

    def test_prepare_is_pure_and_equal_input_gives_equal_bytes(
        self, client: Client
    ) -> None:
        """A lost row is rebuilt from the command, and must be the same request."""
        writes = (*self._writes(), *self._offered(client.psp.capabilities))
        first = [client.psp.prepare(one, "key") for one in writes]
        first += [client.psp.prepare(one, None) for one in self._reads()]
        again = [client.psp.prepare(one, "key") for one in writes]
        again += [client.psp.prepare(one, None) for one in self._reads()]
        assert again == first

    def test_another_process_prepares_the_same_bytes(
        self, client: Client, restarted_psp: Psp | AsyncPsp
    ) -> None:
        """It may be the one that rebuilds a lost row, under the same key."""
        for one in (*self._writes(), *self._offered(client.psp.capabilities)):
            again = restarted_psp.prepare(one, "key")
            assert again == client.psp.prepare(one, "key")

    def test_prepare_does_not_depend_on_the_order_of_metadata(
        self, client: Client
    ) -> None:
        """Equal dictionaries may list their items in another order."""
        turned = dict(reversed(_METADATA.items()))
        for one, other in zip(
            self._marked(_METADATA), self._marked(turned), strict=True
        ):
            assert one == other
            key = "key" if isinstance(one, CreatePayment | CreateRefund) else None
            assert client.psp.prepare(one, key) == client.psp.prepare(other, key)

    def test_prepare_leaves_its_request_alone(self, client: Client) -> None:
        """The request is fingerprinted and sent again."""
        requests = (*self._writes(), *self._reads())
        before = deepcopy(requests)
        for request in requests:
            client.prepare(request)
        assert requests == before

    def test_every_write_demands_a_key(self, client: Client) -> None:
        """Without one, sending twice would charge twice."""
        offered = self._offered(client.psp.capabilities)
        for request in (*self._writes(), *offered):
            for missing in (None, ""):
                with pytest.raises((UsageError, ValueError)):
                    client.psp.prepare(request, missing)

    def test_a_stored_write_without_its_key_is_not_sent(self, client: Client) -> None:
        """A damaged row is found before it costs anything, not after."""
        metadata = {"conformance": client.new_name()}
        call = client.prepare(client.creation(metadata=metadata))
        since = client.world.now()
        with pytest.raises((UsageError, ValueError)):
            client.send(replace(call, idempotency_key=None))
        nothing_in(client.ask(FindPayment(metadata=metadata, since=since)))

    def test_writes_carry_their_key_and_reads_carry_none(self, client: Client) -> None:
        """The record shows which calls may have an effect."""
        offered = self._offered(client.psp.capabilities)
        for write in (*self._writes(), *offered):
            assert client.psp.prepare(write, "the-key").idempotency_key == "the-key"
        for read in self._reads():
            assert client.psp.prepare(read, None).idempotency_key is None

    def test_a_call_names_its_verb(self, client: Client) -> None:
        """Faults, limits and the record go by it."""
        offered = self._offered(client.psp.capabilities)
        for request in (*self._writes(), *offered, *self._reads()):
            assert client.prepare(request).verb == request.verb

    def test_a_stored_call_sent_from_its_text_alone_is_the_same_request(
        self, client: Client, restarted_psp: Psp | AsyncPsp
    ) -> None:
        """What was stored is sent by another process, perhaps after a deploy."""
        call = client.prepare(client.creation())
        created = payment_in(client.send(call))
        stored = _through_a_database(call)
        again = payment_in(client.send(stored, restarted_psp))
        assert again == created
        read = client.prepare(ReadPayment(payment=created.reference))
        seen = payment_in(client.send(_through_a_database(read), restarted_psp))
        assert seen.reference == created.reference

    def test_a_stored_call_can_be_sent_first_from_its_text(
        self, client: Client, restarted_psp: Psp | AsyncPsp
    ) -> None:
        """The process that prepared it may have died before it sent anything."""
        metadata = {"conformance": client.new_name()}
        call = client.prepare(client.creation(metadata=metadata))
        created = payment_in(client.send(_through_a_database(call), restarted_psp))
        assert created.metadata == metadata

    def _writes(self) -> tuple[WriteRequest, ...]:
        payment, part = self.unknown_payment, self.part
        method, url = self.good_method, self.return_url
        return (
            *(one for one in self._marked(_METADATA) if isinstance(one, CreatePayment)),
            *(one for one in self._marked(_METADATA) if isinstance(one, CreateRefund)),
            ConfirmPayment(payment=payment, payment_method=method, return_url=url),
            ConfirmPayment(payment=payment),
            CapturePayment(payment=payment, amount=part, metadata=_METADATA),
            CancelPayment(payment=payment, reason="duplicate"),
            CancelPayment(payment=payment, reason="a reason of the host's own"),
        )

    def _offered(self, capabilities: Capabilities) -> tuple[WriteRequest, ...]:
        """Return the writes that not every provider can do."""
        payment, amount = self.unknown_payment, self.amount
        can = capabilities
        change = UpdatePayment(payment=payment, amount=amount, metadata=_METADATA)
        part = CapturePayment(payment=payment, amount=self.part, final=False)
        more = IncrementAuthorization(payment=payment, amount=amount)
        offers: tuple[tuple[bool, WriteRequest], ...] = (
            (can.update_payment, change),
            (can.multicapture, part),
            (can.incremental_authorization, more),
        )
        return tuple(request for offered, request in offers if offered)

    def _reads(self) -> tuple[ReadRequest, ...]:
        payment, refund = self.unknown_payment, self.unknown_refund
        return (
            ReadPayment(payment=payment),
            ReadRefund(refund=refund),
            FindPayment(metadata=_METADATA, since=_SINCE),
            FindRefund(payment=payment, metadata=_METADATA),
            SearchPayments(metadata=_METADATA),
            ListBalanceTransactions(source=refund),
        )

    def _marked(self, metadata: Mapping[str, str]) -> tuple[Request, ...]:
        """Return the requests that carry metadata."""
        payment, own = self.unknown_payment, dict(metadata)
        return (
            CreatePayment(amount=self.amount, capture="automatic", metadata=own),
            CreatePayment(
                amount=self.part,
                capture="manual",
                metadata=own,
                payment_method=self.good_method,
                description="Order 7: tea",
                receipt_email="payer@example.com",
            ),
            CreateRefund(
                payment=payment, amount=self.part, reason="duplicate", metadata=own
            ),
            FindPayment(metadata=own, since=_SINCE),
            FindRefund(payment=payment, metadata=own),
            SearchPayments(metadata=own),
        )


def _through_a_database(call: Call) -> Call:
    """Return `call` as it is read back from a row."""
    return Call(**json.loads(json.dumps(asdict(call))))
