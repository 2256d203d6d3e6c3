"""Which webhook endpoints hear of an event."""

from __future__ import annotations

from collections.abc import Mapping

from paykit.testing.simulated.account_objects import SimEndpoint
from paykit.testing.simulated.objects import DEFAULT_ACCOUNT

__all__ = ["heard_by", "platform_of", "type_for"]


def heard_by(
    endpoints: Mapping[str, Mapping[str, SimEndpoint]], account: str, type: str
) -> list[str] | None:
    """
    Return the ids of the endpoints that an event of `account` goes to.

    `endpoints` are those of each account. None if neither the account nor its platform
    has any: then the event is for whoever asks the provider for its webhooks.
    """
    own = list(endpoints.get(account, {}).values())
    platform = platform_of(account)
    above = [] if platform == account else endpoints.get(platform, {}).values()
    if not own and not above:
        return None
    told = [one for one in own if not one.connect]
    told += [one for one in above if one.connect]
    return [one.id for one in told if one.enabled and _wants(one, type)]


def platform_of(account: str) -> str:
    """Return the account whose ``connect`` endpoints hear of `account`."""
    return DEFAULT_ACCOUNT


def type_for(endpoint: SimEndpoint, type: str) -> str:
    """Return the event's type in the endpoint's words: a thin one's has a version."""
    return f"v1.{type}" if endpoint.payload == "thin" else type


def _wants(endpoint: SimEndpoint, type: str) -> bool:
    wanted = endpoint.enabled_events
    return "*" in wanted or type_for(endpoint, type) in wanted
