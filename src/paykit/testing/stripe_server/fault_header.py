"""``Paykit-Fault: delay; seconds=2``: what goes wrong with this one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from paykit.testing.simulated import Fault
from paykit.testing.simulated.faults import Planned

__all__ = ["FAULT_HEADER", "read_fault"]

FAULT_HEADER: Final = "paykit-fault"

_FLAGS: Final = {"true": True, "false": False}


def read_fault(headers: Mapping[str, str]) -> Planned | None:
    """
    Return the fault that the request asks for itself, None if it asks for none.

    Its parameters are ``seconds`` of a delay and ``should_retry`` of an error. Raises
    `ValueError` for what is not known.
    """
    text = headers.get(FAULT_HEADER)
    if text is None:
        return None
    name, *parameters = (part.strip() for part in text.split(";"))
    planned = Planned(fault=Fault(name))
    for parameter in parameters:
        word, _, value = parameter.partition("=")
        if word not in _READERS:
            raise ValueError(f"{word!r} is not a parameter of a fault")
        _READERS[word](planned, value)
    return planned


def _seconds(planned: Planned, value: str) -> None:
    planned.seconds = float(value)


def _should_retry(planned: Planned, value: str) -> None:
    if value not in _FLAGS:
        raise ValueError("should_retry is true or false")
    planned.should_retry = _FLAGS[value]


_READERS: Final[Mapping[str, Callable[[Planned, str], None]]] = {
    "seconds": _seconds,
    "should_retry": _should_retry,
}
