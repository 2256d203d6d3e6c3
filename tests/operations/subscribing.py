"""Subscriptions at the simulated PSP, for tests of what becomes of them here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from paykit import EventView, SubscriptionView
from paykit.testing.simulated import SimEvent
from tests.failures.stories import body_of, push_raw
from tests.support import Shop

OURS: Final = {"paykit_merchant": "default", "order": "17"}
MONTH: Final = timedelta(days=30)


def started(shop: Shop, **fields: Any) -> str:
    """Let somebody subscribe at the PSP and return the PSP's id; nothing arrives."""
    return shop.sim.controls.start_subscription({**OURS}, **fields)


def hear(shop: Shop, body: dict[str, Any]) -> None:
    """Let any body come, as an event, and a worker after it."""
    push_raw(shop, body)
    shop.work()


def fresh_events(shop: Shop) -> list[SimEvent]:
    """Return what has happened at the PSP since the last time."""
    events = shop.sim.events(undelivered=True)
    shop.sim.pending_webhooks()
    return events


def the(shop: Shop) -> SubscriptionView:
    """Return the only subscription that there is."""
    (found,) = shop.wait(shop.service.list_subscriptions()).items
    return found


def history(shop: Shop) -> list[EventView]:
    return list(shop.wait(shop.service.subscription_events(the(shop).id)))


def types(shop: Shop) -> list[str]:
    return [event.type.removeprefix("subscription.") for event in history(shop)]


def reads(shop: Shop) -> int:
    """Return how often a subscription was read so far."""
    return sum(call.verb == "read_subscription" for call in shop.watch.sent)


def reasons(shop: Shop) -> set[str]:
    return {row["reason"] for row in shop.query("SELECT reason FROM paykit_inbox")}


def at_psp(shop: Shop, reference: str) -> dict[str, object]:
    return shop.sim.call("read_subscription", reference)


def only_named(shop: Shop, event: SimEvent, *, thin: bool) -> dict[str, Any]:
    """Return a body with nothing to believe: a thin one, or one of another version."""
    body = {**body_of(shop, event), "api_version": "2019-01-01"}
    thing = body["data"]["object"]
    if not thin:
        return {**body, "data": {"object": {**thing, "items": None, "lines": None}}}
    return {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": f"v1.{event.type}",
        "created": "2030-01-01T00:00:00.000Z",
        "livemode": False,
        "related_object": {"id": thing["id"], "type": thing["object"]},
    }
