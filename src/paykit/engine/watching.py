"""
What is wrong with webhooks: policy and verdict.

Pure. `Sight` is what the tables and the PSP show of one binding, and `judge` says which
alarms that opens and which it closes. Where nothing was seen, nothing is said: an alarm
stays as it is. Who looks is `paykit.workers.watch`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from paykit.psp import EndpointSnapshot
from paykit.store.alarms import AlarmKind

__all__ = ["Sight", "WatchPolicy", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """How long webhooks may be missing before somebody is told."""

    silence: timedelta = timedelta(hours=1)
    """How long nothing may be pushed although a payment was settled, and how long the
    PSP's list of events may not be read to its end."""
    unheard: timedelta = timedelta(minutes=15)
    """How long after a payment was settled here its webhook may take."""
    webhook_url: str | None = None
    """Where our webhooks arrive, as the PSP has it written down. None if any endpoint
    of the account may be ours; then one of them that is in order is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is known of the webhooks of one binding, at one moment."""

    now: datetime
    listed_at: datetime | None
    """When the PSP's list of events was last read to its end; None before it began."""
    last_push: datetime | None
    """When a webhook last came by itself."""
    waiting: datetime | None
    """Since when a payment waits that was settled after the last push, if one does for
    as long as `WatchPolicy.silence`."""
    settled: Collection[str] | None
    """Payments that should have been heard of by now, the newest ones; None while
    webhooks of that time are still to be applied."""
    heard: Collection[str]
    """The ones of them about which a webhook was pushed."""
    endpoints: Collection[EndpointSnapshot] | None
    """Where the PSP sends webhooks; None if it does not let us know."""


def judge(sight: Sight, policy: WatchPolicy) -> Mapping[AlarmKind, str | None]:
    """Return the text of each alarm that is to be open, and None for what is over."""
    verdicts: dict[AlarmKind, str | None] = {}
    verdicts |= _silence(sight)
    verdicts |= _unheard(sight)
    verdicts |= _endpoint(sight, policy)
    if sight.listed_at is not None and sight.now - sight.listed_at > policy.silence:
        detail = f"the list of events was last read to its end at {sight.listed_at}"
        verdicts[AlarmKind.NOT_LISTED] = detail
    return verdicts


def _silence(sight: Sight) -> dict[AlarmKind, str | None]:
    if sight.waiting is not None:
        last = "never" if sight.last_push is None else f"last {sight.last_push}"
        detail = f"a webhook was {last} pushed; a payment waits since {sight.waiting}"
        return {AlarmKind.SILENCE: detail}
    return {} if sight.last_push is None else {AlarmKind.SILENCE: None}


def _unheard(sight: Sight) -> dict[AlarmKind, str | None]:
    if not sight.settled:
        return {}
    missing = sorted(set(sight.settled) - set(sight.heard))
    if not missing:
        return {AlarmKind.UNHEARD: None}
    total = len(sight.settled)
    detail = f"no webhook about {len(missing)} of {total} payments, as {missing[0]}"
    return {AlarmKind.UNHEARD: detail}


def _endpoint(sight: Sight, policy: WatchPolicy) -> dict[AlarmKind, str | None]:
    """Judge the endpoints; a platform's or an event bus's are on no list of ours."""
    if sight.endpoints is None:
        return {}
    url = policy.webhook_url
    ours = [one for one in sight.endpoints if url in (None, one.url)]
    if not ours:
        missing = url is not None or sight.waiting is not None
        detail = f"there is no endpoint {'' if url is None else url}".rstrip()
        return {AlarmKind.ENDPOINT: detail} if missing else {}
    faults = [_faults(one) for one in ours]
    if not all(faults):
        return {AlarmKind.ENDPOINT: None}
    return {AlarmKind.ENDPOINT: "; ".join(faults)}


def _faults(endpoint: EndpointSnapshot) -> str:
    """Return what is wrong with an endpoint; empty if nothing is."""
    found = []
    if not endpoint.enabled:
        found.append("is disabled")
    if endpoint.unheard:
        found.append(f"does not hear {', '.join(endpoint.unheard)}")
    if not endpoint.current:
        found.append(f"has another API version, {endpoint.api_version}")
    return f"{endpoint.reference} {' and '.join(found)}" if found else ""
