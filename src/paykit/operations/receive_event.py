"""
Take an event into the inbox: the one way in, for what is pushed and what is listed.

Who calls has proved where the body is from: by its signature, or because it came over
TLS as the answer to our own key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from paykit.engine import PspDirectory
from paykit.errors import UsageError
from paykit.psp import (
    AnyPsp,
    SignatureInvalid,
    WebhookEnvelope,
    binding_of,
    name_binding,
)
from paykit.store import inbox
from paykit.store.inbox import Origin
from paykit.store.tx import Tx

__all__ = ["Incoming", "read_incoming", "receive_event"]

_WORD: Final = re.compile(r"[!-~]{1,255}")
"""What an id or a type may be, and a column can hold: printable ASCII."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event that is authentic, ready to be stored."""

    binding: str
    event_id: str
    event_type: str
    account: str | None
    body: bytes


def read_incoming(psp: AnyPsp, psps: PspDirectory, body: bytes) -> Incoming:
    """Read what the inbox needs; raises `SignatureInvalid` if it is not there."""
    envelope = psp.read_envelope(body)
    words = (envelope.event_id, envelope.event_type, envelope.account or "none")
    if not all(_WORD.fullmatch(word) for word in words):
        raise SignatureInvalid("an id or a type that is none")
    return Incoming(
        binding=_routed(psp, envelope, psps),
        event_id=envelope.event_id,
        event_type=envelope.event_type,
        account=envelope.account,
        body=body,
    )


def _routed(psp: AnyPsp, envelope: WebhookEnvelope, psps: PspDirectory) -> str:
    """
    Return the binding that the event belongs to, if the directory has its adapter.

    A platform hears of all connected accounts at one endpoint, and one URL may serve
    test and live mode. Without an adapter it is kept under the receiver's own binding,
    where the worker ignores it and says so.
    """
    account = envelope.account or psp.account
    livemode = psp.livemode if envelope.livemode is None else envelope.livemode
    own = binding_of(psp)
    theirs = name_binding(psp.provider, account, livemode=livemode)
    if theirs == own:
        return own
    try:
        found = binding_of(psps.for_binding(theirs))
    except (UsageError, LookupError):
        return own
    return theirs if found == theirs else own


def receive_event(event: Incoming, origin: Origin, tx: Tx) -> bool:
    """Store an event, once; False if it is a repetition."""
    return inbox.receive(
        tx,
        binding=event.binding,
        event_id=event.event_id,
        event_type=event.event_type,
        account=event.account,
        body=event.body,
        origin=origin,
    )
