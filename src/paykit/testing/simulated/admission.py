"""How a request comes in: faults first, then its parameters, then its key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from paykit.testing.simulated.endpoints import WRITES, perform
from paykit.testing.simulated.errors import (
    ProviderError,
    forbidden,
    key_in_use,
    server_error,
    too_many,
    unauthorized,
)
from paykit.testing.simulated.exchange import ApiRequest, Damage, Reply
from paykit.testing.simulated.faults import Fault, Planned
from paykit.testing.simulated.idempotency import Keys
from paykit.testing.simulated.limits import Limiter, Limits
from paykit.testing.simulated.parameters import Params, checked
from paykit.testing.simulated.render import render_error
from paykit.testing.simulated.state import Cause, State

__all__ = ["Account", "Ticket", "admit", "execute", "turn_back"]

_LOST_BEFORE: Final[Mapping[Fault | None, Damage]] = {
    Fault.LOSE_REQUEST_UNSENT: Damage.REFUSED,
    Fault.LOSE_REQUEST: Damage.CUT,
    Fault.UNAVAILABLE: Damage.HTML,
}
_LOST_AFTER: Final[Mapping[Fault | None, Damage]] = {
    Fault.LOSE_ANSWER: Damage.CUT,
    Fault.HANG: Damage.SILENT,
    Fault.TRUNCATED: Damage.TRUNCATED,
    Fault.EMPTY: Damage.EMPTY,
    Fault.BAD_GATEWAY: Damage.HTML,
}
_STATUSES: Final[Mapping[Fault | None, int]] = {
    Fault.BAD_GATEWAY: 502,
    Fault.UNAVAILABLE: 503,
}
"""The statuses of the proxies that answer instead of the provider."""

_REFUSALS: Final[Mapping[Fault | None, Callable[[], ProviderError]]] = {
    Fault.ERROR_BEFORE: server_error,
    Fault.UNAUTHORIZED: unauthorized,
    Fault.FORBIDDEN: forbidden,
    Fault.RATE_LIMIT: lambda: too_many("rate_limit"),
    Fault.LOCK_TIMEOUT: lambda: too_many("lock_timeout"),
    Fault.KEY_IN_USE: key_in_use,
}
"""The faults that answer before anything is looked at."""


@dataclass(slots=True)
class Account:
    """One account: what happened in it, the keys it has seen, what it may still do."""

    state: State
    keys: Keys = field(default_factory=Keys)
    limiter: Limiter = field(default_factory=Limiter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A request that was let in and waits to be executed."""

    request: ApiRequest
    params: Params
    request_id: str
    fault: Fault | None
    delay_seconds: float
    """How long the caller is to wait before the request is executed."""

    @property
    def locks(self) -> str | None:
        """The id of the object that no other request may change meanwhile."""
        if self.request.verb not in WRITES:
            return None
        by_parameter = self.params.text("payment_intent") or self.params.text("charge")
        return self.request.target or by_parameter


def admit(
    account: Account,
    request: ApiRequest,
    planned: Planned | None,
    limits: Limits | None,
) -> Ticket | Reply:
    """Return a ticket for `request`, or the reply if it is not to be executed."""
    request_id = account.state.new_id("req")
    fault = None if planned is None else planned.fault
    if fault in _LOST_BEFORE:
        return _damaged(Reply(status=0, body={}, request_id=request_id), fault)
    try:
        _turn_away(account, request, fault, limits)
        params = checked(request.verb, request.params)
        stored = _claim(account, request, params)
    except ProviderError as error:
        reply = _refusal(error, request_id)
        return replace(reply, should_retry=planned.should_retry) if planned else reply
    if stored is not None:
        return _damaged(_repeated(stored, request_id), fault)
    return Ticket(
        request=request,
        params=params,
        request_id=request_id,
        fault=fault,
        delay_seconds=planned.seconds if planned and fault is Fault.DELAY else 0.0,
    )


def execute(account: Account, ticket: Ticket) -> Reply:
    """Execute the request, let its key remember the answer, and return that."""
    remembered: Reply | None = None
    try:
        reply, remember = _perform(account.state, ticket)
        remembered = reply if remember else None
    finally:
        _settle(account, ticket, remembered)
    return _damaged(reply, ticket.fault)


def turn_back(account: Account, ticket: Ticket) -> Reply:
    """Refuse a request whose object stayed locked; its key is free again."""
    _settle(account, ticket, None)
    return _refusal(too_many("lock_timeout"), ticket.request_id)


def _settle(account: Account, ticket: Ticket, reply: Reply | None) -> None:
    """Let the key of the request, if it has one, remember `reply`, or nothing."""
    request = ticket.request
    if request.key is not None and request.verb in WRITES:
        account.keys.settle(request.key, reply)


def _perform(state: State, ticket: Ticket) -> tuple[Reply, bool]:
    """Return the answer and whether the request's key is to remember it."""
    request, request_id = ticket.request, ticket.request_id
    state.cause = Cause(request_id, request.key)
    try:
        body = perform(state, request.verb, request.target, ticket.params)
        reply, remember = Reply(status=200, body=body, request_id=request_id), True
    except ProviderError as error:
        reply, remember = _refusal(error, request_id), error.executed
    if ticket.fault is Fault.ERROR_AFTER:
        return _refusal(server_error(), request_id), True
    return reply, remember


def _damaged(reply: Reply, fault: Fault | None) -> Reply:
    """Return `reply` with what `fault` does to it on its way."""
    damage = _LOST_BEFORE.get(fault) or _LOST_AFTER.get(fault)
    return replace(reply, damage=damage, status=_STATUSES.get(fault, reply.status))


def _turn_away(
    account: Account, request: ApiRequest, fault: Fault | None, limits: Limits | None
) -> None:
    """Raise the answer of what comes before the request is looked at."""
    if fault in _REFUSALS:
        raise _REFUSALS[fault]()
    now = account.state.shared.world.now()
    if limits is not None and not account.limiter.admits(request.verb, limits, now):
        raise too_many("rate_limit")


def _claim(account: Account, request: ApiRequest, params: Params) -> Reply | None:
    """Take the request's key, or return what it remembers."""
    if request.key is None or request.verb not in WRITES:
        return None
    return account.keys.claim(
        request.key,
        f"{request.verb}/{request.target}",
        json.dumps(params.values, sort_keys=True),
        account.state.shared.world.now(),
    )


def _refusal(error: ProviderError, request_id: str) -> Reply:
    body = render_error(error, request_id)
    return Reply(status=error.status, body=body, request_id=request_id)


def _repeated(stored: Reply, request_id: str) -> Reply:
    return replace(stored, request_id=request_id, original_request=stored.request_id)
