"""One URL that hears everything: ordinary webhook endpoints, made without a request."""

from __future__ import annotations

from typing import Final

from paykit.testing.simulated.account_objects import SimEndpoint, SimSecret
from paykit.testing.simulated.objects import DEFAULT_ACCOUNT
from paykit.testing.simulated.state import State

__all__ = ["forward", "stop_forwarding"]

_MARK: Final = "paykit_forward"
"""The metadata by which these endpoints are found again after a restart."""


def forward(state: State, url: str, secret: str) -> None:
    """
    Send every event of the account and of its connected accounts to `url`.

    One endpoint hears of the account and one of the others, as Stripe has it. Events
    that nobody was told of yet are sent as well.
    """
    own, others = (_endpoint(state, connect) for connect in (False, True))
    for endpoint in (own, others):
        endpoint.url, endpoint.enabled = url, True
        endpoint.secrets = [SimSecret(value=secret)]
    for event in state.shared.events.values():
        if event.waiting is None and not event.delivered:
            mine = event.account == DEFAULT_ACCOUNT
            event.waiting = [own.id if mine else others.id]


def stop_forwarding(state: State) -> None:
    """Send nothing there any more; what is waiting waits."""
    for endpoint in state.endpoints.values():
        if _MARK in endpoint.metadata:
            endpoint.enabled = False


def _endpoint(state: State, connect: bool) -> SimEndpoint:
    """Return the endpoint from before the restart, or a new one."""
    for endpoint in state.endpoints.values():
        if _MARK in endpoint.metadata and endpoint.connect is connect:
            return endpoint
    endpoint = SimEndpoint(
        id=state.new_id("we"),
        created=state.now(),
        url="",
        enabled_events=["*"],
        secrets=[],
        connect=connect,
        metadata={_MARK: "true"},
    )
    state.endpoints[endpoint.id] = endpoint
    return endpoint
