"""The provider's own record of events, from which paykit catches up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import pytest

from paykit.psp import (
    EndpointList,
    EventPage,
    ListedEvent,
    ListEvents,
    ListWebhookEndpoints,
    PaymentSnapshot,
    PspEvent,
    Succeeded,
)
from paykit.testing.conformance.answers import require
from paykit.testing.conformance.base import Base
from paykit.testing.conformance.client import Client

__all__ = ["ListingRules"]

_A_WHILE: Final = timedelta(minutes=1)
_TRIES: Final = 20
"""How often the list is asked for what was done a moment ago."""


class ListingRules(Base):
    """Events are listed whole, and read as webhooks are read."""

    def test_what_was_done_is_on_the_list_of_events(self, client: Client) -> None:
        """Without any webhook, the list tells that the payment was paid."""
        since = client.world.now() - _A_WHILE
        payment = client.paid()
        told = (_about(client, payment, since) for _ in range(_TRIES))
        events = next((found for found in told if found), [])
        assert events, "the list does not tell of the payment"
        assert all(event.subject is not None for event in events)

    def test_a_listed_event_has_what_the_inbox_needs(self, client: Client) -> None:
        """The same event has one id, however often it is listed."""
        since = client.world.now() - _A_WHILE
        client.paid()
        first, again = (
            {_id(client, one) for one in _listed(client, since)} for _ in range(2)
        )
        assert first <= again

    def test_the_list_of_events_goes_on_after_its_first_page(
        self, client: Client
    ) -> None:
        """What is left out is not caught up with, and nobody would know."""
        if self.page_size is None:
            pytest.skip("no `page_size` was given")
        _require(client)
        since = client.world.now() - _A_WHILE
        payment = client.opened()
        for _ in range(self.page_size):
            client.opened()
        tries = (_about(client, payment, since) for _ in range(_TRIES))
        assert any(tries), "the list ends before the first event"

    def test_events_from_before_are_left_out(self, client: Client) -> None:
        """Otherwise each look would read everything there ever was."""
        client.paid()
        tomorrow = client.world.now() + timedelta(days=1)
        assert list(_listed(client, tomorrow)) == []

    def test_webhook_endpoints_are_listed(self, client: Client) -> None:
        """Whether there are any is the test account's business."""
        _require(client)
        answer = client.ask(ListWebhookEndpoints())
        assert isinstance(answer, Succeeded), f"not a success: {answer}"
        assert isinstance(answer.snapshot, EndpointList), f"no list: {answer}"


def _require(client: Client) -> None:
    capabilities = client.psp.capabilities
    require(capabilities.event_list, "list of events", capabilities)


def _listed(client: Client, since: datetime) -> Iterator[ListedEvent]:
    """Return all events since then, page by page."""
    _require(client)
    position: str | None = None
    while True:
        answer = client.ask(ListEvents(since=since, position=position))
        assert isinstance(answer, Succeeded), f"not a success: {answer}"
        assert isinstance(answer.snapshot, EventPage), f"no page: {answer}"
        yield from answer.snapshot.events
        position = answer.snapshot.next
        if position is None:
            return


def _about(client: Client, payment: str, since: datetime) -> list[PspEvent]:
    events = (client.psp.read_event(one.body) for one in _listed(client, since))
    return [event for event in events if _names(event, payment)]


def _names(event: PspEvent, payment: str) -> bool:
    subject = event.subject
    # In another version of the API the object is only named.
    shown = isinstance(subject, PaymentSnapshot) or not event.current
    return shown and getattr(subject, "reference", None) == payment


def _id(client: Client, event: ListedEvent) -> str:
    return client.psp.read_envelope(event.body).event_id
