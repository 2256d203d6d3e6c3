"""
A stateful payment provider with Stripe's semantics, in memory and deterministic.

`SimulatedProvider` is the core: it has no network and no randomness, and takes the time
from the `World` that it is given. Two faces speak for it: `SimulatedPsp`, which is an
adapter of `paykit.psp`, and `paykit.testing.stripe_server`, which speaks Stripe's HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock

from paykit.clock import World
from paykit.testing.simulated import admission, charging, intents, refunds
from paykit.testing.simulated.admission import Ticket
from paykit.testing.simulated.archive import pack, unpack
from paykit.testing.simulated.effects import Effects, effects_of
from paykit.testing.simulated.endpoints import WRITES, perform
from paykit.testing.simulated.exchange import ApiRequest, Reply
from paykit.testing.simulated.faults import Faults
from paykit.testing.simulated.idempotency import Keys
from paykit.testing.simulated.objects import Json, SimEvent, SimIntent
from paykit.testing.simulated.parameters import checked
from paykit.testing.simulated.render import render
from paykit.testing.simulated.state import Cause, State
from paykit.testing.simulated.webhooks import sign

__all__ = ["SimulatedProvider"]


class SimulatedProvider:
    """
    One account of a payment provider. Every method is thread-safe.

    `handle` answers requests; `faults` scripts what goes wrong with them. The methods
    from `complete_authentication` to `return_debit` are what happens without a request:
    payers act, banks settle, holds run out. They raise `ProviderError` if the object
    does not exist or is not in a state for that.
    """

    def __init__(
        self,
        world: World,
        *,
        tag: str = "sim",
        webhook_secret: str = "whsec_simulated",
    ) -> None:
        """Open an account without a history; `tag` becomes part of every id."""
        self._lock = RLock()
        self._keys = Keys()
        self.state = State(world, tag)
        self.faults = Faults()
        self.webhook_secret = webhook_secret

    # Requests

    def handle(self, request: ApiRequest) -> Reply:
        """Answer `request`; a `Fault.DELAY` does not wait here."""
        ticket = self.begin(request)
        return ticket if isinstance(ticket, Reply) else self.finish(ticket)

    def begin(self, request: ApiRequest) -> Ticket | Reply:
        """
        Let `request` in and hold its key; or answer it without executing.

        Whoever gets a `Ticket` waits for its `delay_seconds` and must then `finish` it:
        meanwhile its key is in use, and other requests go on.
        """
        planned = self.faults.take(request)
        with self._lock:
            return admission.admit(self.state, self._keys, request, planned)

    def finish(self, ticket: Ticket) -> Reply:
        """Execute what `begin` let in, remember the answer and give it."""
        request = ticket.request
        with self._lock:
            reply, remember = admission.execute(self.state, ticket)
            if request.key is not None and request.verb in WRITES:
                self._keys.settle(request.key, reply if remember else None)
            charging.post_late(self.state)
            return admission.damaged(reply, ticket.fault)

    def call(self, verb: str, target: str = "", /, **params: object) -> Json:
        """
        Ask for `verb` without a key or faults and return the body.

        For tests, and for what happens at the provider behind paykit's back. Raises
        `ProviderError` if the provider refuses.
        """
        with self._lock:
            self.state.cause = Cause(request_id=self.state.new_id("req"))
            body = perform(self.state, verb, target, checked(verb, params))
            charging.post_late(self.state)
            return body

    # What happens without a request

    def complete_authentication(self, payment: str, *, success: bool = True) -> None:
        """Let the payer pass 3-D Secure, or fail it."""
        with self._outside() as state:
            intents.authenticate(state, state.intent(payment), success=success)

    def expire_authorization(self, payment: str, *, reason: str = "automatic") -> None:
        """Let an authorization run out; `reason` may also be ``expired``."""
        with self._outside() as state:
            intents.expire(state, state.intent(payment), reason)

    def settle_refunds(self) -> None:
        """Let pending refunds succeed, and those that are to fail, fail."""
        with self._outside() as state:
            for refund in list(state.refunds.values()):
                refunds.settle(state, refund)

    def settle_charges(self) -> None:
        """Let the charges of slow payment methods come to their end."""
        with self._outside() as state:
            for charge in list(state.charges.values()):
                charging.settle(state, charge)

    def return_debit(self, payment: str) -> None:
        """Let the charge of a succeeded payment fail after all."""
        with self._outside() as state:
            intent = state.intent(payment)
            charging.return_debit(state, state.charge(intent.latest_charge or ""))

    # What tests look at

    def effects(
        self,
        metadata: Mapping[str, str] | None = None,
        *,
        payment: str | None = None,
    ) -> Effects:
        """Count what happened to `payment`, or to those with `metadata`, or to all."""
        with self._lock:
            return effects_of(self.state, metadata or {}, payment)

    def intent(self, payment: str) -> SimIntent:
        """Return the payment itself, for assertions; raises `ProviderError`."""
        with self._lock:
            return self.state.intent(payment)

    def events(self, *, undelivered: bool = False) -> list[SimEvent]:
        """Return the events so far, oldest first."""
        with self._lock:
            found = self.state.events.values()
            return [event for event in found if not (undelivered and event.delivered)]

    def dump(self) -> Json:
        """Return everything the provider remembers as JSON, for `load`."""
        with self._lock:
            return pack(self.state, self._keys)

    def load(self, dumped: Json) -> None:
        """Remember what `dump` returned, instead of what is remembered now."""
        with self._lock:
            unpack(dumped, self.state, self._keys)

    # Webhooks

    def webhook(self, event: SimEvent) -> tuple[bytes, dict[str, str]]:
        """Return `event` as a webhook's body and headers, signed at this moment."""
        with self._lock:
            body = json.dumps(render(event)).encode()
            return body, sign(body, self.webhook_secret, self.state.world.now())

    def mark_delivered(self, event: SimEvent) -> None:
        """Note that the receiver has accepted `event`."""
        with self._lock:
            event.delivered = True

    def pending_webhooks(self) -> list[tuple[bytes, dict[str, str]]]:
        """
        Return the webhooks not given out yet, oldest first, each only once.

        For a second delivery, an omission or another order, use `events` and `webhook`.
        """
        with self._lock:
            events = self.events(undelivered=True)
            webhooks = [self.webhook(event) for event in events]
            for event in events:
                self.mark_delivered(event)
            return webhooks

    @contextmanager
    def _outside(self) -> Iterator[State]:
        """Change the state without a request: events then name none."""
        with self._lock:
            self.state.cause = Cause()
            yield self.state
            charging.post_late(self.state)
