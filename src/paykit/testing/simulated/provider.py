"""
A stateful payment provider with Stripe's semantics, in memory and deterministic.

`SimulatedProvider` is the core: it has no network and no randomness, and takes the time
from the `World` that it is given. Two faces speak for it: `SimulatedPsp`, which is an
adapter of `paykit.psp`, and `paykit.testing.stripe_server`, which speaks Stripe's HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from paykit.clock import SYSTEM, World
from paykit.testing.simulated import captures, charging, confirming, refunds
from paykit.testing.simulated.admission import (
    Account,
    Ticket,
    admit,
    execute,
    turn_back,
)
from paykit.testing.simulated.archive import pack, unpack
from paykit.testing.simulated.changes import Changes, Guard
from paykit.testing.simulated.controls import Controls
from paykit.testing.simulated.deliveries import Delivery, accept, due_deliveries
from paykit.testing.simulated.effects import Effects, effects_of
from paykit.testing.simulated.endpoints import perform
from paykit.testing.simulated.errors import not_found
from paykit.testing.simulated.exchange import ApiRequest, Reply
from paykit.testing.simulated.faults import Faults, Planned
from paykit.testing.simulated.forwarding import forward, stop_forwarding
from paykit.testing.simulated.limits import Limits
from paykit.testing.simulated.objects import (
    DEFAULT_ACCOUNT,
    Json,
    SimEvent,
    SimIntent,
    SimRefund,
)
from paykit.testing.simulated.parameters import checked
from paykit.testing.simulated.render import render
from paykit.testing.simulated.state import Cause, Shared, State
from paykit.testing.simulated.webhooks import sign

__all__ = ["SimulatedProvider"]

_Row = TypeVar("_Row")


class SimulatedProvider:
    """
    A payment provider and its accounts. Every method is thread-safe.

    `handle` answers requests; `faults` scripts what goes wrong with them. The methods
    from `complete_authentication` to `settle_charges` are what happens without a
    request: payers act, banks settle, holds run out. They raise `ProviderError` if the
    object does not exist or is not in a state for that.
    """

    def __init__(
        self,
        world: World = SYSTEM,
        *,
        tag: str = "sim",
        webhook_secret: str = "whsec_simulated",
    ) -> None:
        """Open for business, without a history; `tag` becomes part of every id."""
        self._lock = Guard(self._tell)
        self._changes: Changes | None = None
        self._shared = Shared(world, tag)
        self._accounts: dict[str, Account] = {}
        self.faults = Faults()
        self.limits: Limits | None = None
        self.webhook_secret = webhook_secret
        self.controls = Controls(self._shared, self._unasked)

    @property
    def world(self) -> World:
        """The world whose time it is here."""
        return self._shared.world

    # Requests

    def handle(self, request: ApiRequest) -> Reply:
        """Answer `request`; a `Fault.DELAY` does not wait here."""
        ticket = self.begin(request)
        return ticket if isinstance(ticket, Reply) else self.finish(ticket)

    def begin(
        self, request: ApiRequest, fault: Planned | None = None
    ) -> Ticket | Reply:
        """
        Let `request` in and hold its key; or answer it without executing.

        Whoever gets a `Ticket` waits for its `delay_seconds` and must then `finish` it:
        meanwhile its key is in use, and other requests go on. `fault` is what goes
        wrong with this request, instead of what is planned in `faults`.
        """
        with self._lock:
            planned = fault or self.faults.take(request, self.world.now())
            account = self._account(request.account)
            return admit(account, request, planned, self.limits)

    def finish(self, ticket: Ticket) -> Reply:
        """Execute what `begin` let in, remember the answer and give it."""
        with self._lock:
            account = self._account(ticket.request.account)
            reply = execute(account, ticket)
            charging.post_late(account.state)
            return reply

    def turn_back(self, ticket: Ticket) -> Reply:
        """Answer ``lock_timeout`` to what `begin` let in, instead of `finish`."""
        with self._lock:
            return turn_back(self._account(ticket.request.account), ticket)

    def call(self, verb: str, target: str = "", /, **params: object) -> Json:
        """
        Ask for `verb` without a key or faults and return the body.

        For tests, and for what happens at the provider behind paykit's back. Raises
        `ProviderError` if the provider refuses.
        """
        with self._lock:
            state = self._account(DEFAULT_ACCOUNT).state
            state.cause = Cause(request_id=state.new_id("req"))
            body = perform(state, verb, target, checked(verb, params))
            charging.post_late(state)
            return body

    # What happens without a request

    def complete_authentication(self, payment: str, success: bool = True) -> None:
        """Let the payer pass 3-D Secure, or fail it."""
        with self._outside(payment) as (state, intent):
            confirming.authenticate(state, intent, success=success)

    def expire_authorization(self, payment: str, *, reason: str = "automatic") -> None:
        """Let an authorization run out; `reason` may also be ``expired``."""
        with self._outside(payment) as (state, intent):
            captures.expire(state, intent, reason)

    def return_debit(self, payment: str) -> None:
        """Let the charge of a succeeded payment fail after all."""
        with self._outside(payment) as (state, intent):
            charging.return_debit(state, intent)

    def settle_refunds(self) -> None:
        """Let pending refunds succeed, and those that are to fail, fail."""
        for refund in self._all(lambda state: state.refunds):
            with self._outside(refund.intent) as (state, _):
                refunds.settle(state, refund)

    def settle_charges(self) -> None:
        """Let the charges of slow payment methods come to their end."""
        for charge in self._all(lambda state: state.charges):
            with self._outside(charge.intent) as (state, _):
                charging.settle(state, charge)

    # What tests look at

    def effects(self, metadata: Mapping[str, str] | None = None) -> Effects:
        """Count what happened to the payments with `metadata`, or to all of them."""
        with self._lock:
            states = [account.state for account in self._accounts.values()]
            return effects_of(states, metadata or {})

    def intent(self, payment: str) -> SimIntent:
        """Return the payment itself, for assertions; raises `ProviderError`."""
        with self._lock:
            return self._state_of(payment).intents[payment]

    def remembered(self, key: str) -> int | None:
        """Return the HTTP status that was answered under an idempotency key."""
        with self._lock:
            for account in self._accounts.values():
                known = account.keys.remembered.get(key)
                if known is not None and known.reply is not None:
                    return known.reply.status
            return None

    def charged_at(self, payment: str) -> list[datetime]:
        """Return when the issuer approved a charge of this payment."""
        rows = self._all(lambda state: state.charges)
        approved = [row for row in rows if row.status == "succeeded"]
        return [row.created for row in approved if row.intent == payment]

    def statuses_of(self, payment: str) -> list[str]:
        """Return the statuses that this payment went through, as its events show."""
        with self._lock:
            return [
                str(event.object["status"])
                for event in self._shared.events.values()
                if event.object["id"] == payment
            ]

    def intents_with(self, key: str, value: str) -> list[SimIntent]:
        """Return the payments whose metadata has this item, oldest first."""
        rows = self._all(lambda state: state.intents)
        return [row for row in rows if row.metadata.get(key) == value]

    def refunds_with(self, key: str, value: str) -> list[SimRefund]:
        """Return the refunds whose metadata has this item, oldest first."""
        rows = self._all(lambda state: state.refunds)
        return [row for row in rows if row.metadata.get(key) == value]

    def events(self, *, undelivered: bool = False) -> list[SimEvent]:
        """Return the events so far, oldest first."""
        with self._lock:
            found = self._shared.events.values()
            return [event for event in found if not (undelivered and event.delivered)]

    # Webhooks

    def webhook(self, event: SimEvent) -> tuple[bytes, dict[str, str]]:
        """Return `event` as a webhook's body and headers, signed at this moment."""
        with self._lock:
            body = json.dumps(render(event)).encode()
            return body, sign(body, self.webhook_secret, self.world.now())

    def mark_delivered(self, event: SimEvent, endpoint: str | None = None) -> None:
        """Note that the receiver, or one of the endpoints, has accepted `event`."""
        with self._lock:
            if endpoint is None:
                event.delivered = True
            else:
                accept(event, endpoint)

    def deliveries(self, ready: Callable[[str, str], bool]) -> list[Delivery]:
        """
        Return what the webhook endpoints have not accepted yet, oldest event first.

        Only the ids of events and endpoints for which `ready` is true.
        """
        with self._lock:
            return list(due_deliveries(self._shared, ready))

    def has_endpoints(self) -> bool:
        """Whether there is any webhook endpoint."""
        with self._lock:
            return any(self._shared.endpoints.values())

    def forward(self, url: str | None, secret: str) -> None:
        """Send all events to `url` from now on; None stops that."""
        with self._lock:
            state = self._account(DEFAULT_ACCOUNT).state
            if url is None:
                stop_forwarding(state)
            else:
                forward(state, url, secret)

    def pending_webhooks(self) -> list[tuple[bytes, dict[str, str]]]:
        """
        Return the webhooks not given out yet, oldest first, each only once.

        For a second delivery, an omission or another order, use `events` and `webhook`.
        """
        with self._lock:
            events = self.events(undelivered=True)
            webhooks = [self.webhook(event) for event in events]
            for event in events:
                event.delivered = True
            return webhooks

    def take_webhooks(self) -> list[bytes]:
        """Return the bodies of `pending_webhooks`, for a sender that signs itself."""
        return [body for body, _ in self.pending_webhooks()]

    # Memory

    def dump(self) -> Json:
        """Return everything the provider remembers as JSON, for `load`."""
        with self._lock:
            return pack(self._shared, self._accounts)

    def load(self, dumped: Json) -> None:
        """Remember what `dump` returned, instead of what is remembered now."""
        with self._lock:
            self._accounts = unpack(dumped, self._shared)
            self._shared.endpoints = {
                name: account.state.endpoints
                for name, account in self._accounts.items()
            }
            self._watch()

    def reset(self) -> None:
        """
        Forget everything but which ids were given, so that none is given twice.

        Planned faults are forgotten, too.
        """
        with self._lock:
            self.faults.clear()
            self._accounts = {}
            self._shared.endpoints = {}
            self._shared.events = {}
            self._shared.endpoints = {}
            self._watch()

    def journal(self, write: Callable[[bytes], None] | None) -> None:
        """
        Give `write` the memory, and then every change to it before anybody hears of it.

        None ends that.

        Both are JSON objects; `paykit.testing.simulated.changes.merge` joins them into
        what `load` takes. Whoever gave out an answer has written it: `write` returns
        before the answer is given, and its errors keep it from being given.
        """
        with self._lock:
            self._changes = None if write is None else Changes(self._shared, write)
            self._watch()

    def _watch(self) -> None:
        """Let all of the memory be told anew, if anybody is told at all."""
        if self._changes is not None:
            self._changes = self._changes.anew()
            for account in self._accounts.values():
                self._changes.watch(account)

    def _tell(self) -> None:
        if self._changes is not None:
            self._changes.tell(self._accounts)

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            self._accounts[name] = Account(State(self._shared, name))
            if self._changes is not None:
                self._changes.watch(self._accounts[name])
        return self._accounts[name]

    @contextmanager
    def _unasked(self, account: str) -> Iterator[list[State]]:
        """Change accounts without a request, `account` first: events then name none."""
        with self._lock:
            first = self._account(account).state
            states = [one.state for one in self._accounts.values()]
            for state in states:
                state.cause = Cause()
            yield [first, *(state for state in states if state is not first)]

    def _state_of(self, payment: str) -> State:
        for account in self._accounts.values():
            if payment in account.state.intents:
                return account.state
        raise not_found("payment_intent", payment, param="intent")

    def _all(self, table: Callable[[State], dict[str, _Row]]) -> list[_Row]:
        """Return the rows of a table in all accounts."""
        with self._lock:
            accounts = self._accounts.values()
            return [row for one in accounts for row in table(one.state).values()]

    @contextmanager
    def _outside(self, payment: str) -> Iterator[tuple[State, SimIntent]]:
        """Change a payment without a request: events then name none."""
        with self._lock:
            state = self._state_of(payment)
            state.cause = Cause()
            yield state, state.intents[payment]
            charging.post_late(state)
