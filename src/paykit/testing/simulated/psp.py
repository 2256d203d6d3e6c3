"""The simulated provider behind paykit's protocols: `Psp` and `AsyncPsp`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias

from paykit.errors import UsageError
from paykit.psp import (
    Answer,
    Call,
    Capabilities,
    PspEvent,
    Request,
    RequestLimits,
    Snapshot,
    Succeeded,
    WebhookEnvelope,
)
from paykit.testing.simulated import events, read, read_billing, read_lists
from paykit.testing.simulated.asking import ask
from paykit.testing.simulated.endpoints import WRITES
from paykit.testing.simulated.exchange import ApiRequest, Reply
from paykit.testing.simulated.hearing import hear
from paykit.testing.simulated.limits import Limits
from paykit.testing.simulated.objects import DEFAULT_ACCOUNT, Json
from paykit.testing.simulated.provider import SimulatedProvider
from paykit.testing.simulated.webhooks import check_signature, sign

__all__ = ["AsyncSimulatedPsp", "SimulatedPsp"]

_Talk: TypeAlias = Generator[ApiRequest, Reply, Answer]
"""What is asked, one request after the other, and what comes of it."""


class _Simulated:
    """What the blocking and the asyncio face share: everything but the waiting."""

    def __init__(
        self,
        sim: SimulatedProvider,
        account: str = DEFAULT_ACCOUNT,
        webhook_secret: str | None = None,
    ) -> None:
        """Speak for one account of `sim`; the secret defaults to the provider's."""
        self.sim: Final = sim
        self._account: Final = account
        self._webhook_secret: Final = webhook_secret or sim.webhook_secret

    @property
    def provider(self) -> str:
        """The provider's name."""
        return "simulated"

    @property
    def account(self) -> str:
        """The account that is charged for."""
        return self._account

    @property
    def livemode(self) -> bool:
        """Never: no real money moves here."""
        return False

    @property
    def capabilities(self) -> Capabilities:
        """Everything that paykit can ask for."""
        return Capabilities(
            multicapture=True,
            incremental_authorization=True,
            update_payment=True,
            search=True,
            limits=_allowed(self.sim.limits),
            event_list=True,
        )

    def prepare(self, request: Request, idempotency_key: str | None, /) -> Call:
        """Return `request` as JSON text; `UsageError` for a write without a key."""
        return Call(
            verb=request.verb,
            parameters=ask(request),
            idempotency_key=_checked_key(request.verb, idempotency_key),
        )

    def verify(self, body: bytes, headers: Mapping[str, str], now: datetime, /) -> None:
        """Check Stripe's signature scheme; raises `SignatureInvalid`."""
        check_signature(body, headers, self._webhook_secret, now)

    def sign(self, body: bytes, now: datetime) -> dict[str, str]:
        """Return the headers with which the provider would deliver `body` at `now`."""
        return sign(body, self._webhook_secret, now)

    def read_envelope(self, body: bytes, /) -> WebhookEnvelope:
        """Return what the inbox needs; raises `SignatureInvalid` if unreadable."""
        return events.read_envelope(body)

    def read_event(self, body: bytes, /) -> PspEvent:
        """Parse a stored webhook; raises `ValueError` for a broken payload."""
        return events.read_event(body)


class SimulatedPsp(_Simulated):
    """
    A `Psp` on a `SimulatedProvider`, for blocking code.

    Nothing is sent anywhere: `send` returns at once, except under a `Fault.DELAY`,
    which it waits for with `sleep` while the request's key is in use.
    """

    def __init__(
        self,
        sim: SimulatedProvider,
        account: str = DEFAULT_ACCOUNT,
        webhook_secret: str | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """See `SimulatedPsp`; `sleep` passes the time of a delay, in seconds."""
        super().__init__(sim, account, webhook_secret)
        self._sleep = sleep

    def send(self, call: Call, /) -> Answer:
        """Send `call`; see `paykit.psp.Psp.send`."""
        talk = _talk(call, self.account)
        request = next(talk)
        while True:
            try:
                request = talk.send(self._ask(request))
            except StopIteration as end:
                answer: Answer = end.value
                return answer

    def _ask(self, request: ApiRequest) -> Reply:
        ticket = self.sim.begin(request)
        if isinstance(ticket, Reply):
            return ticket
        if ticket.delay_seconds:
            self._sleep(ticket.delay_seconds)
        return self.sim.finish(ticket)


class AsyncSimulatedPsp(_Simulated):
    """An `AsyncPsp` on a `SimulatedProvider`; it lets other tasks run."""

    async def send(self, call: Call, /) -> Answer:
        """Send `call`; see `paykit.psp.Psp.send`."""
        talk = _talk(call, self.account)
        request = next(talk)
        while True:
            try:
                request = talk.send(await self._ask(request))
            except StopIteration as end:
                answer: Answer = end.value
                return answer

    async def _ask(self, request: ApiRequest) -> Reply:
        ticket = self.sim.begin(request)
        if isinstance(ticket, Reply):
            await asyncio.sleep(0)
            return ticket
        try:
            await asyncio.sleep(ticket.delay_seconds)
        except asyncio.CancelledError:
            # Whoever asked has gone; the provider executes the request all the same.
            self.sim.finish(ticket)
            raise
        return self.sim.finish(ticket)


def _talk(call: Call, account: str) -> _Talk:
    """Ask for what `call` says, page by page if it looks for something."""
    asked = json.loads(call.parameters)
    request = ApiRequest(
        verb=call.verb,
        target=asked["target"],
        params=asked["params"],
        key=_checked_key(call.verb, call.idempotency_key),
        account=account,
    )
    reader = _READERS[call.verb]
    if "wanted" in asked:
        return (yield from _look_for(request, asked["wanted"], reader))
    reply = yield request
    return hear(reply, reader, write=call.verb in WRITES)


def _allowed(limits: Limits | None) -> RequestLimits | None:
    """Return the provider's limits in paykit's words."""
    if limits is None:
        return None
    return RequestLimits(per_second=limits.account, per_endpoint=limits.endpoint)


def _checked_key(verb: str, key: str | None) -> str | None:
    """Return the key to send: every write has one, a read has none."""
    if verb not in WRITES:
        return None
    if not key:
        raise UsageError(f"{verb} needs an idempotency key")
    return key


def _look_for(
    request: ApiRequest, wanted: Mapping[str, str], reader: Callable[[Json], Snapshot]
) -> _Talk:
    """Go through the pages until an object carries all of `wanted`."""
    while True:
        reply = yield request
        if reply.damage is not None or reply.status != 200:
            return hear(reply, reader, write=False)
        rows = read.read_rows(reply.body)
        for row in rows:
            if _carries(row, wanted):
                return _found(reply, reader(row))
        if not reply.body["has_more"]:
            return _found(reply, None)
        if request.verb == "search_payments":
            after = {"page": reply.body["next_page"]}
        else:
            after = {"starting_after": rows[-1]["id"]}
        request = replace(request, params={**request.params, **after})


def _read_movements(body: Json) -> Snapshot:
    """
    Return a list of balance transactions, newest first as the provider lists.

    Raises `ValueError` for a part of one: no object here has moved that often.
    """
    if body.get("has_more") is not False:
        raise ValueError("there is more of the list")
    return tuple(read.read_balance_transaction(row) for row in read.read_rows(body))


_READERS: Final[Mapping[str, Callable[[Json], Snapshot]]] = {
    "create_payment": read.read_payment,
    "confirm_payment": read.read_payment,
    "capture_payment": read.read_payment,
    "cancel_payment": read.read_payment,
    "increment_authorization": read.read_payment,
    "update_payment": read.read_payment,
    "read_payment": read.read_payment,
    "find_payment": read.read_payment,
    "create_refund": read.read_refund,
    "read_refund": read.read_refund,
    "read_charge": read.read_charge,
    "read_dispute": read.read_dispute,
    "read_payout": read.read_payout,
    "read_subscription": read_billing.read_subscription,
    "read_invoice": read_billing.read_invoice,
    "find_refund": read.read_refund,
    "search_payments": read.read_payment,
    "list_balance_transactions": _read_movements,
    "list_events": read_lists.read_events,
    "list_webhook_endpoints": read_lists.read_endpoints,
}


def _found(reply: Reply, snapshot: Snapshot) -> Answer:
    return Succeeded(snapshot=snapshot, request_id=reply.request_id)


def _carries(row: Json, wanted: Mapping[str, str]) -> bool:
    """Whether the metadata of `row` has every item of `wanted`."""
    metadata = row.get("metadata")
    return isinstance(metadata, dict) and wanted.items() <= metadata.items()
