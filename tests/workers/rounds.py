"""A worker that does everything, the jobs that come again included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from paykit import AsyncPaymentService, AsyncWorker, Worker, WorkReport
from paykit.testing.simulated import SimEvent
from paykit.workers.catch_up import GRACE
from tests.support import VISA, Shop

__all__ = [
    "BINDING",
    "EVERY",
    "alarms",
    "cursor",
    "full_round",
    "full_worker",
    "hide_event",
    "origins",
    "paid_elsewhere",
    "show_event",
]

BINDING: Final = "simulated:default:test"
EVERY: Final = timedelta(minutes=5)


def full_worker(shop: Shop) -> Worker | AsyncWorker:
    """Return a worker with all duties, as a host has it."""
    if isinstance(shop.service, AsyncPaymentService):
        return AsyncWorker(shop.service)
    return Worker(shop.service)


def full_round(shop: Shop, *, after: timedelta = timedelta(0)) -> WorkReport:
    """Let time pass, and everything be done that is due; what the jobs came to."""
    shop.world.advance(after)
    worker = full_worker(shop)
    report = shop.wait(worker.run_once())
    shop.wait(worker.run_once())
    assert not report.failed
    return report


def paid_elsewhere(shop: Shop) -> str:
    """Return a payment that the payer paid a while ago, which only events tell."""
    payment = shop.create_payment()
    shop.sim.call("confirm_payment", payment.psp_reference or "", payment_method=VISA)
    shop.world.advance(GRACE)
    return payment.id


def origins(shop: Shop) -> dict[str, str]:
    rows = shop.query("SELECT event_id, origin FROM paykit_inbox")
    return {row["event_id"]: row["origin"] for row in rows}


def cursor(shop: Shop) -> Mapping[str, Any]:
    (row,) = shop.query("SELECT * FROM paykit_event_cursor")
    return dict(row)


def alarms(shop: Shop) -> dict[str, str]:
    """Return the open alarms: the kind of each, and its text."""
    found = shop.wait(shop.service.operator.alarms())
    assert all(alarm.subject == BINDING for alarm in found)
    return {alarm.kind.value: alarm.detail for alarm in found}


def hide_event(shop: Shop, event: SimEvent) -> Any:
    """Let the provider not show an event yet; for `show_event`."""
    memory: Any = shop.sim.dump()
    hidden = memory["events"].pop(event.id)
    shop.sim.load(memory)
    return hidden


def show_event(shop: Shop, hidden: Any) -> None:
    """Let an event show that was hidden, at its place in the order of time."""
    memory: Any = shop.sim.dump()
    events = [*memory["events"].values(), hidden]
    events.sort(key=lambda event: event["id"])
    memory["events"] = {event["id"]: event for event in events}
    shop.sim.load(memory)
