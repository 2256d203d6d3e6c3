"""What becomes of an event of the PSP, and what is passed around for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from paykit.psp import (
    PspEvent,
    ReadCharge,
    ReadDispute,
    ReadInvoice,
    ReadPayment,
    ReadPayout,
    ReadRefund,
    ReadSubscription,
    Subject,
)
from paykit.store.tx import Tx

__all__ = [
    "FOREIGN",
    "Follow",
    "Heard",
    "Needs",
    "Read",
    "ReadOne",
    "Reads",
    "Verdict",
]

ReadOne: TypeAlias = (
    ReadPayment
    | ReadCharge
    | ReadRefund
    | ReadDispute
    | ReadPayout
    | ReadSubscription
    | ReadInvoice
)
"""A read of one object, which an event may make necessary."""

FOREIGN: Final = "foreign: no payment of ours"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an event; ``deferred`` is to be looked at again later."""

    status: Literal["applied", "ignored", "deferred"]
    reason: str | None = None
    payment_id: str | None = None
    reference: str | None = None
    """The PSP's payment or subscription that it is about, if that is none of ours."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The payload does not prove it: read this, while its row is at `version`."""

    request: ReadOne
    version: int | None
    """None while there is no row, or nobody can tell which payment it is."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a read showed, and the version of the row that it belongs to."""

    subject: Subject
    version: int | None


Reads: TypeAlias = Mapping[ReadOne, Read]
"""What was read for this event so far."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, and all that is known for taking it in."""

    binding: str
    event: PspEvent
    reads: Reads
    owner: str
    """The merchant for whom that is booked which is about the account as a whole."""
    cause: str
    """What stands in the history as the reason."""
    serves: Callable[[str], bool]
    """Whether a merchant uses the account; its metadata may name anybody."""


Follow: TypeAlias = Callable[[Tx, Heard, Subject], Verdict | Needs]
"""Takes in an object that has a row of its own, beside those of payments."""
