"""How a request comes in: faults first, then its parameters, then its key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from paykit.testing.simulated.endpoints import WRITES, perform
from paykit.testing.simulated.errors import (
    ProviderError,
    key_in_use,
    server_error,
    too_many,
)
from paykit.testing.simulated.exchange import ApiRequest, Damage, Reply
from paykit.testing.simulated.faults import Fault, Planned
from paykit.testing.simulated.idempotency import Keys
from paykit.testing.simulated.parameters import Params, checked
from paykit.testing.simulated.render import render_error
from paykit.testing.simulated.state import Cause, State

__all__ = ["Account", "Ticket", "admit", "execute"]

_LOST_BEFORE: Final[Mapping[Fault | None, Damage]] = {
    Fault.LOSE_REQUEST_UNSENT: Damage.REFUSED,
    Fault.LOSE_REQUEST: Damage.CUT,
}
_LOST_AFTER: Final[Mapping[Fault | None, Damage]] = {
    Fault.LOSE_ANSWER: Damage.CUT,
    Fault.HANG: Damage.SILENT,
    Fault.TRUNCATED: Damage.TRUNCATED,
}


@dataclass(slots=True)
class Account:
    """One account: what happened in it, and the keys it has seen."""

    state: State
    keys: Keys = field(default_factory=Keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A request that was let in and waits to be executed."""

    request: ApiRequest
    params: Params
    request_id: str
    fault: Fault | None
    delay_seconds: float
    """How long the caller is to wait before the request is executed."""


def admit(
    account: Account, request: ApiRequest, planned: Planned | None
) -> Ticket | Reply:
    """Return a ticket for `request`, or the reply if it is not to be executed."""
    request_id = account.state.new_id("req")
    fault = None if planned is None else planned.fault
    if fault in _LOST_BEFORE:
        damage = _LOST_BEFORE[fault]
        return Reply(status=0, body={}, request_id=request_id, damage=damage)
    try:
        _turn_away(fault)
        params = checked(request.verb, request.params)
        stored = _claim(account, request, params)
    except ProviderError as error:
        return _refusal(error, request_id)
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
    request = ticket.request
    reply, remember = _perform(account.state, ticket)
    if request.key is not None and request.verb in WRITES:
        account.keys.settle(request.key, reply if remember else None)
    return _damaged(reply, ticket.fault)


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
    return replace(reply, damage=_LOST_AFTER.get(fault))


def _turn_away(fault: Fault | None) -> None:
    """Raise the answer of a fault that comes before anything is looked at."""
    match fault:
        case Fault.ERROR_BEFORE:
            raise server_error()
        case Fault.RATE_LIMIT | Fault.LOCK_TIMEOUT:
            raise too_many(fault.value)
        case Fault.KEY_IN_USE:
            raise key_in_use()
        case _:
            return


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
