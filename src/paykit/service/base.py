"""What both services are made of; everything but waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeVar

from paykit.clock import World
from paykit.engine import (
    Engine,
    Environment,
    Handler,
    Handlers,
    Policy,
    PspDirectory,
    SinglePsp,
)
from paykit.engine.gate import Gate
from paykit.operations import EventView
from paykit.psp import AnyPsp
from paykit.queue import AnyPublisher

__all__ = [
    "DEFAULT_MERCHANT",
    "CancelReason",
    "Capture",
    "FutureUsage",
    "RefundReason",
    "Service",
]

DEFAULT_MERCHANT: Final = "default"

H = TypeVar("H", bound=Callable[..., object])

Capture = Literal["automatic", "automatic_async", "manual"]
FutureUsage = Literal["on_session", "off_session"]
CancelReason = Literal["abandoned", "duplicate", "fraudulent", "requested_by_customer"]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]


def _directory(psp: AnyPsp | PspDirectory) -> PspDirectory:
    return SinglePsp(psp) if hasattr(psp, "prepare") else psp  # type: ignore[arg-type]


class Service:
    """The parts that do not wait: the engine, and the registry of handlers."""

    engine: Engine
    handlers: Handlers[EventView, object]

    def __init__(
        self,
        psp: AnyPsp | PspDirectory,
        *,
        policy: Policy | None,
        world: World,
        installation: str,
        publisher: AnyPublisher | None = None,
    ) -> None:
        policy = policy or Policy()
        self.engine = Engine(
            env=Environment(
                psps=_directory(psp),
                world=world,
                policy=policy,
                installation=installation,
                publisher=publisher,
                gate=Gate(policy.breaker),
            )
        )
        self.handlers = Handlers()

    def on(self, event_type: str) -> Callable[[H], H]:
        """
        Register a handler for an event, as a decorator::

            @service.on("payment.succeeded")
            def ship(event: EventView, session: Session) -> None: ...

        A worker calls it. What it writes through `session` commits together with the
        mark that the event is delivered, so it happens once. ``payment.*`` and ``*``
        match more than one type.
        """

        def register(handler: H) -> H:
            typed: Handler[EventView, object] = handler  # type: ignore[assignment]
            self.handlers.add(event_type, typed)
            return handler

        return register
