"""The shop of the demo, and the timeline of what happens in it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from sqlalchemy import Engine

from paykit import (
    Money,
    PaymentService,
    PaymentView,
)
from paykit.testing.demo.accidents import LosesAnswer
from paykit.testing.simulated import SimulatedProvider
from paykit.testing.stripe_server import StripeServer

__all__ = ["EUR", "Demo", "Timeline"]

EUR: Final = "eur"


@dataclass(slots=True)
class Timeline:
    """What happened, for a person as it happens and for a machine at the end."""

    quiet: bool
    started: float = field(default_factory=monotonic)
    steps: list[dict[str, object]] = field(default_factory=list)

    def act(self, title: str) -> None:
        """Begin a new part of the story."""
        self._write(f"\n  {title}")

    def tell(self, text: str, **facts: object) -> None:
        """Tell one step."""
        after = monotonic() - self.started
        self.steps.append({"seconds": round(after, 3), "text": text, **facts})
        self._write(f"  {after:6.2f}s  {text}")

    def note(self, text: str) -> None:
        """Print a line that is no step of its own."""
        self._write(text)

    def _write(self, text: str) -> None:
        if not self.quiet:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


@dataclass(slots=True)
class Demo:
    """The stage: a shop with its database, and a Stripe."""

    database: Engine
    path: Path
    service: PaymentService
    network: LosesAnswer
    timeline: Timeline
    run: str
    """Makes the idempotency keys of this run new, also at a Stripe that remembers."""
    key: str
    base_url: str | None
    sim: SimulatedProvider | None
    server: StripeServer | None = None

    def pay(self, name: str, minor: int, **more: Any) -> PaymentView:
        """Create a payment and tell of it."""
        payment = self.service.create_payment(
            amount=Money(minor, EUR),
            idempotency_key=f"{self.run}-{name}",
            reference=f"{self.run}-order-{name}",
            **more,
        )
        self.timeline.tell(f"create  {Money(minor, EUR)} -> {payment.state}")
        return payment

    def confirm(self, payment: PaymentView, name: str, method: str) -> PaymentView:
        """Confirm a payment and tell of it."""
        payment = self.service.confirm_payment(
            payment.id,
            idempotency_key=f"{self.run}-{name}-confirm",
            payment_method=method,
        )
        why = f" ({payment.decline.decline_code})" if payment.decline else ""
        self.timeline.tell(f"confirm {method} -> {payment.state}{why}")
        return payment

    def settle(self, seconds: float = 20) -> None:
        """Wait until every webhook has arrived and the worker has nothing left."""
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            if self.server is not None:
                self.server.deliver_webhooks()
            if not any(self.service.health().pending.values()):
                return
            sleep(0.1)
