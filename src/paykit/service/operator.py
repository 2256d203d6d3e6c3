"""What a person does who looks after the payments: `PaymentService.operator`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from paykit.engine import Engine, Flow

__all__ = ["AsyncOperator", "Operator"]

T = TypeVar("T")


class _Run(Protocol):
    def __call__(self, flow: Flow[T], /) -> T: ...


class _AsyncRun(Protocol):
    def __call__(self, flow: Flow[T], /) -> Awaitable[T]: ...


class Operator:
    """Cases, dead letters and parked deliveries, with blocking calls."""

    def __init__(self, run: _Run, engine: Engine) -> None:
        self._run = run
        self._engine = engine


class AsyncOperator:
    """`Operator` for asyncio."""

    def __init__(self, run: _AsyncRun, engine: Engine) -> None:
        self._run = run
        self._engine = engine
