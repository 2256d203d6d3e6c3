"""Refusing what the provider cannot do, before anything is written or sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pydantic import BaseModel

from paykit.errors import NotAvailable
from paykit.operations.capture_payment import CapturePayment
from paykit.operations.create_payment import CreatePayment
from paykit.operations.increment_authorization import IncrementAuthorization
from paykit.operations.update_payment import UpdatePayment
from paykit.psp import AnyPsp, Capabilities

__all__ = ["check_capable"]

_Needs = Callable[[BaseModel], bool]


def _field(command: type[BaseModel], name: str, value: object) -> _Needs:
    return lambda made: isinstance(made, command) and getattr(made, name) == value


def _any(command: type[BaseModel]) -> _Needs:
    return lambda made: isinstance(made, command)


_NEEDS: Final[tuple[tuple[_Needs, str, Callable[[Capabilities], bool]], ...]] = (
    (
        _field(CreatePayment, "capture", "manual"),
        "manual capture",
        lambda can: can.manual_capture,
    ),
    (
        _field(CreatePayment, "multicapture", True),
        "capture in parts",
        lambda can: can.multicapture,
    ),
    (
        _field(CapturePayment, "final", False),
        "capture in parts",
        lambda can: can.multicapture,
    ),
    (
        _field(CreatePayment, "incremental_authorization", True),
        "raising of an authorization",
        lambda can: can.incremental_authorization,
    ),
    (
        _any(IncrementAuthorization),
        "raising of an authorization",
        lambda can: can.incremental_authorization,
    ),
    (
        _any(UpdatePayment),
        "change of a payment",
        lambda can: can.update_payment,
    ),
)


def check_capable(psp: AnyPsp, command: BaseModel) -> None:
    """Raise `NotAvailable` if `command` needs what `psp` says that it cannot do."""
    for needs, what, capable in _NEEDS:
        if needs(command) and not capable(psp.capabilities):
            raise NotAvailable(f"{psp.provider} offers no {what}")
