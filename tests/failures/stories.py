"""What several failures have in common: processes that die, and payers elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NoReturn

from sqlalchemy import Engine, select

from paykit.psp import Call
from paykit.store.schema import metadata
from paykit.testing.simulated import SimEvent
from paykit.testing.simulated.webhooks import sign
from tests.support import PATIENCE, VISA, Shop

__all__ = [
    "FIRST_LOOK",
    "SENDS",
    "Crash",
    "arrive",
    "body_of",
    "die",
    "everything_stored",
    "events_of",
    "inbox_ends",
    "pay_elsewhere",
    "push_raw",
]

SENDS: Final = PATIENCE.sends
"""How often one call sends a request that is not answered."""

FIRST_LOOK: Final = PATIENCE.schedule[0]
"""When a worker looks for the first time at an outcome that nobody knows."""


class Crash(BaseException):
    """The process is gone; no `except` of paykit's sees it."""


def die(_: Call) -> NoReturn:
    """Be what happens next to a process, as a hook of a watched adapter."""
    raise Crash


def pay_elsewhere(shop: Shop, payment: str, **params: object) -> str:
    """Let the payer confirm without paykit, which only events tell; the PSP's id."""
    reference = shop.reference(payment)
    params.setdefault("payment_method", VISA)
    shop.sim.call("confirm_payment", reference, **params)
    return reference


def events_of(shop: Shop, *types: str) -> list[SimEvent]:
    """Return the provider's events of these types, oldest first."""
    return [event for event in shop.sim.events() if event.type in types]


def arrive(shop: Shop, events: Sequence[SimEvent]) -> None:
    """Let the events come one by one, with a worker after each."""
    for event in events:
        assert shop.push(event).status == 200
        shop.work()
        shop.world.advance(timedelta(milliseconds=1))


def inbox_ends(shop: Shop) -> dict[str, str]:
    """Return what became of each event, by its id."""
    rows = shop.query("SELECT event_id, status FROM paykit_inbox")
    return {row["event_id"]: row["status"] for row in rows}


def body_of(shop: Shop, event: SimEvent) -> dict[str, Any]:
    """Return the body of an event's webhook, to be spoiled."""
    body: dict[str, Any] = json.loads(shop.sim.webhook(event)[0])
    return body


def push_raw(shop: Shop, body: dict[str, Any]) -> None:
    """Deliver any body, signed as the provider would."""
    raw = json.dumps(body).encode()
    headers = sign(raw, shop.sim.webhook_secret, shop.world.now())
    assert shop.receive(raw, headers).status == 200


def everything_stored(engine: Engine) -> str:
    """Return the text of all rows; webhooks are left out, for they are kept raw."""
    with engine.connect() as connection:
        return "\n".join(
            str(tuple(row))
            for table in metadata.sorted_tables
            if table.name != "paykit_inbox"
            for row in connection.execute(select(table))
        )
