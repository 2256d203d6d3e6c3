"""What any publisher must keep to, so that no event is lost between us and a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest

from paykit.clock import SYSTEM
from paykit.queue import AnyPublisher, AsyncPublisher, Message, MessageRefused, awaits

__all__ = ["PublisherConformance"]

_PAYLOAD = '{"text":"10 €","nested":{"list":[1,2]}}'.encode()


def _message(key: str, number: int = 1) -> Message:
    id_ = str(SYSTEM.new_uuid())
    headers = {"id": id_, "type": "payment.created", "content-type": "application/json"}
    return Message(
        id=id_,
        type="payment.created",
        key=key,
        payload=_PAYLOAD,
        headers=headers,
        occurred_at=datetime(2030, 1, 1, 12, 0, number, tzinfo=UTC),
    )


async def _await(publisher: AsyncPublisher, messages: Sequence[Message]) -> None:
    await publisher.publish(messages)


class PublisherConformance:
    """
    Every promise of `paykit.queue.Publisher` and `AsyncPublisher`, as tests.

    A subclass, named so that pytest collects it, gives the fixtures ``publisher`` and
    ``consumed``; ``away`` and ``unacceptable`` if it can: without them those tests are
    skipped. Each test makes messages with new ids and keys, so that the broker need not
    be empty.
    """

    @pytest.fixture
    def publisher(self) -> AnyPublisher:
        """Return the publisher; either kind."""
        raise NotImplementedError

    @pytest.fixture
    def consumed(self) -> Callable[[str], Sequence[Message]]:
        """Return a function: the messages of a key that consumers get, in their order.

        It need not wait for what may still come: what was published is there. Of a
        message `id`, `key`, `type`, `payload` and `headers` are compared.
        """
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> AbstractContextManager[object]:
        """Return a context in which the broker cannot be reached."""
        pytest.skip("no fixture `away`")

    @pytest.fixture
    def unacceptable(self) -> Message:
        """Return a message that the broker never takes: too large, for example."""
        pytest.skip("no fixture `unacceptable`")

    @staticmethod
    def publish(publisher: AnyPublisher, messages: Sequence[Message]) -> None:
        """Publish with a publisher of either kind."""
        if awaits(publisher):
            asyncio.run(_await(publisher, messages))
        else:
            publisher.publish(messages)

    def test_what_was_published_is_there_when_it_returns(
        self, publisher: AnyPublisher, consumed: Callable[[str], Sequence[Message]]
    ) -> None:
        """Whoever returns earlier loses the events that are still on their way."""
        message = _message(key := f"pay_{SYSTEM.new_uuid()}")
        self.publish(publisher, [message])
        assert [found.id for found in consumed(key)] == [message.id]

    def test_a_message_arrives_as_it_was(
        self, publisher: AnyPublisher, consumed: Callable[[str], Sequence[Message]]
    ) -> None:
        """Payload byte by byte, and the headers that consumers route by."""
        message = _message(key := f"pay_{SYSTEM.new_uuid()}")
        self.publish(publisher, [message])
        (found,) = consumed(key)
        assert (found.key, found.type) == (key, message.type)
        assert found.payload == message.payload
        assert dict(found.headers) | dict(message.headers) == dict(found.headers)

    def test_messages_of_one_key_keep_their_order(
        self, publisher: AnyPublisher, consumed: Callable[[str], Sequence[Message]]
    ) -> None:
        """Within a call and from one call to the next."""
        key, other = f"pay_{SYSTEM.new_uuid()}", f"pay_{SYSTEM.new_uuid()}"
        messages = [_message(key, number) for number in range(30)]
        mixed = [both for one in messages[:20] for both in (one, _message(other))]
        self.publish(publisher, mixed)
        self.publish(publisher, messages[20:])
        assert [found.id for found in consumed(key)] == [one.id for one in messages]

    def test_a_message_that_comes_again_is_taken_again_or_dropped(
        self, publisher: AnyPublisher, consumed: Callable[[str], Sequence[Message]]
    ) -> None:
        """Delivery is at least once: a repetition is no error."""
        message = _message(key := f"pay_{SYSTEM.new_uuid()}")
        self.publish(publisher, [message])
        self.publish(publisher, [message])
        assert {found.id for found in consumed(key)} == {message.id}

    def test_nothing_to_publish_is_no_error(self, publisher: AnyPublisher) -> None:
        """An empty sequence is taken."""
        self.publish(publisher, [])

    def test_a_broker_that_is_away_is_an_error(
        self,
        publisher: AnyPublisher,
        away: AbstractContextManager[object],
        consumed: Callable[[str], Sequence[Message]],
    ) -> None:
        """And no `MessageRefused`; afterwards the same message can be published."""
        message = _message(key := f"pay_{SYSTEM.new_uuid()}")
        with away, pytest.raises(Exception) as raised:  # noqa: PT011 - any will do
            self.publish(publisher, [message])
        assert not isinstance(raised.value, MessageRefused)
        self.publish(publisher, [message])
        assert {found.id for found in consumed(key)} == {message.id}

    def test_what_the_broker_never_takes_is_refused(
        self, publisher: AnyPublisher, unacceptable: Message
    ) -> None:
        """So that it is parked, and does not look like a broker that is away."""
        with pytest.raises(MessageRefused):
            self.publish(publisher, [unacceptable])
