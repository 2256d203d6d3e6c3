"""The broker in memory keeps every promise; the suite finds who does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from typing_extensions import override

from paykit.queue import AnyPublisher, Message, MessageRefused
from paykit.testing.broker import AsyncMemoryPublisher, MemoryBroker, MemoryPublisher
from paykit.testing.conformance import PublisherConformance

_LARGE = 1_000_000


def _too_large(message: Message) -> bool:
    return len(message.payload) > _LARGE


@contextmanager
def _away(broker: MemoryBroker) -> Iterator[None]:
    broker.down = True
    yield
    broker.down = False


class _InMemory(PublisherConformance):
    kind: type[MemoryPublisher] | type[AsyncMemoryPublisher]

    @pytest.fixture
    def broker(self) -> MemoryBroker:
        return MemoryBroker(refuses=_too_large)

    @pytest.fixture
    @override
    def publisher(self, broker: MemoryBroker) -> AnyPublisher:
        return self.kind(broker)

    @pytest.fixture
    @override
    def consumed(self, broker: MemoryBroker) -> Callable[[str], Sequence[Message]]:
        return lambda key: [one for one in broker.messages if one.key == key]

    @pytest.fixture
    @override
    def away(self, broker: MemoryBroker) -> AbstractContextManager[object]:
        return _away(broker)

    @pytest.fixture
    @override
    def unacceptable(self) -> Message:
        return Message(
            id="large",
            type="payment.created",
            key="pay_1",
            payload=b"x" * (_LARGE + 1),
            occurred_at=datetime(2030, 1, 1, tzinfo=UTC),
        )


class TestMemoryPublisher(_InMemory):
    kind = MemoryPublisher


class TestAsyncMemoryPublisher(_InMemory):
    kind = AsyncMemoryPublisher


# -- what the suite is there to find ---------------------------------------------------


class _Forgetful(MemoryPublisher):
    """Returns before the broker has it."""

    @override
    def publish(self, messages: Sequence[Message], /) -> None:
        return


class _Disorderly(MemoryPublisher):
    @override
    def publish(self, messages: Sequence[Message], /) -> None:
        self.broker.take(list(reversed(messages)))


class _Silent(MemoryPublisher):
    """Takes a lost connection for a success."""

    @override
    def publish(self, messages: Sequence[Message], /) -> None:
        if not self.broker.down:
            self.broker.take(messages)


class _Vague(MemoryPublisher):
    """Does not tell what is refused from what failed."""

    @override
    def publish(self, messages: Sequence[Message], /) -> None:
        try:
            self.broker.take(messages)
        except MessageRefused as error:
            raise RuntimeError from error


class _Lossy(MemoryPublisher):
    """Keeps no headers."""

    @override
    def publish(self, messages: Sequence[Message], /) -> None:
        for one in messages:
            fields = {name: getattr(one, name) for name in Message.__slots__}
            self.broker.take([Message(**{**fields, "headers": {}})])


_RULES = PublisherConformance


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (_Forgetful, "test_what_was_published_is_there_when_it_returns"),
        (_Disorderly, "test_messages_of_one_key_keep_their_order"),
        (_Silent, "test_a_broker_that_is_away_is_an_error"),
        (_Vague, "test_what_the_broker_never_takes_is_refused"),
        (_Lossy, "test_a_message_arrives_as_it_was"),
    ],
)
def test_the_suite_finds_who_breaks_a_promise(
    kind: type[MemoryPublisher], rule: str
) -> None:
    broker = MemoryBroker(refuses=_too_large)
    given: dict[str, Any] = {
        "consumed": lambda key: [one for one in broker.messages if one.key == key],
        "away": _away(broker),
        "unacceptable": Message(
            id="large",
            type="payment.created",
            key="pay_1",
            payload=b"x" * (_LARGE + 1),
            occurred_at=datetime(2030, 1, 1, tzinfo=UTC),
        ),
    }
    function = getattr(_RULES, rule)
    names = function.__code__.co_varnames[2 : function.__code__.co_argcount]
    with pytest.raises((AssertionError, pytest.fail.Exception, RuntimeError)):
        function(_RULES(), kind(broker), **{name: given[name] for name in names})
